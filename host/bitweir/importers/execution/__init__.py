"""Operators in float64, and how far float32 may round them: an independent reference for imported networks.

It shares nothing with `folding`: a mistake in a rule there shows as a difference here.
"""
