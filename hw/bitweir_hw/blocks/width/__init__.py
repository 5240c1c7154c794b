"""The width converter."""
