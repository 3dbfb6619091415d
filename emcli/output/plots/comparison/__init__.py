"""What pictures of a comparison show."""
