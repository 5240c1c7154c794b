"""One stream becomes several."""
