"""Damaged and hostile model files: each must end in a network or in one sentence, in bounded time and memory."""
