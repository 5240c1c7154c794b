"""ONNX files: from the graph to the integer network."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from math import prod
from pathlib import Path
from typing import Any

from bitweir_hw.errors import BitweirError
from bitweir_hw.network import Network, Stored
from onnx import TensorProto

from ..errors import ModelError, shown
from ..folding.endings import finish
from ..folding.network_builder import NetworkBuilder
from ..folding.provenance import Taps
from ..folding.real_weights import WeightBits, rounded_import
from ..folding.symbols import Codes, Padded, Signal
from ..folding.units import FixedPoint, Replan, TooWide, planned
from ..inputs import stored_input
from ..troubles import UNKNOWN, UNKNOWN_CONSTANT, Troubles, Unknown, kind_of
from .constants import CONSTANT_OPS, fold_constant
from .graph import Graph, Node, load
from .heads import with_heads
from .operators.maps import PADDED_OPS
from .operators.refusals import refusal
from .operators.rules import PROBES, RULES
from .real_weights import with_rounded_weights
from .values import Values

__all__ = ["CUSTOM", "import_onnx"]

#: Custom operators, and the domains in which the dialects of QONNX have them.
_DOMAINS = {"onnx.brevitas", "qonnx.custom_op.general", "finn.custom_op.general"}
CUSTOM = {"BipolarQuant", "IntQuant", "MultiThreshold", "Quant", "Trunc"}
#: What may follow a softmax or the choice of a class.
_AFTER_END = {"ArgMax", "Cast", "Flatten", "Identity", "Reshape", "Squeeze", "TopK"}


def import_onnx(
    path: Path,
    *,
    numbers: Stored | None,
    name: str,
    taps: Taps | None = None,
    result: str | None = None,
    weight_bits: WeightBits | None = None,
    heads: Sequence[str] = (),
) -> Network:
    """The integer network of an ONNX file.

    Parameters
    ----------
    path : Path
    numbers : Stored or None
        What the input holds; None leaves it to the graph.
    name : str
        Of the network.
    taps : Taps or None
        Gets what the network does not tell.
    result : str or None
        The kind of result that the user wants; None is that which the file says, see `endings.result`.
    weight_bits : WeightBits or None
        Real weights are rounded to so many bits.
    heads : sequence of str
        Outputs of the graph of which the result is made; see `heads.with_heads`. None are needed where it has one.

    Raises
    ------
    ModelError
        Names the node that cannot become integers exactly, why, and what helps.
    """

    def chosen() -> Any:
        return with_heads(path, heads) if heads else None

    def walked(model: Any, taps: Taps | None) -> Network:
        graph = load(path, chosen() if model is None else model)
        stored = _suited(graph, numbers)
        return planned(lambda plan: _import(graph, stored, name, plan, taps, result, heads))

    network = rounded_import(weight_bits, taps, lambda rounding: with_rounded_weights(path, rounding, chosen()), walked)
    if taps is not None:
        taps.model = chosen()
    return network


def _import(
    graph: Graph,
    numbers: Stored | None,
    name: str,
    plan: FixedPoint,
    taps: Taps | None = None,
    result: str | None = None,
    heads: Sequence[str] = (),
) -> Network:
    builder = NetworkBuilder(numbers, plan, taps)
    if taps is not None:
        taps.restart()
    batch, *shape = graph.input.shape
    values = Values(graph)
    values.put(graph.input.name, builder.start(tuple(size or 0 for size in shape), batch or 1))
    troubles, sizes = Troubles(), list[int]()
    for node in graph.nodes:
        operands = [values.get(operand) for operand in node.inputs]
        made = _tried(troubles, builder, node, graph.opset, operands)
        values.made(node, made, operands)
        if graph.output in node.outputs:
            sizes = [x.shape[0] for x in operands if isinstance(x, Signal | Codes)]
        if taps is not None and not troubles:
            for output, one in zip(node.outputs, made if isinstance(made, list) else [made], strict=False):
                taps.made(output, one, dict(zip(node.inputs, operands, strict=True)))
    if troubles:
        raise troubles.error()
    parts = tuple(zip(heads, sizes, strict=True)) if len(heads) > 1 else ()
    return finish(builder, values.get(graph.output), name, result, parts)


def _tried(troubles: Troubles, builder: NetworkBuilder, node: Node, opset: int, operands: list[Any]) -> Any:
    """What a node makes, or an `Unknown` if it is refused, so that what else is wrong is still looked for."""
    if troubles.many:
        raise troubles.error()
    unknown = any(isinstance(x, Unknown) for x in operands)
    moving = any(x is UNKNOWN or isinstance(x, (Signal, Codes, Padded)) for x in operands)
    nothing = UNKNOWN if moving and node.op != "Shape" else UNKNOWN_CONSTANT
    if not _known(node, moving):
        text = refusal(node, custom=node.domain in _DOMAINS, constant=_known(node, moving=True))
        _add(troubles, text, node, first=True)
        return nothing
    try:
        if not unknown:
            return _run(builder, node, opset, operands)
        if node.op in PROBES:
            _ruled(node, PROBES[node.op], node, *operands)
    except BitweirError as error:
        _add(troubles, str(error), node)
    except Exception:
        if troubles:  # what it asks for would not help
            raise troubles.error() from None
        raise
    return nothing


def _add(troubles: Troubles, text: str, node: Node, *, first: bool = False) -> None:
    """Note a sentence about a node, with what is known of where the node comes from."""
    subject = f"Node {node.label}"
    kind, name = kind_of(text, subject), f"{node.label}{node.place}"
    troubles.add(text.replace(subject, f"{subject}{node.place}", 1), kind=kind, name=name, first=first)


def _run(builder: NetworkBuilder, node: Node, opset: int, operands: list[Any]) -> Any:
    """Apply the rule of a node."""
    if node.op not in _AFTER_END:
        operands = [builder.resumed(x) for x in operands]
    moving = [x for x in operands if isinstance(x, (Signal, Codes, Padded))]
    if node.op not in PADDED_OPS and any(isinstance(x, Padded) for x in moving):
        raise ModelError(
            f"Node {node.label} must not take a padded map: only convolutions and max pools may follow a Pad."
        )
    ended = next((x.ended for x in moving if isinstance(x, Signal) and x.ended), "")
    if ended and node.op not in _AFTER_END:
        if "Softmax" not in ended:
            raise ModelError(
                f"Node {node.label} must not follow {ended}, which chooses a class and ends the network: export it up "
                "to the scores, and leave what follows to the program that takes the results."
            )
        raise ModelError(
            f"Node {node.label} must not follow {ended}, because each result of a softmax depends on all of its "
            "inputs: leave the softmax out and work on the scores themselves, or export the network up to it."
        )
    if ended and node.op not in ("ArgMax", "TopK"):
        return moving[0]
    return (
        _ruled(node, RULES[node.op], builder, node, *operands)
        if moving
        else _ruled(node, fold_constant, node, opset, operands)
    )


def _ruled(node: Node, rule: Callable[..., Any], *operands: Any) -> Any:
    """What a rule makes of a node; whatever goes wrong in it ends in a sentence with the node's name."""
    try:
        return rule(*operands)
    except BitweirError as error:
        text = str(error)
        # Rules that do not name the node themselves end a sentence that starts here.
        raise error if text[:1].isupper() else ModelError(f"Node {node.label} cannot be folded: {text}.") from error
    except (Replan, TooWide):
        raise
    except MemoryError as error:
        raise ModelError(f"Node {node.label} needs more memory than there is: make the model smaller.") from error
    except Exception as error:  # a malformed node: wrong count, type or shape of its inputs, a missing attribute
        raise ModelError(
            f"Node {node.label} is malformed: its inputs or attributes are not of the number, type or shape that the "
            "operator asks for: check the file with onnx.checker, and export the model again."
        ) from error


