"""From bytes to rows that a model can use."""
