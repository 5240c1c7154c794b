"""Damaged and hostile model files: each must end in a network or in one sentence, in bounded time and memory.

    python benchmarks/fuzz_import.py [--cases 20000] [--seed 0] [--jobs 2] [--only SEED] [--keep FOLDER] [--small]

Real files are changed byte by byte, or as the graphs, archives and groups that they are: operators, attributes,
shapes, tensors, names, cycles, absurd sizes, paths of side files. A graph that still imports is run by the own
executor of the importer on a few frames: a network that finds other classes or codes than the file is a failure,
unless its notes say that sums and thresholds (nearly) tie. Each case runs in a process whose memory is limited and
that is killed when it hangs. Ends with 1 if a case fails; `--only` runs its seed again.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import multiprocessing
import multiprocessing.connection
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["Case", "Summary", "corpus", "run_cases"]

#: Seconds of processor time that a case may take, and seconds after which its process is killed.
LIMIT, KILL = 10.0, 120.0
#: Bytes of memory that the process of a case may take.
MEMORY = 4 << 30
#: Frames on which a network that still imports is compared.
FRAMES = 5
#: Notes that say that floats may take another side.
EXCUSES = ("Approximate", "exactly on a threshold", "lies within", "whole multiples", "float32 rounds")

Random = np.random.Generator


@dataclass(frozen=True)
class Case:
    """What became of one file.

    Parameters
    ----------
    seed : int
    outcome : str
        ``agrees``, ``imports`` (but is not compared), ``refused``; or a failure: ``wrong``, ``raises``, ``slow``,
        ``dies``, ``unprintable``, ``memory``, ``leaks`` (the name of an exception).
    seconds : float
        Of processor time.
    what : str
        File and changes.
    detail : str
        The sentence, or what went wrong.
    """

    seed: int
    outcome: str
    seconds: float
    what: str
    detail: str

    @property
    def failed(self) -> bool:
        """Whether this must not happen."""
        return self.outcome not in ("agrees", "imports", "refused")


@dataclass
class Summary:
    """All cases of a run."""

    counts: Counter[str] = field(default_factory=Counter)
    slowest: Case | None = None
    failures: list[Case] = field(default_factory=list)
    megabytes: int = 0

    def add(self, case: Case) -> None:
        """Count a case."""
        self.counts[case.outcome] += 1
        if self.slowest is None or case.seconds > self.slowest.seconds:
            self.slowest = case
        if case.failed:
            self.failures.append(case)


def corpus(*, small: bool = False) -> list[tuple[Path, str | None]]:
    """Model files with the input scale that suits each: the shipped ones, and those beside the repository.

    Parameters
    ----------
    small : bool
        Leave out what takes long to import.
    """
    networks = Path(str(resources.files("bitweir.networks")))
    found: list[tuple[Path, str | None]] = [(networks / "cnn.onnx", "1"), (networks / "digits.onnx", "1")]
    data = Path(__file__).resolve().parents[2] / "shared" / "data"
    slow = ("d_bireal", "t", "a2", "c2", "l1")
    for path in sorted(data.glob("digits/*")):
        if path.suffix in _CHANGES and not (small and path.name.startswith(slow)):
            found.append((path, "int8" if path.name.startswith("l") else "1/16"))
    if not small:
        for name, scale in (("TFC_1W1A", "1/255"), ("TFC_1W1A_finn_dataflow", None), ("TFC_1W2A", "1/255")):
            found.append((data / "models" / f"{name}.onnx", scale))
        found.append((data / "models" / "larq_tiny_conv_mnist.h5", "1"))
    return [(path, scale) for path, scale in found if path.is_file()]


# ---- changes of bytes


def _flip(data: bytearray, rng: Random) -> str:
    for place in rng.integers(0, len(data), int(rng.integers(1, 9))):
        data[place] ^= 1 << int(rng.integers(8))
    return "flips bits"


def _overwrite(data: bytearray, rng: Random) -> str:
    start, size = int(rng.integers(len(data))), int(rng.integers(1, 65))
    data[start : start + size] = (
        rng.bytes(size) if rng.random() < 0.5 else bytes([int(rng.choice([0, 255, 127]))]) * size
    )
    return "overwrites bytes"


def _cut(data: bytearray, rng: Random) -> str:
    del data[int(rng.integers(len(data))) :]
    return "is cut off"


def _remove(data: bytearray, rng: Random) -> str:
    start = int(rng.integers(len(data)))
    del data[start : start + int(rng.integers(1, 1 << int(rng.integers(1, 12))))]
    return "lacks bytes"


def _repeat(data: bytearray, rng: Random) -> str:
    start = int(rng.integers(len(data)))
    part = data[start : start + int(rng.integers(1, 4096))]
    place = int(rng.integers(len(data)))
    data[place:place] = part
    return "repeats bytes"


def _bytes(data: bytearray, rng: Random) -> str:
    if not data:
        return ""
    # Most structure lies where the large tensors are not: at both ends.
    return _BYTES[int(rng.integers(len(_BYTES)))](data, rng)


_BYTES = (_flip, _flip, _overwrite, _cut, _remove, _repeat)


# ---- changes of ONNX graphs: f(model, rng) -> what it did


_NUMBERS = (0, 1, -1, 2, 3, 7, 64, 255, -2, 1 << 16, 1 << 31, -(1 << 31), 1 << 40, (1 << 63) - 1, -(1 << 63))
_FLOATS = (0.0, -0.0, 1.0, -1.0, 0.5, 2.0, 3.0, 0.1, 1e-5, 1e-30, 1e30, 3e38, float("nan"), float("inf"), -float("inf"))
_STRANGE = (
    "",
    " ",
    "\0",
    "../x",
    "/etc/passwd",
    "a" * 5000,
    "<script>",
    "$(id)",
    "\x1b[31m",
    "[/red]",
    "\u202e",
    "x\ny",
)
_ATTRIBUTES = (
    "axis", "axes", "perm", "auto_pad", "ceil_mode", "group", "keepdims", "transA", "transB", "alpha", "beta",
    "epsilon", "training_mode", "pads", "strides", "dilations", "kernel_shape", "to", "allowzero", "signed", "narrow",
    "rounding_mode", "out_scale", "out_bias", "data_layout", "mode", "value", "min", "max", "k", "largest", "start",
    "end", "noop_with_empty_axes", "select_last_index", "count_include_pad", "storage_order",
)  # fmt: skip


def _pick(rng: Random, things: Sequence[Any]) -> Any:
    return things[int(rng.integers(len(things)))]


def _names(graph: Any) -> list[str]:
    made = [name for node in graph.node for name in node.output]
    return [*made, *(tensor.name for tensor in graph.initializer), *(value.name for value in graph.input)]


def _operators() -> list[str]:
    from bitweir.importers.constants import CONSTANT_OPS
    from bitweir.importers.rules import RULES

    return [*sorted({*CONSTANT_OPS, *RULES}), "Loop", "If", "ConvTranspose", "Einsum", "QLinearConv", ""]


def _change_op(model: Any, rng: Random) -> str:
    node = _pick(rng, model.graph.node)
    before, node.op_type = node.op_type, _pick(rng, _operators())
    if rng.random() < 0.1:
        node.domain = _pick(rng, ("", "ai.onnx", "qonnx.custom_op.general", "onnx.brevitas", *_STRANGE))
    return f"{before} becomes {node.op_type}"


def _random_attribute(name: str, rng: Random) -> Any:
    from onnx import helper, numpy_helper

    kind = int(rng.integers(8))
    value: Any
    if kind < 2:
        value = int(rng.integers(-4, 9)) if rng.random() < 0.7 else _pick(rng, _NUMBERS)
    elif kind == 2:
        value = float(_pick(rng, _FLOATS))
    elif kind < 5:
        value = [int(v) for v in rng.integers(-2, 4, int(rng.integers(1, 9)))]
    elif kind == 5:
        words = ("SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET", "floor", "HALF_UP", "CEIL", "NHWC", "NC", "reflect")
        value = _pick(rng, (*words, *_STRANGE))
    elif kind == 6:
        value = numpy_helper.from_array(_random_array(rng), "t")
    else:
        value = [float(_pick(rng, _FLOATS)) for _ in range(int(rng.integers(1, 5)))]
    return helper.make_attribute(name, value)


def _random_array(rng: Random) -> np.ndarray[Any, Any]:
    shape = tuple(int(size) for size in rng.integers(0, 5, int(rng.integers(0, 4))))
    kind = _pick(rng, (np.float32, np.float64, np.int64, np.int32, np.uint8, np.bool_, np.float16))
    return np.asarray(rng.integers(-3, 4, shape)).astype(kind)


def _change_attribute(model: Any, rng: Random) -> str:
    nodes = [node for node in model.graph.node if node.attribute] or list(model.graph.node)
    node = _pick(rng, nodes)
    way = rng.random()
    if not node.attribute or way < 0.2:
        entry = _random_attribute(_pick(rng, _ATTRIBUTES), rng)
        for old in [old for old in node.attribute if old.name == entry.name]:
            node.attribute.remove(old)
        node.attribute.append(entry)
        return f"{node.op_type} gets {entry.name}"
    entry = _pick(rng, node.attribute)
    if way < 0.35:
        node.attribute.remove(entry)
        return f"{node.op_type} loses {entry.name}"
    if way < 0.5:
        entry.CopyFrom(_random_attribute(entry.name, rng))
    elif entry.ints:
        place = int(rng.integers(len(entry.ints)))
        entry.ints[place] = _pick(rng, _NUMBERS) if rng.random() < 0.3 else entry.ints[place] + int(rng.integers(-2, 3))
    elif entry.HasField("f"):
        entry.f = _pick(rng, _FLOATS) if rng.random() < 0.5 else entry.f * float(rng.normal())
    elif entry.HasField("i"):
        entry.i = _pick(rng, _NUMBERS) if rng.random() < 0.3 else entry.i + int(rng.integers(-2, 3))
    else:
        entry.type = int(rng.integers(0, 15))
    return f"{node.op_type} changes {entry.name}"


def _rewire(model: Any, rng: Random) -> str:
    node = _pick(rng, model.graph.node)
    names = _names(model.graph)
    way = int(rng.integers(6))
    if way == 0 and node.input:
        place = int(rng.integers(len(node.input)))
        node.input[place] = _pick(rng, names)
    elif way == 1 and node.input:
        del node.input[int(rng.integers(len(node.input)))]
    elif way == 2:
        node.input.append(_pick(rng, names))
    elif way == 3 and len(node.input) > 1:
        node.input[:] = [*node.input][::-1]
    elif way == 4 and node.input:
        node.input[int(rng.integers(len(node.input)))] = _pick(rng, ("", *_STRANGE, *node.output))
    elif node.output:
        node.output[int(rng.integers(len(node.output)))] = _pick(rng, ("", *names))
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
    nodes[place].name = _pick(rng, _STRANGE)
    return f"{name} is renamed"


def _insert(model: Any, rng: Random) -> str:
    """An operator between two nodes, most of which can be imported."""
    from onnx import helper, numpy_helper

    graph = model.graph
    names = [name for node in graph.node for name in node.output if name]
    target = _pick(rng, names)
    small = np.float32(rng.choice([-2, -1, -0.5, 0, 0.25, 0.5, 1, 2, 3, float(np.round(rng.normal(), 3))]))
    channels = int(rng.choice([1, 10, 16, 32, 48, 64, 128]))
    vector = np.round(rng.normal(size=channels), 2).astype(np.float32)
    column = vector.reshape(-1, 1, 1)
    constants: dict[str, tuple[Any, ...]] = {
        "Mul": (_pick(rng, (small, vector, column)),), "Add": (_pick(rng, (small, vector, column)),),
        "Sub": (_pick(rng, (small, vector, column)),), "Div": (_pick(rng, (small, vector, column)),),
        "Max": (small,), "Min": (small,), "Pow": (small,), "PRelu": (_pick(rng, (small, np.abs(vector), column)),),
        "GreaterOrEqual": (small,), "Greater": (small,), "Less": (small,), "LessOrEqual": (small,),
        "Clip": (np.float32(-1), np.float32(1)),
        "BatchNormalization": (vector, vector[::-1], vector * 2, np.abs(vector) + np.float32(0.1)),
        "Quant": (np.abs(small) + np.float32(0.25), np.float32(rng.integers(-1, 2)), np.float32(rng.integers(1, 5))),
        "BipolarQuant": (np.float32(rng.choice([-1, 0.5, 1, 2])),),
        "MultiThreshold": (np.sort(np.round(rng.normal(size=(_pick(rng, (1, channels)), 3)), 1), axis=1),),
        "Pad": (np.array(_pick(rng, ([0, 0, 1, 1, 0, 0, 1, 1], [0] * 4, [0, 0, 0, 1, 0, 0, 1, 0])), np.int64), small),
        "Reshape": (np.array(_pick(rng, ([1, -1], [-1, 64], [1, 0, -1], [1, -1, 2, 2])), np.int64),),
        "Concat": (),
    }  # fmt: skip
    plain = ("Relu", "Neg", "Abs", "Sign", "LeakyRelu", "Round", "Floor", "Ceil", "Softmax", "Sigmoid", "Flatten",
             "Identity", "Transpose", "MaxPool", "AveragePool", "GlobalAveragePool", "ReduceMean", "Cast", "Tanh",
             "Not", "GlobalMaxPool", "ReduceMax", "ReduceSum", "Dropout", "Squeeze", "ArgMax", "TopK",
             "LogSoftmax")  # fmt: skip
    op = _pick(rng, (*constants, *constants, *plain))
    attributes: dict[str, Any] = {
        "MaxPool": {"kernel_shape": [2, 2], "strides": [int(rng.integers(1, 3))] * 2, "ceil_mode": _pick(rng, (0, 1))},
        "AveragePool": {"kernel_shape": [2, 2], "strides": [2, 2]},
        "Transpose": {"perm": _pick(rng, ([0, 2, 3, 1], [0, 3, 1, 2], [0, 1, 3, 2], [0, 1], [1, 0]))},
        "Quant": {"signed": int(rng.integers(2)), "narrow": int(rng.integers(2)), "rounding_mode": _pick(
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
        inputs = [target, _pick(rng, names)]
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
    tensor = _pick(rng, model.graph.initializer)
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
                flat[places] = np.array(_pick(rng, _FLOATS)).astype(flat.dtype)
            elif way == 1:
                flat[:] = (flat * float(_pick(rng, (-1, 0, 0.5, 2, 0.1, 1e-3)))).astype(flat.dtype)
            elif way == 2:
                flat[places] = (flat[places] + rng.normal(size=len(places))).astype(flat.dtype)
            else:
                rng.shuffle(flat)
        tensor.CopyFrom(numpy_helper.from_array(array, tensor.name))
    elif way == 4 and tensor.dims:
        tensor.dims[int(rng.integers(len(tensor.dims)))] = _pick(rng, _NUMBERS)
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
            ("location", _pick(rng, places)),
            ("offset", str(_pick(rng, _NUMBERS))),
            ("length", str(_pick(rng, _NUMBERS))),
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
    one = _pick(rng, tensors)
    way = int(rng.integers(3))
    if way == 0:
        one.name = _pick(rng, _names(model.graph))
    elif way == 1:
        one.name = _pick(rng, _STRANGE)
    else:
        tensors.remove(one)
    return f"a tensor is renamed ({way})"


def _change_ends(model: Any, rng: Random) -> str:
    graph = model.graph
    way = int(rng.integers(8))
    dims = graph.input[0].type.tensor_type.shape.dim if graph.input else []
    if way < 2 and dims:
        _pick(rng, dims).dim_value = _pick(rng, (*_NUMBERS, 4, 8, 16))
    elif way == 2 and dims:
        dims.add().dim_value = int(rng.integers(0, 5))
    elif way == 3 and graph.input:
        graph.input[0].type.tensor_type.elem_type = int(rng.integers(0, 20))
    elif way == 4 and graph.output:
        graph.output[0].name = _pick(rng, _names(graph))
    elif way == 5:
        (graph.input if rng.random() < 0.5 else graph.output).add().name = _pick(rng, (*_names(graph), *_STRANGE))
    elif way == 6:
        del (graph.input if rng.random() < 0.5 else graph.output)[:1]
    elif model.opset_import:
        _pick(rng, model.opset_import).version = int(_pick(rng, (0, 1, 7, 9, 11, 13, 18, 20, 25, 999, -1)))
    return f"inputs or outputs change ({way})"


def _long_chain(model: Any, rng: Random) -> str:
    """Many copies of one operator in a row."""
    from onnx import helper

    graph = model.graph
    target = _pick(rng, [name for node in graph.node for name in node.output if name])
    op, last = _pick(rng, ("Add", "Relu", "Neg", "Mul", "Identity", "Transpose", "Abs")), target
    fresh = f"chain{int(rng.integers(1 << 30))}"
    chain = []
    # Doubled more often, numbers would be too large beside others even for float64.
    for place in range(int(_pick(rng, (5, 12) if op == "Add" else (5, 40, 70, 400)))):
        inputs = [last, last] if op in ("Add", "Mul") else [last]
        chain.append(helper.make_node(op, inputs, [f"{fresh}_{place}"]))
        last = f"{fresh}_{place}"
    for reader in graph.node:
        reader.input[:] = [last if one == target else one for one in reader.input]
    graph.node.extend(chain)
    return f"{len(chain)} {op} in a row"


_GRAPHS: tuple[Callable[[Any, Random], str], ...] = (
    _change_op, _change_attribute, _change_attribute, _rewire, _rewire, _change_nodes, _insert, _insert, _insert,
    _change_tensor, _change_tensor, _rename, _change_ends, _long_chain,
)  # fmt: skip


def _onnx(data: bytes, rng: Random) -> tuple[bytes, list[str]]:
    import onnx

    if rng.random() < 0.3:
        return _changed_bytes(data, rng)
    model = onnx.load_model_from_string(data)
    done = []
    for _ in range(int(rng.integers(1, 4))):
        if model.graph.node:
            # A change may not apply to what earlier ones left.
            with contextlib.suppress(ValueError, TypeError):
                done.append(_pick(rng, _GRAPHS)(model, rng))
    return model.SerializeToString(), done


# ---- changes of Keras files


def _change_json(tree: Any, rng: Random) -> str:
    """Change one place of a JSON tree."""
    places: list[tuple[Any, Any]] = []
    stack = [tree]
    while stack:
        part = stack.pop()
        keys = list(part) if isinstance(part, dict) else range(len(part))
        places += [(part, key) for key in keys]
        stack += [part[key] for key in keys if isinstance(part[key], (dict, list))]
    part, key = _pick(rng, places)
    way = int(rng.integers(6))
    if way == 0:
        del part[key]
    elif way == 1:
        part[key] = _pick(rng, (*_NUMBERS, *_STRANGE, None, [], {}, True, 1e400, -0.5, [[]]))
    elif way == 2:
        other, place = _pick(rng, places)
        with contextlib.suppress(KeyError, IndexError):
            part[key] = json.loads(json.dumps(other[place]))
    elif way == 3 and type(part[key]) is int:
        part[key] += int(rng.integers(-2, 3))
    elif way == 4 and isinstance(part, list):
        part.append(json.loads(json.dumps(part[key])))
    else:
        words = ("same", "valid", "relu", "softmax", "SteSign", "QuantDense", "QuantConv2D", "Flatten", "Activation")
        part[key] = _pick(rng, words)
    return f"{str(key)[:30]!r} changes in the configuration ({way})"


def _hdf(data: bytes, rng: Random) -> tuple[bytes, list[str]]:
    import h5py

    if rng.random() < 0.4:
        return _changed_bytes(data, rng)
    done = []
    file = io.BytesIO(data)
    # A change may not apply to what earlier ones left.
    mistakes = (ValueError, TypeError, KeyError, OverflowError, OSError, RuntimeError, MemoryError)
    with contextlib.suppress(*mistakes), h5py.File(file, "r+") as tree:
        for _ in range(int(rng.integers(1, 4))):
            with contextlib.suppress(*mistakes):
                done.append(_change_hdf(tree, rng))
    return file.getvalue(), done


def _change_hdf(tree: Any, rng: Random) -> str:
    import h5py

    config = tree.attrs.get("model_config")
    if config is not None and rng.random() < 0.5:
        parsed = json.loads(config)
        told = _change_json(parsed, rng)
        tree.attrs["model_config"] = json.dumps(parsed)
        return told
    found: list[str] = []
    tree.visit(found.append)
    name = _pick(rng, found)
    part, way = tree[name], int(rng.integers(6))
    if way == 0:
        del tree[name]
    elif way == 1:
        del tree[name]
        tree[name] = h5py.SoftLink(_pick(rng, ("/", f"/{name}", "/none", "/model_weights")))
    elif way == 2:
        del tree[name]
        tree[name] = h5py.ExternalLink(_pick(rng, ("/etc/passwd", "m.h5", "../x.h5")), "/")
    elif way == 3 and isinstance(part, h5py.Dataset):
        shape, kind = part.shape[::-1], _pick(rng, ("f4", "f8", "i4", "S5", "f2", "?"))
        del tree[name]
        tree.create_dataset(name, shape, kind)
    elif way == 4 and isinstance(part, h5py.Dataset) and part.size:
        array = part[()]
        flat = np.asarray(array).reshape(-1)
        flat[rng.integers(0, len(flat), 3)] = _pick(rng, _FLOATS)
        part[...] = flat.reshape(part.shape)
    else:
        del tree[name]
        tree.create_dataset(name, _pick(rng, ((1 << 20, 1 << 20), (0,), (), (1 << 33,))), "f4", fillvalue=1)
    return f"{name[:50]!r} changes ({way})"


def _keras(data: bytes, rng: Random) -> tuple[bytes, list[str]]:
    if rng.random() < 0.3:
        return _changed_bytes(data, rng)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    done = []
    for _ in range(int(rng.integers(1, 4))):
        way = int(rng.integers(8))
        name = _pick(rng, sorted(parts))
        if way < 4 and "config.json" in parts:
            with contextlib.suppress(ValueError):
                tree = json.loads(parts["config.json"])
                done.append(_change_json(tree, rng))
                parts["config.json"] = json.dumps(tree).encode()
        elif way < 6 and "model.weights.h5" in parts:
            parts["model.weights.h5"], told = _hdf(parts["model.weights.h5"], rng)
            done += told
        elif way == 6:
            parts[_pick(rng, ("../x", "/x", "config.json ", name + "2"))] = parts.pop(name)
            done.append(f"{name} is renamed")
        else:
            parts[name] = bytes(_pick(rng, (0, 10, 1 << 22)))
            done.append(f"{name} is blank")
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", _pick(rng, (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive:
        for name, content in parts.items():
            archive.writestr(name, content)
    return file.getvalue(), done


def _changed_bytes(data: bytes, rng: Random) -> tuple[bytes, list[str]]:
    changed = bytearray(data)
    done = [_bytes(changed, rng) for _ in range(int(rng.integers(1, 4)))]
    return bytes(changed), done


_CHANGES: dict[str, Callable[[bytes, Random], tuple[bytes, list[str]]]] = {
    ".onnx": _onnx,
    ".h5": _hdf,
    ".keras": _keras,
}


# ---- one case


class _TooSlowError(BaseException):
    """The case took too long; no handler for mistakes in files may catch it."""


def _stop(*_: Any) -> None:
    raise _TooSlowError


def run_case(seed: int, files: Sequence[tuple[Path, str | None]], folder: Path) -> Case:
    """Make the file of a seed in an empty folder, and import it."""
    rng = np.random.default_rng(seed)
    source, scale = _pick(rng, files)
    if rng.random() < 0.1:
        scale = _pick(rng, (None, "1", "1/255", "int8", "int2"))
    data, done = _CHANGES[source.suffix](source.read_bytes(), rng)
    what = f"{source.name} ({scale}): {'; '.join(done)}"
    path = folder / f"m{source.suffix}"
    path.write_bytes(data)
    side = source.with_name(source.name + ".data")
    if side.is_file():
        shutil.copy(side, folder)
        (folder / side.name).chmod(0o600)
        if rng.random() < 0.1:
            with (folder / side.name).open("r+b") as file:
                file.truncate(int(rng.integers(side.stat().st_size)))
    (folder / "link").symlink_to("/etc/passwd")
    (folder / "folder").mkdir()
    started = time.process_time()
    signal.signal(signal.SIGPROF, _stop)
    signal.setitimer(signal.ITIMER_PROF, LIMIT)
    try:
        outcome, detail = _import(path, scale, rng)
    except _TooSlowError:
        outcome, detail = "slow", "".join(traceback.format_exc()[-600:])
    except BaseException as error:  # everything else is the failure that is looked for
        outcome, detail = "raises", f"{type(error).__name__}: {traceback.format_exc()[-1500:]}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return Case(seed, outcome, time.process_time() - started, what, detail)


def _import(path: Path, scale: str | None, rng: Random) -> tuple[str, str]:
    from bitweir.importers import load_model
    from bitweir.importers.taps import Taps
    from bitweir_hw.errors import BitweirError

    taps = Taps()
    try:
        network = load_model(path, input_scale=scale, taps=taps)
    except BitweirError as error:
        told = str(error)
        if "more memory than there is" in told:
            return "memory", told
        if re.search(r"\w(Error|Exception)\b", told):
            return "leaks", told
        return ("refused" if told.isprintable() else "unprintable"), told
    if not all(note.isprintable() for note in network.notes):
        return "unprintable", repr(network.notes)
    return _compared(path, network, taps, scale, rng) if path.suffix == ".onnx" else ("imports", "")


def _compared(path: Path, network: Any, taps: Any, scale: str | None, rng: Random) -> tuple[str, str]:
    """Whether a network finds what its file says, on a few frames."""
    from bitweir.importers.agreement import Member, compare
    from bitweir.importers.reference import CannotRunError, numpy_executor
    from bitweir_sim.values.encoding import encode, model_values
    from bitweir_sim.values.golden import widest

    entry = network.input
    shape = (FRAMES, *entry.shape)
    if widest(network) > 1 << 14:
        return "imports", "large"
    if entry.stored is not None:
        frames = model_values(entry, rng.integers(entry.stored.low, entry.stored.high + 1, shape))
    else:
        frames = (rng.integers(0, 17, shape) / 16).astype(np.float32)
    try:
        tensors = [*(tap.tensor for tap in taps.codes), taps.scores]
        found = numpy_executor(path, tensors).run(frames)
    except CannotRunError as error:
        return "imports", f"the executor refuses: {error}"
    if not all(np.isfinite(np.asarray(array, np.float64)).all() for array in found.values()):
        return "imports", "the file makes infinite numbers"
    member = Member(path=path, network=network, taps=taps, last=network.layers[-1].name)
    (agreement,), scores = compare(network, [member], frames, encode(entry, frames), runtime=False)
    if agreement.results is None:
        if _detaches(path):
            return "imports", "(a - b) + b is taken as a, and here b has a larger shape"
        return "wrong", agreement.remark
    wrong = [layer for layer in agreement.layers if layer.differ]
    if network.readout.kind != "class":
        told = f"{agreement.results_differ} results differ, the first: {agreement.first_result}"
        return ("agrees", "") if agreement.agrees else ("wrong", f"{told}; notes {network.notes}")
    ours = scores.argmax(axis=1)
    wanted = found[taps.scores].reshape(FRAMES, -1).astype(np.float64)
    size = np.abs(wanted).max(axis=1) + 1e-300
    lead = wanted.max(axis=1) - np.take_along_axis(wanted, ours[:, None], 1)[:, 0]
    if not wrong and (lead <= 1e-6 * size).all():
        return "agrees", ""
    if any(excuse in note for note in network.notes for excuse in EXCUSES):
        return "imports", "floats may take another side"
    if _largest(path) > 1 << 20:
        return "imports", "numbers are so large that in floats (a - b) + b need not be a"
    told = f"codes {[(one.layer, one.differ, one.first) for one in wrong]}, lead {lead.tolist()} of {size.tolist()}"
    return "wrong", f"{told}; notes {network.notes}"


def _detaches(path: Path) -> bool:
    """Whether a file adds what it has subtracted before, as the detach trick of training does."""
    import onnx

    nodes = onnx.load(path).graph.node
    less = {node.output[0]: node.input[1] for node in nodes if node.op_type == "Sub" and len(node.input) == 2}
    return any(
        less.get(one) == other
        for node in nodes
        if node.op_type == "Add" and len(node.input) == 2
        for one, other in (node.input, reversed(node.input))
    )


def _largest(path: Path) -> float:
    """Largest size of a number among the tensors of a file."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(path).graph
    arrays = [numpy_helper.to_array(tensor) for tensor in graph.initializer]
    with np.errstate(all="ignore"):
        return max((float(np.abs(array).max(initial=0)) for array in arrays if array.dtype.kind == "f"), default=0.0)


