"""The search for the best optimum: starts, moves between optima, and a sample that screens them."""