def _known(node: Node, moving: bool) -> bool:
    """Whether there is a rule for a node."""
    custom = node.op in CUSTOM and node.domain in _DOMAINS
    standard = not node.domain and node.op not in CUSTOM
    return (
        bool(node.outputs)
        and (custom or standard)
        and not node.graphs
        and node.op in (RULES if moving else CONSTANT_OPS)
    )


def _suited(graph: Graph, numbers: Stored | None) -> Stored | None:
    """What the input holds, as the user or else the graph says it."""
    if numbers is None:
        return _declared(graph)
    if graph.input.type == TensorProto.UINT8 and not _octets(numbers):
        raise ModelError(
            f"Input {shown(graph.input.name)} of the model is uint8, so it takes pixels as they are: "
            "leave out --input-scale, or give 1."
        )
    return numbers


def _octets(numbers: Stored) -> bool:
    """Whether all that the rule makes is 0 to 255."""
    ends = [
        scale * end + offset
        for scale, offset in zip(numbers.scales, numbers.offsets, strict=True)
        for end in (numbers.low, numbers.low + 1, numbers.high)
    ]
    return all(end.denominator == 1 and 0 <= end < 256 for end in ends)


def _declared(graph: Graph) -> Stored | None:
    """What the graph itself says about its input: raw uint8 pixels, or signed whole numbers; else None."""
    if graph.input.type == TensorProto.UINT8 or graph.input.annotation == "UINT8":
        return Stored()
    if re.fullmatch("INT[2-8]", graph.input.annotation):
        return stored_input(graph.input.annotation)
    first = [node for node in graph.nodes if graph.input.name in node.inputs]
    by_255 = first and all(node.op == "Div" and node.inputs[:1] == (graph.input.name,) for node in first)
    if by_255:
        divisors = [graph.tensor(name) for node in first for name in node.inputs[1:]]
        if all(array is not None and prod(array.shape) == 1 and array.item() == 255 for array in divisors):
            return Stored()
    return None
