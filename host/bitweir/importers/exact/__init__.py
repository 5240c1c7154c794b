"""Exact arithmetic: fractions, roots, curves, and the integer thresholds and scores that they lead to.

A new activation formula is a function that returns a `fold.Step`, beside `fold.clip` and `fold.leaky`. If its values
are neither fractions nor roots, `curves` encloses them to any precision, as it does for tanh and the sigmoid.
"""
