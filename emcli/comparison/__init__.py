"""Several fits beside each other: ranked, nested, aligned."""
