"""The command line: each command parses its options, calls the Python interface and shows the result."""

from .commands import main

__all__ = ["main"]
