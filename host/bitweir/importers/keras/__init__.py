"""Keras and Larq files, without TensorFlow: `files` and `graph` read a file, `importer` applies a rule to each layer.

A new layer takes two entries: a rule in a module of `keras.layers`, in `rules.KERAS_RULES`, and its formula in
`reference`, so that the comparison with the file can run it. A new activation by name is an entry in
`layers.activations`, a new quantiser one in `layers.quantisers`. `layers.refusals` says of each layer without a rule
why it is refused, and what to do instead.
"""

from .importer import import_keras

__all__ = ["import_keras"]
