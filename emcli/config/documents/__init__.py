"""The documents that emcli writes and reads: their keys, what those mean, what is wrong in one, and schemas."""
