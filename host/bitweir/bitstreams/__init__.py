"""From a network to a bitstream on a board."""
