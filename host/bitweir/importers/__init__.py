"""Model files to integer networks.

The packages, from the top down; each imports only those below it:

- `load`: the one door for all model files; `ensemble`: several networks that vote.
- `compare`: a network beside its model file, layer by layer.
- `onnx` and `keras`: a file format each, from the file to calls of the rules in `folding`.
- `execution`: operators in float64, as an independent reference for the comparison.
- `folding`: what the rules of both formats have in common, from chains of scalar operations to integer layers.
- `exact`: arithmetic without rounding, which knows nothing of networks.

Where something new belongs:

- A new ONNX operator: a rule in `onnx.operators`.
- A new Keras or Larq layer, quantiser or activation by name: `keras.layers`.
- A new activation formula: a `Step` in `exact.fold`; where it is no fraction, its bounds in `exact.curves`.
- A new kind of integer layer behind the operators of both formats: `folding`.
"""

from .errors import ModelError
from .load import load_model

__all__ = ["ModelError", "load_model"]
