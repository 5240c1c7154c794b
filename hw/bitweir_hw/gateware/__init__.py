"""The blocks in Amaranth, one a file."""
