"""What people and programs see of a fit: tables, JSON lines, progress and pictures."""
