"""The weighted sum of streams."""
