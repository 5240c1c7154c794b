"""An ONNX file as a checked, sorted list of the nodes that matter.

`load` trusts nothing: every name must be made once, no cycle, no missing input, bounded sizes. It removes
what does not change the result: copies, the detach trick of training, and nodes that nobody reads.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import AttributeProto, TensorProto

from ..errors import ModelError, shown, shown_path
from ..files import regular_file
from .modules import whereabouts
from .tensors import read_tensor

__all__ = ["Graph", "GraphInput", "Node", "load"]

_STANDARD = {"", "ai.onnx"}


@dataclass(frozen=True, eq=False)
class Node:
    """One operation.

    Parameters
    ----------
    op, domain, name : str
        As in the file; the standard domain is empty.
    inputs, outputs : tuple of str
        Names of tensors; empty where an optional one is left out.
    attributes : mapping
        Numbers, strings, lists, arrays. To ask for one that is missing is a `ModelError`.
    graphs : bool
        It holds graphs, as control flow does.
    place : str
        Where in the user's code it comes from, if the file says so; see `whereabouts`.
    """

    op: str
    domain: str
    name: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    graphs: bool = False
    place: str = ""

    @property
    def label(self) -> str:
        """For messages: operator and name."""
        return f"{shown(self.op)[1:-1]} {shown(self.name or (self.outputs or ('?',))[0])}"


@dataclass(frozen=True)
class GraphInput:
    """The one input: name, shape with batch (None: free), element type, and FINN's data type if there is one."""

    name: str
    shape: tuple[int | None, ...]
    type: int
    annotation: str


@dataclass(frozen=True, eq=False)
class Graph:
    """Nodes in the order of computation, from `input` to `output`; `same` are names of the file that others replace."""

    nodes: tuple[Node, ...]
    input: GraphInput
    output: str
    opset: int
    tensor: Callable[[str], NDArray[Any] | None]
    same: Mapping[str, str]


def read_model(path: Path) -> Any:
    """The model of an ONNX file, as protocol buffers have it.

    Raises
    ------
    ModelError
        It is none.
    """
    regular_file(path, "Model file")
    try:
        model = onnx.load_model_from_string(path.read_bytes())
    except OSError as error:
        raise ModelError(f"Model file {shown_path(path)} cannot be read: {error.strerror}.") from error
    except Exception as error:  # whatever protobuf says about hostile bytes
        raise ModelError(
            f"Model file {shown_path(path)} is no ONNX file, or it is damaged: export the model again."
        ) from error
    if not _is_text(model):
        raise ModelError(
            f"Model file {shown_path(path)} is damaged: its names must be UTF-8 text, and some are not: "
            "export the model again."
        )
    return model


def load(path: Path, model: Any = None) -> Graph:
    """Read, check and sort an ONNX file.

    Parameters
    ----------
    path : Path
    model : onnx.ModelProto or None
        Stands in for what the file holds; its external tensors lie beside the file.

    Raises
    ------
    ModelError
        No ONNX file, or one that breaks a rule.
    """
    model = read_model(path) if model is None else model
    proto = model.graph
    if not proto.node or not proto.output:
        raise ModelError(
            f"Model file {shown_path(path)} is no ONNX file, or its graph is empty: export the model again."
        )
    if len(proto.output) != 1:
        names = ", ".join(shown(value.name) for value in proto.output[:4])
        raise ModelError(
            f"The model must have one output, not {len(proto.output)} ({names}): choose one (--head NAME, in Python "
            "head=), or several whose numbers are to follow one another, or export the scores alone."
        )
    if proto.sparse_initializer:
        raise ModelError("The model must have no sparse tensors: export the weights dense.")
    nodes = [_node(entry, path.parent) for entry in proto.node]
    tensors = {tensor.name: tensor for tensor in proto.initializer}
    same = _twins(tensors)
    nodes, output = _without_copies(_sorted(nodes, tensors, proto), same, proto.output[0].name)
    nodes = _needed(nodes, output)
    opset = max((entry.version for entry in model.opset_import if entry.domain in _STANDARD), default=1)

    def tensor(name: str) -> NDArray[Any] | None:
        return read_tensor(tensors[name], path.parent) if name in tensors else None

    return Graph(tuple(nodes), _input(proto, nodes, tensors), output, opset, tensor, same)


