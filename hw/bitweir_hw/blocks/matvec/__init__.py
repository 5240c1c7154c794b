"""The matrix-vector-threshold unit."""
