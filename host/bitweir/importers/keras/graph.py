"""The configuration of a Keras model as a checked, sorted list of the calls of its layers."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from typing import Any

from ..errors import ModelError, shown
from .files import snake_case

__all__ = ["BEFORE_ACTIVATION", "INPUT_CODES", "Call", "KerasGraph", "Key", "graph_of", "tensor_name"]

#: A call of a layer: its name, and the number of the call.
Key = tuple[str, int]

#: What `Call.inner` names: the input behind its quantiser, and the result before its activation function.
INPUT_CODES, BEFORE_ACTIVATION = "input", "sums"

_MAX_CALLS = 1 << 12
_MAX_INPUT = 1 << 20


@dataclass(frozen=True, eq=False)
class Call:
    """One use of a layer.

    Parameters
    ----------
    kind, name : str
        Class and name.
    config : mapping
        Of the layer, as in the file.
    place : str
        Where a ``.keras`` file has its weights.
    key : Key
    inputs : tuple of Key
        Whose results it takes.
    """

    kind: str
    name: str
    config: Mapping[str, Any]
    place: str
    key: Key
    inputs: tuple[Key, ...]

    @property
    def label(self) -> str:
        """For messages: class and name."""
        return _label(self.kind, self.name)

    @property
    def tensor(self) -> str:
        """A name for the result."""
        return tensor_name(self.key)

    def inner(self, what: str) -> str:
        """A name for something that the layer makes on its way to the result."""
        return f"{self.tensor}/{what}"


@dataclass(frozen=True, eq=False)
class KerasGraph:
    """Calls in the order of computation, from `input` to `output`; `shape` and `dtype` are those of the input."""

    calls: tuple[Call, ...]
    input: Key
    shape: tuple[int, ...]
    dtype: str
    output: Key


@dataclass(frozen=True, eq=False)
class _Layer:
    """An entry of the configuration."""

    kind: str
    name: str
    config: dict[str, Any]
    place: str
    entry: dict[str, Any]

    @property
    def label(self) -> str:
        return _label(self.kind, self.name)


def graph_of(config: Mapping[str, Any], seen: list[tuple[str, str]] | None = None) -> KerasGraph:
    """The graph in a model's configuration.

    Parameters
    ----------
    config : mapping
    seen : list or None
        Gets class and label of each layer, whether the graph can be read or not.

    Raises
    ------
    ModelError
        It breaks a rule of Keras, or is of a kind that is not supported.
    """
    kind, inner = _class(config), config.get("config")
    if kind not in ("Sequential", "Functional", "Model"):
        raise ModelError(
            f"The model must be Sequential or Functional, not {shown(kind)}: build it from layers, because the file of "
            "a subclassed model does not say what it computes."
        )
    entries = inner.get("layers") if isinstance(inner, dict) else inner
    if not isinstance(entries, list) or not entries or len(entries) > _MAX_CALLS:
        raise ModelError(f"The configuration of the model must list 1 to {_MAX_CALLS} layers.")
    layers = _layers(entries)
    if seen is not None:
        models = ("Functional", "InputLayer", "Model", "Sequential")
        seen.extend((layer.kind, layer.label) for layer in layers if layer.kind not in models)
    for layer in layers:
        _check(layer)
    if kind == "Sequential":
        return _sequential(layers, inner if isinstance(inner, dict) else {})
    assert isinstance(inner, dict)
    return _functional(layers, inner)


def tensor_name(key: Key) -> str:
    """A name for the result of a call."""
    name, number = key
    return f"{name}#{number}" if number else name


def _label(kind: str, name: str) -> str:
    return f"{shown(kind)[1:-1]} {shown(name)}"


def _class(entry: Mapping[str, Any]) -> str:
    """Class name; what registered it stands before a '>'."""
    return str(entry.get("class_name")).rpartition(">")[2]


def _layers(entries: list[Any]) -> list[_Layer]:
    numbers: Counter[str] = Counter()
    names: set[str] = set()
    layers = []
    for position, entry in enumerate(entries):
        config = entry.get("config") if isinstance(entry, dict) else None
        name = (config.get("name") or entry.get("name")) if isinstance(config, dict) else None
        if not isinstance(config, dict) or not isinstance(name, str) or not isinstance(entry.get("class_name"), str):
            raise ModelError(f"Layer {position} of the configuration must have a class, a name and a configuration.")
        kind = _class(entry)
        layer = _Layer(kind, name, config, snake_case(kind), entry)
        if name in names:
            raise ModelError(f"Layer {layer.label} must have a name of its own, but two layers have this one.")
        names.add(name)
        # Keras numbers the groups of each class, and does not use the names of layers.
        number = numbers[layer.place]
        numbers[layer.place] += 1
        place = f"{layer.place}_{number}" if number else layer.place
        layers.append(_Layer(kind, name, config, place, entry))
    return layers


def _check(layer: _Layer) -> None:
    """What is asked of every layer."""
    data_format = layer.config.get("data_format", "channels_last")
    if data_format not in ("channels_last", None):
        raise ModelError(
            f"Layer {layer.label} must have the data_format 'channels_last', not {shown(data_format)}: build the model "
            "with channels last and load its weights there."
        )
    if layer.kind in ("Sequential", "Functional", "Model"):
        raise ModelError(f"Layer {layer.label} must not be a model itself: call its layers in the outer model.")
    dtype = _dtype(layer)
    if layer.kind != "InputLayer" and dtype != "float32":
        raise ModelError(f"Layer {layer.label} must compute in float32, not {shown(dtype)}: save the model as float32.")


def _dtype(layer: _Layer) -> str:
    """Name of the type, or of the policy."""
    dtype = layer.config.get("dtype") or "float32"
    if isinstance(dtype, dict):
        policy = dtype.get("config")
        dtype = policy.get("name") if isinstance(policy, dict) else dtype
    return str(dtype)


# ---- inputs


def _shape(config: Mapping[str, Any]) -> Any:
    for name in ("batch_shape", "batch_input_shape"):
        if config.get(name) is not None:
            return config[name]
    return None


def _input_shape(shape: Any, what: str) -> tuple[int, ...]:
    if (
        not isinstance(shape, list)
        or not 2 <= len(shape) <= 8
        or any(type(size) is not int or not 0 < size <= 1 << 24 for size in shape[1:])
    ):
        raise ModelError(
            f"{what} must have a batch axis and fixed positive sizes after it, not the shape {shown(shape)}: "
            "build the model with a fixed input shape."
        )
    if prod(shape[1:]) > _MAX_INPUT:
        raise ModelError(f"{what} must have at most {_MAX_INPUT} elements; its shape is {shown(shape)}.")
    return tuple(shape[1:])


def _sequential(layers: list[_Layer], config: Mapping[str, Any]) -> KerasGraph:
    first = layers[0]
    if first.kind == "InputLayer":
        shape, dtype, what, start = _shape(first.config), _dtype(first), f"Layer {first.label}", (first.name, 0)
        layers = layers[1:]
    else:
        build = first.entry.get("build_config")
        shape = _shape(first.config) or config.get("build_input_shape")
        if shape is None and isinstance(build, dict):
            shape = build.get("input_shape")
        dtype, what, start = "float32", "The input of the model", ("", 0)
    calls = []
    before = start
    for layer in layers:
        call = Call(layer.kind, layer.name, layer.config, layer.place, (layer.name, 0), (before,))
        calls.append(call)
        before = call.key
    return KerasGraph(tuple(calls), start, _input_shape(shape, what), dtype, before)


# ---- functional models


def _functional(layers: list[_Layer], config: Mapping[str, Any]) -> KerasGraph:
    inputs, outputs = (_ends(config.get(name), name) for name in ("input_layers", "output_layers"))
    for ends, what, remedy in (
        (inputs, "input", "join the inputs"),
        (outputs, "output", "save keras.Model(model.inputs, model.outputs[0]), or another one of its outputs"),
    ):
        if len(ends) != 1:
            raise ModelError(f"The model must have one {what}, not {len(ends)}: {remedy}.")
    by_name = {layer.name: layer for layer in layers}
    entry = by_name.get(inputs[0][0])
    if entry is None or entry.kind != "InputLayer":
        raise ModelError(f"The input {shown(inputs[0][0])} of the model must be an InputLayer: save the model again.")
    calls: dict[Key, Call] = {}
    for layer in layers:
        if layer.kind == "InputLayer":
            continue
        nodes = layer.entry.get("inbound_nodes")
        if not isinstance(nodes, list):
            raise ModelError(f"Layer {layer.label} must say which layers it follows: the file is damaged.")
        for number, node in enumerate(nodes):
            key = (layer.name, number)
            calls[key] = Call(layer.kind, layer.name, layer.config, layer.place, key, _inbound(node, layer.label))
            if len(calls) > _MAX_CALLS:
                raise ModelError(f"The model must call its layers at most {_MAX_CALLS} times.")
    start = (entry.name, 0)
    if outputs[0] not in calls:
        raise ModelError(
            f"The output {shown(outputs[0][0])} of the model must be made by a layer: the file is damaged."
        )
    order = _sorted(_needed(calls, start, outputs[0]), start)
    return KerasGraph(
        tuple(order), start, _input_shape(_shape(entry.config), f"Layer {entry.label}"), _dtype(entry), outputs[0]
    )


def _key(value: Any) -> Key | None:
    """A reference to a result: ``[layer, call, tensor]``; all layers that are supported have one tensor."""
    if not isinstance(value, list) or len(value) < 3 or not isinstance(value[0], str):
        return None
    return (value[0], value[1]) if type(value[1]) is int and value[2] == 0 else None


def _ends(value: Any, what: str) -> list[Key]:
    """One reference, or a list of them."""
    values = [value] if _key(value) else list(value.values()) if isinstance(value, dict) else value
    keys = [_key(entry) for entry in values] if isinstance(values, list) else [None]
    if None in keys or not keys:
        raise ModelError(f"The configuration of the model must name layers as its {what}: the file is damaged.")
    return [key for key in keys if key]


def _inbound(node: Any, label: str) -> tuple[Key, ...]:
    """What a call takes, as Keras 2 and Keras 3 write it."""
    if isinstance(node, dict):
        kwargs, args = node.get("kwargs"), node.get("args")
        values = args[0] if isinstance(args, list) and len(args) == 1 else args
        values = values if isinstance(values, list) else [values]
        keys = [_history(value) for value in values]
        extra = [value for value in (kwargs.values() if isinstance(kwargs, dict) else ()) if _tensors(value)]
    else:
        node = [node] if _key(node) else node
        values = node if isinstance(node, list) else [node]
        keys = [_key(value) for value in values]
        extra = [
            x for value in values if isinstance(value, list) and len(value) > 3 and isinstance(value[3], dict)
            for x in value[3].values() if _key(x)
        ]  # fmt: skip
    if not keys or None in keys or extra:
        raise ModelError(f"Layer {label} must take the results of other layers, and nothing else.")
    return tuple(key for key in keys if key)


def _history(value: Any) -> Key | None:
    config = value.get("config") if isinstance(value, dict) else None
    return _key(config.get("keras_history")) if isinstance(config, dict) else None


def _tensors(value: Any) -> bool:
    return any(map(_history, value)) if isinstance(value, list) else _history(value) is not None


def _needed(calls: dict[Key, Call], start: Key, output: Key) -> dict[Key, Call]:
    """The calls on which the output depends."""
    wanted = [output]
    found: dict[Key, Call] = {}
    while wanted:
        key = wanted.pop()
        if key in found or key == start:
            continue
        found[key] = calls[key]
        for name in calls[key].inputs:
            if name not in calls and name != start:
                raise ModelError(f"Layer {calls[key].label} needs {shown(name[0])}, which nothing makes.")
            wanted.append(name)
    return {key: call for key, call in calls.items() if key in found}


def _sorted(calls: dict[Key, Call], start: Key) -> list[Call]:
    """In the order of computation, by Kahn's method: no recursion, and cycles show."""
    readers: dict[Key, list[Key]] = {key: [] for key in (*calls, start)}
    waits = {}
    for key, call in calls.items():
        waits[key] = len(call.inputs)
        for name in call.inputs:
            readers[name].append(key)
    ready = deque([start])
    order = []
    while ready:
        key = ready.popleft()
        if key in calls:
            order.append(calls[key])
        for reader in readers[key]:
            waits[reader] -= 1
            if not waits[reader]:
                ready.append(reader)
    if len(order) < len(calls):
        stuck = next(call for key, call in calls.items() if waits[key])
        raise ModelError(f"The model must have no cycle, but layer {stuck.label} depends on itself.")
    return order
