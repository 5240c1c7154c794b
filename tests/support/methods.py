"""The methods of the survey of binary networks as small trained models: `tests/methods/methods.toml` and the
files beside it.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from pathlib import Path

__all__ = ["INPUT", "METHODS", "MODELS", "OUTCOMES", "Method"]

FOLDER = Path(__file__).resolve().parents[1] / "methods"
MODELS = FOLDER / "models"
#: How the shipped test images become what the models take: pixels are 0 to 16, and models take sixteenths of them.
INPUT = ("--input-scale", "1/16", "--input-range", "0:16")
#: What becomes of a method: `training only` is exact, and nothing of the method is left in the model.
OUTCOMES = ("exact", "fixed point", "rounded", "training only", "refused")


@dataclass(frozen=True, kw_only=True)
class Method:
    """One form of one method.

    Parameters
    ----------
    name
        Of its model file, without the suffix.
    method, paper, aim, writes
        Its name, its paper, what it works on (see ``methods.toml``), and what the forward pass computes.
    script
        That trains it, in ``tests/methods/train/``, without the suffix.
    outcome
        One of `OUTCOMES`.
    train
        What `bitweir.train` has of it; else empty.
    told
        The sentence that refuses it, without `options`; else empty.
    possible
        What hardware could compute of a method that is refused; else empty.
    weight_bits, classes_differ
        To how many bits its real weights are rounded, and of how many test images the class is another one then.
    float_right, right
        How many of the 360 test images the network without quantisation gets right, and the method itself, in torch.
    classes
        The class that torch tells of each image.
    ties
        Codes of a layer that are right in float64 while float32 may round them to the other side of a threshold.
    """

    name: str
    method: str
    paper: str
    aim: str
    writes: str
    script: str
    outcome: str
    train: str = ""
    told: str = ""
    possible: str = ""
    weight_bits: int = 0
    classes_differ: int = 0
    float_right: int
    right: int
    classes: tuple[int, ...]
    ties: int = 0

    @property
    def options(self) -> tuple[str, ...]:
        """With which the commands take the model."""
        return (*INPUT, "--weight-bits", str(self.weight_bits)) if self.weight_bits else INPUT

    @property
    def file(self) -> Path:
        """The model."""
        return MODELS / f"{self.name}.onnx"


def _read() -> tuple[Method, ...]:
    entries = tomllib.loads((FOLDER / "methods.toml").read_text(encoding="utf-8"))["method"]
    trained = json.loads((MODELS / "trained.json").read_text(encoding="utf-8"))
    found = []
    for entry in entries:
        reached = trained[entry["name"]]
        classes = tuple(int(digit) for digit in reached["classes"])
        found.append(Method(**entry, float_right=reached["float_right"], right=reached["torch_right"], classes=classes))
    return tuple(found)


METHODS = _read()
