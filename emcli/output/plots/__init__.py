"""Pictures of fits and comparisons."""
