"""What pictures of a fit show of each model: the rows alone, one iteration, and how it went."""
