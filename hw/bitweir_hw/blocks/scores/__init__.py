"""The end of a network."""
