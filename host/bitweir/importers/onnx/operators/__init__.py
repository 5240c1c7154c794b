"""What each ONNX operator does to a value that depends on the image: one rule each, collected in `rules.RULES`.

`scalars` has elementwise operations, `maps` those that see neighbours, `shapes` those that move elements, `quantisers`
those that end a chain in codes, and `rules` the dense layers and what remains.
"""