# ---- all cases


def _worker(pipe: Any, seeds: Sequence[int], files: Sequence[tuple[Path, str | None]], keep: Path | None) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for seed in seeds:
        pipe.send(seed)
        with tempfile.TemporaryDirectory(prefix="bitweir-fuzz-") as name:
            case = run_case(seed, files, Path(name))
            if keep is not None and case.failed:
                shutil.copytree(name, keep / str(seed), symlinks=True, dirs_exist_ok=True)
        pipe.send((case, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024))
    pipe.send(None)


def run_cases(
    seeds: Sequence[int],
    files: Sequence[tuple[Path, str | None]],
    *,
    jobs: int = 1,
    keep: Path | None = None,
    told: Callable[[Summary], None] = lambda summary: None,
) -> Summary:
    """Run the cases of some seeds in processes of their own.

    Parameters
    ----------
    seeds : sequence of int
    files : sequence of (Path, str or None)
        As `corpus` gives them.
    jobs : int
        Processes at a time.
    keep : Path or None
        Folder for the files of failures.
    told : callable
        Called after each case.
    """
    summary = Summary()
    for case, megabytes in _cases([list(seeds[start::jobs]) for start in range(jobs)], files, keep):
        summary.add(case)
        summary.megabytes = max(summary.megabytes, megabytes)
        told(summary)
    return summary


