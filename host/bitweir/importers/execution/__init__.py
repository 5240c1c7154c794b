"""Operators in float64, and how far float32 may round them: an independent reference for imported networks.

It shares nothing with `folding`: a mistake in a rule there shows as a difference here. The operators are those of
ONNX's own reference implementation, `onnx.reference`, as far as it has them and does what the standard says.
"""
