"""How options are declared, converted and shown, and how a command line is written that repeats a run."""
