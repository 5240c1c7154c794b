"""Keras and Larq files: from the configuration and the weights to the integer network, without TensorFlow."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from bitweir_hw.errors import BitweirError
from bitweir_hw.network import Network

from .errors import ModelError, shown, shown_path
from .inputs import InputRange, input_range
from .keras_files import KerasFile, read_keras
from .keras_graph import Call, KerasGraph, Key, graph_of
from .keras_job import Job
from .keras_rules import AFTER_END, KERAS_RULES, Value
from .symbols import Signal
from .walk import TooWide, Walk

__all__ = ["import_keras"]

#: Fraction bits of sums in fixed point: as many as fit, from the first number down to the second.
_FRACTION_BITS, _LEAST_BITS = 24, 8
#: Layers whose absence deserves a reason.
_REFUSED = {
    "Average": "averages branches: use Add, and halve its sum in the batch norm behind it",
    "Concatenate": "joins branches, which the integer network cannot: use Add",
    "Lambda": "holds Python code, which is never run: replace it by layers",
    "Maximum": "compares branches, which the integer network cannot: use Add",
    "Multiply": "multiplies branches, which the integer network cannot: use Add",
    "Normalization": "has statistics of its own: use Rescaling, or a BatchNormalization before the first quantiser",
    "TFOpLambda": "is an operation outside of a layer: use the layers Add and Activation",
}


def import_keras(path: Path, *, numbers: InputRange | None, name: str) -> Network:
    """The integer network of an ``.h5`` or ``.keras`` file.

    Parameters
    ----------
    path : Path
    numbers : InputRange or None
        What the input holds; None leaves it to the model.
    name : str
        Of the network.

    Raises
    ------
    ModelError
        Names the layer that cannot become integers exactly, why, and what helps.
    """
    try:
        return _network(read_keras(path), numbers, name)
    except BitweirError:
        raise
    except Exception as error:  # whatever lies in a damaged file
        raise ModelError(
            f"Model file {shown_path(path)} is damaged: {_reason(error)}. Save the model again."
        ) from error


def _network(file: KerasFile, numbers: InputRange | None, name: str) -> Network:
    graph = graph_of(file.config)
    for call in graph.calls:
        if call.kind not in KERAS_RULES:
            reason = _REFUSED.get(call.kind, "is of a class that is not supported: replace it in the model")
            raise ModelError(f"Layer {call.label} {reason}.")
    fraction_bits = _FRACTION_BITS
    while fraction_bits >= _LEAST_BITS:
        try:
            return _walked(file, graph, numbers or _declared(graph), name, fraction_bits)
        except TooWide as error:
            fraction_bits -= error.excess
    raise ModelError(
        f"The shortcuts of the model must fit 32 bits with {_LEAST_BITS} fraction bits, but their values are too "
        "large: scale them down by a batch norm."
    )


def _walked(file: KerasFile, graph: KerasGraph, numbers: InputRange | None, name: str, fraction_bits: int) -> Network:
    walk = Walk(numbers, fraction_bits)
    readers = Counter(key for call in graph.calls for key in call.inputs)
    held: dict[Key, Value] = {graph.input: walk.start(graph.shape, 1)}
    for call in graph.calls:
        values = [held[key] for key in call.inputs]
        readers.subtract(call.inputs)
        # What nobody takes any more is let go: maps take memory.
        for key in {key for key in call.inputs if not readers[key]}:
            del held[key]
        held[call.key] = _run(Job(walk, call, file), values)
    return walk.finish(held[graph.output], name)


def _run(job: Job, values: list[Value]) -> Value:
    """Apply the rule of a layer; whatever goes wrong in it ends in a sentence with the layer's name."""
    call = job.call
    if call.kind not in AFTER_END:
        values = [job.walk.resumed(x) for x in values]
    ended = next((x.ended for x in values if isinstance(x, Signal) and x.ended), "")
    if ended and call.kind not in AFTER_END:
        raise ModelError(f"Layer {call.label} must not follow {ended}, which ends a network: remove one of the two.")
    if len(values) > 1 and call.kind != "Add":
        raise ModelError(f"Layer {call.label} must take the result of one layer, not of {len(values)}.")
    try:
        return KERAS_RULES[call.kind](job, *values)
    except BitweirError as error:
        # What all importers share speaks of nodes; rules that name nothing end a sentence that starts here.
        text = str(error).replace(f"Node {call.label} ", f"Layer {call.label} ")
        text = text if text[:1].isupper() else f"Layer {call.label} cannot be folded: {text}."
        raise ModelError(text) from error
    except TooWide:
        raise
    except Exception as error:  # a malformed layer: a missing key, a value of another type
        raise ModelError(f"Layer {call.label} is malformed: {_reason(error)}.") from error


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split())
    return f"{type(error).__name__} {shown(text)}"


def _declared(graph: KerasGraph) -> InputRange | None:
    """What the model itself says about its input: whole numbers, or pixels that it scales itself; else None."""
    if graph.dtype == "uint8":
        return input_range("1")
    if graph.dtype == "int8":
        return input_range("int8")
    first: list[Call] = [call for call in graph.calls if graph.input in call.inputs]
    scales = [call.config.get("scale") for call in first if call.kind == "Rescaling"]
    if first and len(scales) == len(first) and all(_by_pixels(scale) for scale in scales):
        return input_range("1")
    return None


def _by_pixels(scale: object) -> bool:
    """Whether it brings pixels to 0 to 1, or to -1 to 1."""
    return isinstance(scale, float) and any(abs(scale * top - 1) < 1e-6 for top in (255, 127.5))
