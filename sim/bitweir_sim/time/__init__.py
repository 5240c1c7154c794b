"""Time: the cycle in which every beat moves, and what follows from it."""