def _is_text(message: Any) -> bool:
    """Whether all strings are strings: protocol buffers hand out those that are not UTF-8 as bytes."""
    open_ones = [message]
    while open_ones:
        for entry, value in open_ones.pop().ListFields():
            if entry.type not in (entry.TYPE_STRING, entry.TYPE_MESSAGE):
                continue
            values = value if isinstance(value, Sequence) and not isinstance(value, (str, bytes)) else [value]
            if entry.type == entry.TYPE_MESSAGE:
                open_ones.extend(values)
            elif any(isinstance(text, bytes) for text in values):
                return False
    return True


class _Attributes(dict[str, Any]):
    """Attributes by name."""

    def __missing__(self, name: str) -> Any:
        raise ModelError(f"its attribute {shown(name)} is missing: export the model again")


def _node(proto: Any, folder: Path) -> Node:
    attributes = _Attributes()
    domain = "" if proto.domain in _STANDARD else proto.domain
    graphs = any(entry.type in (AttributeProto.GRAPH, AttributeProto.GRAPHS) for entry in proto.attribute)
    place = whereabouts(proto.op_type, proto.name, {entry.key: entry.value for entry in proto.metadata_props})
    inputs, outputs = tuple(proto.input), tuple(proto.output)
    node = Node(proto.op_type, domain, proto.name, inputs, outputs, attributes, graphs, place)
    for entry in proto.attribute:
        if entry.type == AttributeProto.TENSOR:
            attributes[entry.name] = read_tensor(entry.t, folder)
        elif entry.type not in (AttributeProto.GRAPH, AttributeProto.GRAPHS):
            value = onnx.helper.get_attribute_value(entry)
            attributes[entry.name] = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return node


def _sorted(nodes: list[Node], tensors: Mapping[str, Any], proto: Any) -> list[Node]:
    """In the order of computation, by Kahn's method: no recursion, and cycles show."""
    maker: dict[str, int] = {}
    for index, node in enumerate(nodes):
        for name in filter(None, node.outputs):
            if name in maker or name in tensors:
                raise ModelError(f"Tensor {shown(name)} must be made once, but node {node.label} makes it again.")
            maker[name] = index
    free = {*tensors, *(value.name for value in proto.input)}
    waits = [0] * len(nodes)
    readers: list[list[int]] = [[] for _ in nodes]
    for index, node in enumerate(nodes):
        for name in filter(None, node.inputs):
            if name in maker:
                readers[maker[name]].append(index)
                waits[index] += 1
            elif name not in free:
                raise ModelError(
                    f"Node {node.label} needs tensor {shown(name)}, which nothing makes: the file is cut off."
                )
    ready = deque(index for index, count in enumerate(waits) if not count)
    order = []
    while ready:
        index = ready.popleft()
        order.append(nodes[index])
        for reader in readers[index]:
            waits[reader] -= 1
            if not waits[reader]:
                ready.append(reader)
    if len(order) < len(nodes):
        stuck = next(node for node, count in zip(nodes, waits, strict=True) if count)
        raise ModelError(f"The graph must have no cycle, but node {stuck.label} depends on itself.")
    if proto.output[0].name not in {*maker, *free}:
        raise ModelError(f"The output {shown(proto.output[0].name)} must be made by a node: the file is cut off.")
    return order


def _twins(tensors: Mapping[str, Any]) -> dict[str, str]:
    """Small tensors of equal content, each with the name of the first."""
    first: dict[bytes, str] = {}
    same = {}
    for name, tensor in tensors.items():
        if tensor.ByteSize() <= 256:
            nameless = TensorProto()
            nameless.CopyFrom(tensor)
            nameless.ClearField("name")
            same[name] = first.setdefault(nameless.SerializeToString(deterministic=True), name)
    return same


