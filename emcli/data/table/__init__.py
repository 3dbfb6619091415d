"""Bytes to a table, with the place of every fault."""
