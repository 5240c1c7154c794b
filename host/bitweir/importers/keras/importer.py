"""Keras and Larq files: from the configuration and the weights to the integer network, without TensorFlow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from bitweir_hw.errors import BitweirError
from bitweir_hw.network import Network, Stored

from ..errors import ModelError, shown_path
from ..folding.endings import finish
from ..folding.network_builder import NetworkBuilder
from ..folding.provenance import Taps
from ..folding.real_weights import WeightBits, rounded_import
from ..folding.symbols import Signal
from ..folding.units import FixedPoint, Replan, TooWide, planned
from ..inputs import stored_input
from ..troubles import UNKNOWN, Troubles, Unknown, kind_of
from .files import KerasFile, read_keras
from .graph import BEFORE_ACTIVATION, Call, KerasGraph, Key, graph_of
from .layers.job import Job
from .layers.linear import KERAS_PROBES
from .layers.refusals import refused_layer
from .layers.rules import AFTER_END, KERAS_RULES, SEVERAL, Value
from .real_weights import with_rounded_weights

__all__ = ["import_keras"]


def import_keras(
    path: Path,
    *,
    numbers: Stored | None,
    name: str,
    taps: Taps | None = None,
    result: str | None = None,
    weight_bits: WeightBits | None = None,
) -> Network:
    """The integer network of an ``.h5`` or ``.keras`` file.

    Parameters
    ----------
    path : Path
    numbers : Stored or None
        What the input holds; None leaves it to the model.
    name : str
        Of the network.
    taps : Taps or None
        Gets what the network does not tell.
    result : str or None
        The kind of result that the user wants; None is that which the file says, see `endings.result`.
    weight_bits : WeightBits or None
        Real weights are rounded to so many bits.

    Raises
    ------
    ModelError
        Names the layer that cannot become integers exactly, why, and what helps.
    """
    try:
        file = read_keras(path)
        return rounded_import(
            weight_bits,
            taps,
            lambda rounding: with_rounded_weights(file, rounding),
            lambda model, taps: _network(model or file, numbers, name, taps, result),
        )
    except BitweirError:
        raise
    except Exception as error:  # whatever lies in a damaged file
        raise ModelError(
            f"Model file {shown_path(path)} is damaged, since its configuration is none that Keras writes: load the "
            "model in Keras, and save it again."
        ) from error


def _network(file: KerasFile, numbers: Stored | None, name: str, taps: Taps | None, result: str | None) -> Network:
    seen: list[tuple[str, str]] = []
    try:
        graph = graph_of(file.config, seen)
    except ModelError as error:
        # What layers cannot be read may well be why the graph cannot.
        troubles = Troubles()
        for kind, label in seen:
            _check_known(troubles, kind, label)
        raise troubles.error() if troubles else error from error
    numbers = numbers or _declared(graph)
    return planned(lambda plan: _walked(file, graph, numbers, name, plan, taps, result))


def _walked(
    file: KerasFile,
    graph: KerasGraph,
    numbers: Stored | None,
    name: str,
    plan: FixedPoint,
    taps: Taps | None,
    result: str | None,
) -> Network:
    builder = NetworkBuilder(numbers, plan, taps)
    if taps is not None:
        taps.restart()
    readers = Counter(key for call in graph.calls for key in call.inputs)
    held: dict[Key, Value | Unknown] = {graph.input: builder.start(graph.shape, 1, channels=-1)}
    troubles = Troubles()
    for call in graph.calls:
        values = [held[key] for key in call.inputs]
        readers.subtract(call.inputs)
        # What nobody takes any more is let go: maps take memory.
        for key in {key for key in call.inputs if not readers[key]}:
            del held[key]
        value = held[call.key] = _tried(troubles, Job(builder, call, file), values)
        if taps is not None:
            taps.made(call.tensor, value, {})
            if isinstance(value, Signal) and value.ended.endswith(call.label):
                # The scores are what it takes.
                taps.scored(call.inner(BEFORE_ACTIVATION), value)
    if troubles:
        raise troubles.error()
    return finish(builder, held[graph.output], name, result)


def _add(troubles: Troubles, text: str, label: str, *, first: bool = False) -> None:
    """Note a sentence about a layer."""
    troubles.add(text, kind=kind_of(text, f"Layer {label}"), name=label, first=first)


def _check_known(troubles: Troubles, kind: str, label: str) -> bool:
    """Whether there is a rule for a layer; what to say if not goes to the troubles."""
    if kind in KERAS_RULES:
        return True
    _add(troubles, refused_layer(kind, label), label, first=True)
    return False


def _tried(troubles: Troubles, job: Job, values: list[Value | Unknown]) -> Value | Unknown:
    """What a layer makes, or `UNKNOWN` if it is refused, so that what else is wrong is still looked for."""
    if troubles.many:
        raise troubles.error()
    if not _check_known(troubles, job.call.kind, job.call.label):
        return UNKNOWN
    known = [x for x in values if not isinstance(x, Unknown)]
    try:
        if len(known) == len(values):
            return _run(job, known)
        if job.call.kind in KERAS_PROBES:
            _ruled(job, KERAS_PROBES[job.call.kind], [])
    except BitweirError as error:
        _add(troubles, str(error), job.call.label)
    except Exception:
        if troubles:  # what it asks for would not help
            raise troubles.error() from None
        raise
    return UNKNOWN


def _run(job: Job, values: list[Value]) -> Value:
    """Apply the rule of a layer."""
    call = job.call
    if call.kind not in AFTER_END:
        values = [job.builder.resumed(x) for x in values]
    ended = next((x.ended for x in values if isinstance(x, Signal) and x.ended), "")
    if ended and call.kind not in AFTER_END:
        raise ModelError(
            f"Layer {call.label} must not follow {ended}, because each result of a softmax depends on all of its "
            "inputs: leave the softmax out and work on the scores themselves, or save the model up to it."
        )
    if len(values) > 1 and call.kind not in SEVERAL:
        raise ModelError(
            f"Layer {call.label} must take the result of one layer, not of {len(values)}: join them with Add before it."
        )
    result: Value = _ruled(job, KERAS_RULES[call.kind], values)
    return result


def _ruled(job: Job, rule: Callable[..., Any], values: Sequence[Value]) -> Any:
    """What a rule makes of a layer; whatever goes wrong in it ends in a sentence with the layer's name."""
    call = job.call
    try:
        return rule(job, *values)
    except BitweirError as error:
        # What all importers share speaks of nodes; rules that name nothing end a sentence that starts here.
        text = str(error).replace(f"Node {call.label} ", f"Layer {call.label} ")
        text = text if text[:1].isupper() else f"Layer {call.label} cannot be folded: {text}."
        raise ModelError(text) from error
    except (Replan, TooWide):
        raise
    except MemoryError as error:
        raise ModelError(f"Layer {call.label} needs more memory than there is: make the model smaller.") from error
    except Exception as error:  # a malformed layer: a missing key, a value of another type
        raise ModelError(
            f"Layer {call.label} is malformed: its configuration or its inputs are not of the kind or shape that the "
            "layer asks for: load the model in Keras, and save it again."
        ) from error


def _declared(graph: KerasGraph) -> Stored | None:
    """What the model itself says about its input: whole numbers, or pixels that it scales itself; else None."""
    if graph.dtype == "uint8":
        return Stored()
    if graph.dtype == "int8":
        return stored_input("int8")
    first: list[Call] = [call for call in graph.calls if graph.input in call.inputs]
    scales = [call.config.get("scale") for call in first if call.kind == "Rescaling"]
    if first and len(scales) == len(first) and all(_by_pixels(scale) for scale in scales):
        return Stored()
    return None


def _by_pixels(scale: object) -> bool:
    """Whether it brings pixels to 0 to 1, or to -1 to 1."""
    return isinstance(scale, float) and any(abs(scale * top - 1) < 1e-6 for top in (255, 127.5))
