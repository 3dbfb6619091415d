"""What is done otherwise than Typer does it: the conversion of arguments, and the page of --help."""
