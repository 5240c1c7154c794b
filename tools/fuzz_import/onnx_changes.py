"""Changes of ONNX graphs: operators, attributes, edges, tensors, names, sizes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import numpy as np

from tools.fuzz_import.byte_changes import FLOATS, NUMBERS, STRANGE, Random, changed_bytes, pick

__all__ = ["changed_onnx"]

#: A change takes a model and a random generator, and returns what it did.
Change = Callable[[Any, Random], str]

_ATTRIBUTES = (
    "axis", "axes", "perm", "auto_pad", "ceil_mode", "group", "keepdims", "transA", "transB", "alpha", "beta",
    "epsilon", "training_mode", "pads", "strides", "dilations", "kernel_shape", "to", "allowzero", "signed", "narrow",
    "rounding_mode", "out_scale", "out_bias", "data_layout", "mode", "value", "min", "max", "k", "largest", "start",
    "end", "noop_with_empty_axes", "select_last_index", "count_include_pad", "storage_order",
)  # fmt: skip


def _names(graph: Any) -> list[str]:
    made = [name for node in graph.node for name in node.output]
    return [*made, *(tensor.name for tensor in graph.initializer), *(value.name for value in graph.input)]


def _operators() -> list[str]:
    from bitweir.importers.onnx.constants import CONSTANT_OPS
    from bitweir.importers.onnx.operators.rules import RULES

    return [*sorted({*CONSTANT_OPS, *RULES}), "Loop", "If", "ConvTranspose", "Einsum", "QLinearConv", ""]


def _change_op(model: Any, rng: Random) -> str:
    node = pick(rng, model.graph.node)
    before, node.op_type = node.op_type, pick(rng, _operators())
    if rng.random() < 0.1:
        node.domain = pick(rng, ("", "ai.onnx", "qonnx.custom_op.general", "onnx.brevitas", *STRANGE))
    return f"{before} becomes {node.op_type}"


def _random_attribute(name: str, rng: Random) -> Any:
    from onnx import helper, numpy_helper

    kind = int(rng.integers(8))
    value: Any
    if kind < 2:
        value = int(rng.integers(-4, 9)) if rng.random() < 0.7 else pick(rng, NUMBERS)
    elif kind == 2:
        value = float(pick(rng, FLOATS))
    elif kind < 5:
        value = [int(v) for v in rng.integers(-2, 4, int(rng.integers(1, 9)))]
    elif kind == 5:
        words = ("SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET", "floor", "HALF_UP", "CEIL", "NHWC", "NC", "reflect")
        value = pick(rng, (*words, *STRANGE))
    elif kind == 6:
        value = numpy_helper.from_array(_random_array(rng), "t")
    else:
        value = [float(pick(rng, FLOATS)) for _ in range(int(rng.integers(1, 5)))]
    return helper.make_attribute(name, value)


def _random_array(rng: Random) -> np.ndarray[Any, Any]:
    shape = tuple(int(size) for size in rng.integers(0, 5, int(rng.integers(0, 4))))
    kind = pick(rng, (np.float32, np.float64, np.int64, np.int32, np.uint8, np.bool_, np.float16))
    return np.asarray(rng.integers(-3, 4, shape)).astype(kind)


def _change_attribute(model: Any, rng: Random) -> str:
    nodes = [node for node in model.graph.node if node.attribute] or list(model.graph.node)
    node = pick(rng, nodes)
    way = rng.random()
    if not node.attribute or way < 0.2:
        entry = _random_attribute(pick(rng, _ATTRIBUTES), rng)
        for old in [old for old in node.attribute if old.name == entry.name]:
            node.attribute.remove(old)
        node.attribute.append(entry)
        return f"{node.op_type} gets {entry.name}"
    entry = pick(rng, node.attribute)
    if way < 0.35:
        node.attribute.remove(entry)
        return f"{node.op_type} loses {entry.name}"
    if way < 0.5:
        entry.CopyFrom(_random_attribute(entry.name, rng))
    elif entry.ints:
        place = int(rng.integers(len(entry.ints)))
        entry.ints[place] = pick(rng, NUMBERS) if rng.random() < 0.3 else entry.ints[place] + int(rng.integers(-2, 3))
    elif entry.HasField("f"):
        entry.f = pick(rng, FLOATS) if rng.random() < 0.5 else entry.f * float(rng.normal())
    elif entry.HasField("i"):
        entry.i = pick(rng, NUMBERS) if rng.random() < 0.3 else entry.i + int(rng.integers(-2, 3))
    else:
        entry.type = int(rng.integers(0, 15))
    return f"{node.op_type} changes {entry.name}"


def _rewire(model: Any, rng: Random) -> str:
    node = pick(rng, model.graph.node)
    names = _names(model.graph)
    way = int(rng.integers(6))
    if way == 0 and node.input:
        place = int(rng.integers(len(node.input)))
        node.input[place] = pick(rng, names)
    elif way == 1 and node.input:
        del node.input[int(rng.integers(len(node.input)))]
    elif way == 2:
        node.input.append(pick(rng, names))
    elif way == 3 and len(node.input) > 1:
        node.input[:] = [*node.input][::-1]
    elif way == 4 and node.input:
        node.input[int(rng.integers(len(node.input)))] = pick(rng, ("", *STRANGE, *node.output))
    elif node.output:
        node.output[int(rng.integers(len(node.output)))] = pick(rng, ("", *names))
    return f"{node.op_type} is wired anew ({way})"


def _change_nodes(model: Any, rng: Random) -> str:
    nodes = model.graph.node
    place, way = int(rng.integers(len(nodes))), int(rng.integers(4))
    name = nodes[place].op_type
    if way == 0:
        node = nodes[place]
        if node.input and node.output and rng.random() < 0.7:  # what read it reads what it read
            for reader in nodes:
                reader.input[:] = [node.input[0] if one == node.output[0] else one for one in reader.input]
        del nodes[place]
        return f"{name} is gone"
    if way == 1:
        nodes.add().CopyFrom(nodes[place])
        return f"{name} is there twice"
    if way == 2:
        order = rng.permutation(len(nodes))
        copies = [type(nodes[0]).FromString(nodes[k].SerializeToString()) for k in order]
        del nodes[:]
        nodes.extend(copies)
        return "nodes are shuffled"
    nodes[place].name = pick(rng, STRANGE)
    return f"{name} is renamed"


def _insert(model: Any, rng: Random) -> str:
    """An operator between two nodes, most of which can be imported."""
    from onnx import helper, numpy_helper

    graph = model.graph
    names = [name for node in graph.node for name in node.output if name]
    target = pick(rng, names)
    small = np.float32(rng.choice([-2, -1, -0.5, 0, 0.25, 0.5, 1, 2, 3, float(np.round(rng.normal(), 3))]))
    channels = int(rng.choice([1, 10, 16, 32, 48, 64, 128]))
    vector = np.round(rng.normal(size=channels), 2).astype(np.float32)
    column = vector.reshape(-1, 1, 1)
    constants: dict[str, tuple[Any, ...]] = {
        "Mul": (pick(rng, (small, vector, column)),), "Add": (pick(rng, (small, vector, column)),),
        "Sub": (pick(rng, (small, vector, column)),), "Div": (pick(rng, (small, vector, column)),),
        "Max": (small,), "Min": (small,), "Pow": (small,), "PRelu": (pick(rng, (small, np.abs(vector), column)),),
        "GreaterOrEqual": (small,), "Greater": (small,), "Less": (small,), "LessOrEqual": (small,),
        "Clip": (np.float32(-1), np.float32(1)),
        "BatchNormalization": (vector, vector[::-1], vector * 2, np.abs(vector) + np.float32(0.1)),
        "Quant": (np.abs(small) + np.float32(0.25), np.float32(rng.integers(-1, 2)), np.float32(rng.integers(1, 5))),
        "BipolarQuant": (np.float32(rng.choice([-1, 0.5, 1, 2])),),
        "MultiThreshold": (np.sort(np.round(rng.normal(size=(pick(rng, (1, channels)), 3)), 1), axis=1),),
        "Pad": (np.array(pick(rng, ([0, 0, 1, 1, 0, 0, 1, 1], [0] * 4, [0, 0, 0, 1, 0, 0, 1, 0])), np.int64), small),
        "Reshape": (np.array(pick(rng, ([1, -1], [-1, 64], [1, 0, -1], [1, -1, 2, 2])), np.int64),),
        "Concat": (),
    }  # fmt: skip
    plain = ("Relu", "Neg", "Abs", "Sign", "LeakyRelu", "Round", "Floor", "Ceil", "Softmax", "Sigmoid", "Flatten",
             "Identity", "Transpose", "MaxPool", "AveragePool", "GlobalAveragePool", "ReduceMean", "Cast", "Tanh",
             "Not", "GlobalMaxPool", "ReduceMax", "ReduceSum", "Dropout", "Squeeze", "ArgMax", "TopK",
             "LogSoftmax")  # fmt: skip
    op = pick(rng, (*constants, *constants, *plain))
    attributes: dict[str, Any] = {
        "MaxPool": {"kernel_shape": [2, 2], "strides": [int(rng.integers(1, 3))] * 2, "ceil_mode": pick(rng, (0, 1))},
        "AveragePool": {"kernel_shape": [2, 2], "strides": [2, 2]},
        "Transpose": {"perm": pick(rng, ([0, 2, 3, 1], [0, 3, 1, 2], [0, 1, 3, 2], [0, 1], [1, 0]))},
        "Quant": {"signed": int(rng.integers(2)), "narrow": int(rng.integers(2)), "rounding_mode": pick(
            rng, ("ROUND", "CEIL", "FLOOR", "UP", "DOWN", "HALF_UP", "HALF_DOWN", "half_even"))},
        "MultiThreshold": {"out_scale": float(rng.choice([1, 2, 0.5, -1])), "out_bias": float(rng.choice([0, -1]))},
        "Cast": {"to": int(rng.choice([1, 11, 6, 7, 9]))},
        "Concat": {"axis": int(rng.integers(-1, 4))},
        "ReduceMean": {"axes": [2, 3]}, "ReduceMax": {"axes": [2, 3]},
    }.get(op, {})  # fmt: skip
    fresh = f"new{int(rng.integers(1 << 30))}"
    inputs = [target]
    for place, array in enumerate(constants.get(op, ())):
        graph.initializer.append(numpy_helper.from_array(np.asarray(array), f"{fresh}c{place}"))
        inputs.append(f"{fresh}c{place}")
    if op in ("Add", "Concat", "Sub") and rng.random() < 0.4:
        inputs = [target, pick(rng, names)]
    if rng.random() < 0.15:
        inputs.reverse()
    custom = op in ("Quant", "BipolarQuant", "MultiThreshold")
    node = helper.make_node(
        op, inputs, [fresh], name=fresh, domain="qonnx.custom_op.general" if custom else "", **attributes
    )
    for reader in graph.node:
        reader.input[:] = [fresh if one == target else one for one in reader.input]
    for output in graph.output:
        if output.name == target:
            output.name = fresh
    graph.node.append(node)
    return f"{op} is put in behind {target[:40]!r}"


def _change_tensor(model: Any, rng: Random) -> str:
    from onnx import numpy_helper

    if not model.graph.initializer:
        return ""
    tensor = pick(rng, model.graph.initializer)
    way = int(rng.integers(9))
    if way < 4:  # its numbers
        try:
            array = np.array(numpy_helper.to_array(tensor))
        except Exception:  # what lies in a side file, or is damaged by now
            return ""
        if not array.size:
            return ""
        flat = array.reshape(-1)
        places = rng.integers(0, len(flat), int(rng.integers(1, 4)))
        with np.errstate(all="ignore"):
            if way == 0:
                flat[places] = np.array(pick(rng, FLOATS)).astype(flat.dtype)
            elif way == 1:
                flat[:] = (flat * float(pick(rng, (-1, 0, 0.5, 2, 0.1, 1e-3)))).astype(flat.dtype)
            elif way == 2:
                flat[places] = (flat[places] + rng.normal(size=len(places))).astype(flat.dtype)
            else:
                rng.shuffle(flat)
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    elif way == 4 and tensor.dims:
        tensor.dims[int(rng.integers(len(tensor.dims)))] = pick(rng, NUMBERS)
    elif way == 5:
        tensor.dims[:] = [*tensor.dims][::-1] if rng.random() < 0.5 else [*tensor.dims, 1]
    elif way == 6:
        tensor.data_type = int(rng.integers(0, 24))
    elif way == 7:
        tensor.data_location = 1
        places = (
            "../secret",
            "/etc/passwd",
            "/dev/zero",
            "x/../../y",
            "m.onnx",
            "link",
            "C:\\x",
            "",
            "\0",
            "folder",
            "none",
        )
        del tensor.external_data[:]
        for key, value in (
            ("location", pick(rng, places)),
            ("offset", str(pick(rng, NUMBERS))),
            ("length", str(pick(rng, NUMBERS))),
        ):
            if rng.random() < 0.8:
                entry = tensor.external_data.add()
                entry.key, entry.value = key, value
    else:
        tensor.raw_data = tensor.raw_data[: int(rng.integers(len(tensor.raw_data) + 1))]
    return f"tensor {tensor.name[:40]!r} changes ({way})"


def _rename(model: Any, rng: Random) -> str:
    tensors = model.graph.initializer
    if len(tensors) < 2:
        return ""
    one = pick(rng, tensors)
    way = int(rng.integers(3))
    if way == 0:
        one.name = pick(rng, _names(model.graph))
    elif way == 1:
        one.name = pick(rng, STRANGE)
    else:
        tensors.remove(one)
    return f"a tensor is renamed ({way})"


def _change_ends(model: Any, rng: Random) -> str:
    graph = model.graph
    way = int(rng.integers(8))
    dims = graph.input[0].type.tensor_type.shape.dim if graph.input else []
    if way < 2 and dims:
        pick(rng, dims).dim_value = pick(rng, (*NUMBERS, 4, 8, 16))
    elif way == 2 and dims:
        dims.add().dim_value = int(rng.integers(0, 5))
    elif way == 3 and graph.input:
        graph.input[0].type.tensor_type.elem_type = int(rng.integers(0, 20))
    elif way == 4 and graph.output:
        graph.output[0].name = pick(rng, _names(graph))
    elif way == 5:
        (graph.input if rng.random() < 0.5 else graph.output).add().name = pick(rng, (*_names(graph), *STRANGE))
    elif way == 6:
        del (graph.input if rng.random() < 0.5 else graph.output)[:1]
    elif model.opset_import:
        pick(rng, model.opset_import).version = int(pick(rng, (0, 1, 7, 9, 11, 13, 18, 20, 25, 999, -1)))
    return f"inputs or outputs change ({way})"


def _long_chain(model: Any, rng: Random) -> str:
    """Many copies of one operator in a row."""
    from onnx import helper

    graph = model.graph
    target = pick(rng, [name for node in graph.node for name in node.output if name])
    op, last = pick(rng, ("Add", "Relu", "Neg", "Mul", "Identity", "Transpose", "Abs")), target
    fresh = f"chain{int(rng.integers(1 << 30))}"
    chain = []
    # Doubled more often, numbers would be too large beside others even for float64.
    for place in range(int(pick(rng, (5, 12) if op == "Add" else (5, 40, 70, 400)))):
        inputs = [last, last] if op in ("Add", "Mul") else [last]
        chain.append(helper.make_node(op, inputs, [f"{fresh}_{place}"]))
        last = f"{fresh}_{place}"
    for reader in graph.node:
        reader.input[:] = [last if one == target else one for one in reader.input]
    graph.node.extend(chain)
    return f"{len(chain)} {op} in a row"


_GRAPHS: tuple[Change, ...] = (
    _change_op, _change_attribute, _change_attribute, _rewire, _rewire, _change_nodes, _insert, _insert, _insert,
    _change_tensor, _change_tensor, _rename, _change_ends, _long_chain,
)  # fmt: skip


def changed_onnx(data: bytes, rng: Random) -> tuple[bytes, list[str]]:
    """Return a model with one to three changes of its graph or of its bytes, and what they are."""
    import onnx

    if rng.random() < 0.3:
        return changed_bytes(data, rng)
    model = onnx.load_model_from_string(data)
    done = []
    for _ in range(int(rng.integers(1, 4))):
        if model.graph.node:
            # A change may not apply to what earlier ones left.
            with contextlib.suppress(ValueError, TypeError):
                done.append(pick(rng, _GRAPHS)(model, rng))
    return model.SerializeToString(), done
