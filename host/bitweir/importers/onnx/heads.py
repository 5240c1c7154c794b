"""Models of several outputs: one of them alone, or some side by side, as a model of one output."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
from onnx import helper

from ..errors import ModelError, shown
from .graph import read_model

__all__ = ["with_heads"]


def with_heads(path: Path, heads: Sequence[str]) -> Any:
    """The model of a file with some of its outputs as the only one: their elements, or channels, follow one another.

    Importer and executors read this model in place of the file.

    Parameters
    ----------
    path : Path
    heads : sequence of str
        Names of outputs of the graph; one or more, in the order of the result.

    Raises
    ------
    ModelError
        No ONNX file, or it has no such outputs.
    """
    model = read_model(path)
    names = [value.name for value in model.graph.output]
    for head in heads:
        if head not in names:
            listed = ", ".join(shown(name) for name in names[:8]) + (", ..." if len(names) > 8 else "")
            raise ModelError(f"The model has no output {shown(head)} (--head, in Python head=): it has {listed}.")
    if len(set(heads)) < len(heads):
        raise ModelError("Each output (--head, in Python head=) must be named once.")
    kept = [value for value in model.graph.output if value.name == heads[0]]
    del model.graph.output[:]
    if len(heads) == 1:
        model.graph.output.extend(kept)
        return model
    taken = {name for node in model.graph.node for name in (*node.input, *node.output)}
    name = "heads"
    while name in taken:
        name += "_"
    model.graph.node.append(helper.make_node("Concat", list(heads), [name], name=name, axis=1))
    model.graph.output.append(onnx.ValueInfoProto(name=name))
    return model
