"""One-to-one elementwise blocks with constants for each channel."""