def _cases(
    shares: list[list[int]], files: Sequence[tuple[Path, str | None]], keep: Path | None
) -> Iterator[tuple[Case, int]]:
    context = multiprocessing.get_context("fork")
    at_work: dict[Any, tuple[Any, list[int], list[float]]] = {}

    def start(seeds: list[int]) -> None:
        if seeds:
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_worker, args=(theirs, seeds, files, keep), daemon=True)
            process.start()
            theirs.close()
            at_work[ours] = (process, seeds, [time.monotonic()])

    for share in shares:
        start(share)
    try:
        while at_work:
            for pipe in multiprocessing.connection.wait(list(at_work), timeout=1.0):
                process, seeds, since = at_work[pipe]
                since[0] = time.monotonic()
                try:
                    message = pipe.recv()
                except EOFError:  # it died in the middle of a case
                    process.join()
                    del at_work[pipe]
                    start(seeds[1:])
                    yield Case(seeds[0], "dies", 0.0, "", f"exit code {process.exitcode}"), 0
                    continue
                if message is None:
                    process.join()
                    del at_work[pipe]
                elif not isinstance(message, int):
                    del seeds[0]
                    yield message
            for process, _, since in at_work.values():
                if time.monotonic() - since[0] > KILL:
                    process.kill()
    finally:
        for process, _, _ in at_work.values():
            process.kill()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0, help="the first one; each case has the next")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", type=int, help="run this seed again, and tell all of it")
    parser.add_argument("--keep", type=Path, help="folder for the files of failures")
    parser.add_argument("--suffix", action="append", choices=sorted(_CHANGES), help="only files of this kind")
    parser.add_argument("--small", action="store_true", help="only files that are imported fast")
    options = parser.parse_args()
    files = corpus(small=options.small)
    files = [(path, scale) for path, scale in files if not options.suffix or path.suffix in options.suffix]
    if options.keep is not None:
        options.keep.mkdir(parents=True, exist_ok=True)
    if options.only is not None:
        with tempfile.TemporaryDirectory(prefix="bitweir-fuzz-") as name:
            case = run_case(options.only, files, Path(name))
            if options.keep is not None:
                shutil.copytree(name, options.keep / str(case.seed), symlinks=True, dirs_exist_ok=True)
        print(f"{case.outcome} in {case.seconds:.2f} s\n{case.what}\n{case.detail}")
        return int(case.failed)
    seen = 0
    started = time.perf_counter()

    def told(summary: Summary) -> None:
        nonlocal seen
        total = sum(summary.counts.values())
        if len(summary.failures) > seen:
            seen = len(summary.failures)
            case = summary.failures[-1]
            print(f"\n{case.outcome}: --only {case.seed}\n{case.what}\n{case.detail}", flush=True)
        if total % 500 == 0:
            print(f"{total:,} cases, {dict(summary.counts)}", flush=True)

    seeds = range(options.seed, options.seed + options.cases)
    summary = run_cases(seeds, files, jobs=options.jobs, keep=options.keep, told=told)
    slowest = summary.slowest
    print(f"{sum(summary.counts.values()):,} cases over {len(files)} files in {time.perf_counter() - started:.0f} s")
    print(", ".join(f"{name} {count:,}" for name, count in summary.counts.most_common()))
    if slowest is not None:
        print(f"slowest: {slowest.seconds:.2f} s, --only {slowest.seed}: {slowest.what}")
    print(f"largest process: {summary.megabytes} MB")
    if summary.failures:
        print(f"{len(summary.failures)} failures: {' '.join(f'--only {case.seed}' for case in summary.failures[:20])}")
    return int(bool(summary.failures))


if __name__ == "__main__":
    sys.exit(main())
