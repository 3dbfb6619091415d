"""The documentation held to the program: its commands run, its tables are the code's, its links lead somewhere."""