def _without_copies(nodes: list[Node], same: dict[str, str], output: str) -> tuple[list[Node], str]:
    """Without copies and repeated nodes, and with the sums of the detach trick replaced by what they equal.

    Training code writes ``(sign(x) - x).detach() + x``: forward that is sign(x), but a node each in the file.
    """
    maker: dict[str, Node] = {}
    seen: dict[Any, Node] = {}
    kept = []
    for entry in nodes:
        inputs = tuple(same.get(name, name) for name in entry.inputs)
        node = replace(entry, inputs=inputs)
        equal = _equal(node, maker)
        if equal:
            same[node.outputs[0]] = equal
            continue
        key = (
            node.op,
            node.domain,
            inputs,
            *((key, _content(value)) for key, value in sorted(node.attributes.items())),
        )
        twin = seen.setdefault(key, node)
        if twin is not node and len(twin.outputs) == len(node.outputs):
            same.update(zip(node.outputs, twin.outputs, strict=True))
            continue
        kept.append(node)
        maker.update(dict.fromkeys(filter(None, node.outputs), node))
    return kept, same.get(output, output)


def _content(value: Any) -> Any:
    return (value.dtype.str, value.shape, value.tobytes()) if isinstance(value, np.ndarray) else repr(value)


def _equal(node: Node, maker: Mapping[str, Node]) -> str | None:
    """The tensor that the first output of a node equals, if one is known."""
    if node.domain or not node.inputs:
        return None
    if node.op == "Identity" or (node.op == "Dropout" and len(node.inputs) < 3):
        return node.inputs[0]
    if len(node.inputs) != 2:
        return None
    for one, other in (node.inputs, node.inputs[::-1]):
        made = maker.get(one)
        if made is None or made.domain or len(made.inputs) != 2:
            continue
        if node.op == "Add" and made.op == "Sub":
            if made.inputs[1] == other:  # (a - b) + b
                return made.inputs[0]
            if made.inputs[0] == made.inputs[1]:  # (b - b) + a
                return other
        if node.op == "Sub" and made.op == "Add" and one == node.inputs[0] and other in made.inputs:  # (a + b) - b
            return made.inputs[made.inputs[0] == other]
    return None


def _needed(nodes: list[Node], output: str) -> list[Node]:
    wanted = {output}
    kept = []
    for node in reversed(nodes):
        if wanted.intersection(node.outputs):
            kept.append(node)
            wanted.update(filter(None, node.inputs))
    return kept[::-1]


def _input(proto: Any, nodes: list[Node], tensors: Mapping[str, Any]) -> GraphInput:
    read = {name for node in nodes for name in node.inputs}
    values = [value for value in proto.input if value.name in read and value.name not in tensors]
    if len(values) != 1:
        names = ", ".join(shown(value.name) for value in values[:4]) or "none"
        raise ModelError(
            f"The model must have one input on which its output depends, not {len(values)} ({names}): export it with "
            "the image as its only input."
        )
    value = values[0]
    kind = value.type.tensor_type
    shape = tuple(d.dim_value if d.HasField("dim_value") else None for d in kind.shape.dim)
    if kind.elem_type not in (TensorProto.FLOAT, TensorProto.UINT8):
        raise ModelError(f"Input {shown(value.name)} must be float32 or uint8: export the model for one of these.")
    if len(shape) < 2 or len(shape) > 8 or any(size is None or not 0 < size <= 1 << 24 for size in shape[1:]):
        raise ModelError(
            f"Input {shown(value.name)} must have a batch axis and fixed positive sizes after it, not the shape "
            f"{shown(['?' if size is None else size for size in shape])}: export it with fixed sizes."
        )
    if int(np.prod([size or 1 for size in shape[1:]], dtype=object)) > 1 << 20:
        raise ModelError(f"Input {shown(value.name)} must have at most {1 << 20} elements; its shape is {shape}.")
    notes = [note for note in proto.quantization_annotation if note.tensor_name == value.name]
    entries = (entry for note in notes for entry in note.quant_parameter_tensor_names)
    annotation = next((entry.value for entry in entries if entry.key == "finn_datatype"), "")
    return GraphInput(value.name, shape, kind.elem_type, annotation)
