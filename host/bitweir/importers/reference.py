"""An independent executor of ONNX files, to compare imported networks with.

It evaluates a graph node by node, as the operators are defined, in NumPy: what depends on the input in
float64, all else in the types of the file, so that weights get the signs that frameworks give them. It
shares nothing with the folding but the reading of tensors. `runtime_executor` is ONNX Runtime behind the same
interface, which knows the standard operators only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial, reduce
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from bitweir_hw.errors import BitweirError
from numpy.typing import NDArray
from onnx import AttributeProto, TensorProto, numpy_helper

from . import rounding
from .errors import shown
from .tensors import read_tensor, regular_file

__all__ = [
    "NUMPY",
    "OPS",
    "CannotRunError",
    "Executor",
    "Program",
    "Step",
    "numpy_executor",
    "ordered",
    "runtime_executor",
]

Array = NDArray[Any]
_STANDARD = ("", "ai.onnx")
#: Frames at a time, where the batch is free.
_BATCH = 32
#: Frames that a file may take at once.
_MAX_BATCH = 1 << 10
#: Elements that a tensor of one batch may have.
_MAX_ELEMENTS = 1 << 27
#: What executors of this module are called.
NUMPY = "NumPy in float64"


class CannotRunError(BitweirError):
    """An executor does not run a file; the text is the end of a sentence."""

    exit_code = 3


# ---- the two executors


class Executor:
    """Tells tensors of a model file for frames.

    Parameters
    ----------
    name : str
        What it is.
    tensors : sequence of str
        Which ones it tells.
    call : callable
        From a batch (B, ...) as the graph takes it to arrays (B, ...).
    batch : int
        Frames that the graph takes at once; 0 where that is free.
    whole : bool
        The graph takes uint8.
    program : Program or None
        What `call` runs, if it is one: `between` needs it.
    """

    def __init__(
        self, name: str, tensors: Sequence[str], call: Callable[[Array], Sequence[Array]], *, batch: int = 0,
        whole: bool = False, program: Program | None = None,
    ) -> None:  # fmt: skip
        self.name = name
        self._tensors = tuple(tensors)
        self._call = call
        self._whole = whole
        self._batch = batch
        self._program = program
        if self._batch > _MAX_BATCH:
            raise CannotRunError(f"its batch has {self._batch} frames, more than {_MAX_BATCH}")

    @property
    def steps(self) -> bool:
        """Whether `between` works."""
        return self._program is not None

    def run(self, x: Array) -> dict[str, Array]:
        """Tensors (N, ...) for frames x (N, ...), floats of what the model takes.

        Raises
        ------
        CannotRunError
            The graph breaks a rule of an operator.
        """
        return self._told(x, {}, lambda frames, _: self._call(frames))

    def between(self, x: Array, forced: Mapping[str, Array]) -> dict[str, tuple[Array, Array]]:
        """The least and the most that each tensor can be, as far as float32 rounds.

        Parameters
        ----------
        x : array, (N, ...)
            As in `run`.
        forced : mapping
            Tensors that have these values (N, E) for all that reads them. What comes of such a tensor is told of the
            graph before it; so a value that is off here has no consequences.

        Returns
        -------
        dict
            Two arrays (N, ...) for each tensor.

        Raises
        ------
        CannotRunError
            As in `run`; or the executor is no program.
        """
        program = self._program
        if program is None:
            raise CannotRunError(f"{self.name} runs a file as a whole only")
        ends = []
        for nudge in (-1, 1):
            found = self._told(x, forced, lambda frames, part, nudge=nudge: program.ends(frames, part, nudge), each=2)
            ends.append([(found[f"{name}:0"], found[f"{name}:1"]) for name in self._tensors])
        return {
            name: (np.minimum(low, other_low), np.maximum(high, other_high))
            for name, (low, high), (other_low, other_high) in zip(self._tensors, *ends, strict=True)
        }

    def _told(
        self, x: Array, forced: Mapping[str, Array], call: Callable[..., Sequence[Array]], each: int = 1
    ) -> dict[str, Array]:
        """What `call` makes of all frames; `each` arrays for each tensor, in a row."""
        names = [name if each == 1 else f"{name}:{place}" for name in self._tensors for place in range(each)]
        try:
            if self._batch < 1 and len(x) > 1:
                try:
                    return self._in_batches(x, forced, min(_BATCH, len(x)), call, names)
                except Exception:
                    # A graph may say that its batch is free, and hold shapes of one frame.
                    self._batch = 1
            return self._in_batches(x, forced, max(1, self._batch), call, names)
        except CannotRunError:
            raise
        except Exception as error:  # a node that breaks the rules of its operator
            raise CannotRunError(_reason(error)) from error

    def _in_batches(
        self, x: Array, forced: Mapping[str, Array], size: int, call: Callable[..., Sequence[Array]], names: list[str]
    ) -> dict[str, Array]:
        """All frames; the last batch is filled up."""
        parts: dict[str, list[Array]] = {name: [] for name in names}
        for start in range(0, len(x), size):
            many = len(x[start : start + size])
            # The last frame fills the batch up.
            rows = np.minimum(np.arange(start, start + size), start + many - 1)
            arrays = call(
                x[rows].astype(np.uint8 if self._whole else np.float32), {key: one[rows] for key, one in forced.items()}
            )
            for name, array in zip(names, arrays, strict=True):
                if array.shape[:1] != (size,):
                    raise CannotRunError(f"tensor {shown(name)} has the shape {array.shape}, without a batch of {size}")
                parts[name].append(array[:many])
        return {name: np.concatenate(arrays) for name, arrays in parts.items()}


def numpy_executor(path: Path, tensors: Sequence[str]) -> Executor:
    """The one of this module; floats come as float64.

    Parameters
    ----------
    path : Path
        A file that the importer accepts.
    tensors : sequence of str

    Raises
    ------
    CannotRunError
        The graph has an operator that is not here, or constant nodes that break the rules of one.
    """
    model = _read(path)
    try:
        program = _program(model, path.parent, tensors)
    except CannotRunError:
        raise
    except Exception as error:  # as in `Executor.run`; and the importer need not have read all tensors
        raise CannotRunError(_reason(error)) from error
    batch, whole = _taken(_input(model.graph))
    return Executor(NUMPY, tensors, program.run, batch=batch, whole=whole, program=program)


def runtime_executor(path: Path, tensors: Sequence[str]) -> Executor:
    """ONNX Runtime.

    Raises
    ------
    CannotRunError
        It is not installed, or refuses the file, as it does one with operators of QONNX.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise CannotRunError("ONNX Runtime is not installed") from error
    model = _read(path)
    if any(node.domain not in _STANDARD for node in model.graph.node):
        raise CannotRunError("ONNX Runtime does not know the operators of QONNX")
    for tensor in model.graph.initializer:
        if tensor.data_location == TensorProto.EXTERNAL:
            # So that it reads nothing but what lies in the folder of the model.
            try:
                tensor.CopyFrom(numpy_helper.from_array(read_tensor(tensor, path.parent), tensor.name))
            except BitweirError as error:
                raise CannotRunError(_reason(error)) from error
    del model.graph.output[:]
    # Without a type: the runtime finds it out.
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in tensors)
    entry = _input(model.graph)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # whatever it says about a file
        raise CannotRunError(f"ONNX Runtime refuses the file: {_reason(error)}") from error
    batch, whole = _taken(entry)
    return Executor(
        f"ONNX Runtime {onnxruntime.__version__}",
        tensors,
        lambda frames: session.run(list(tensors), {entry.name: frames}),
        batch=batch,
        whole=whole,
    )


def _read(path: Path) -> Any:
    regular_file(path, "Model file")
    try:
        return onnx.load_model_from_string(path.read_bytes())
    except Exception as error:  # the importer says the same, but a file may change
        raise CannotRunError("the file is damaged") from error


def _reason(error: Exception) -> str:
    return shown(re.sub(r"\s+", " ", f"{type(error).__name__}: {error}"), most=160)


def _input(graph: Any) -> Any:
    """The input that is no tensor of the file, and that a node reads."""
    constants = {tensor.name for tensor in graph.initializer}
    read = {name for node in graph.node for name in node.input}
    values = [value for value in graph.input if value.name in read and value.name not in constants]
    if not values:
        raise CannotRunError("the graph has no input")
    return values[0]


def _taken(entry: Any) -> tuple[int, bool]:
    """How many frames an input takes at once, 0 where the first axis is free, and whether as uint8."""
    kind = entry.type.tensor_type
    return (int(kind.shape.dim[0].dim_value) if kind.shape.dim else 0), kind.elem_type == TensorProto.UINT8


# ---- a graph as a program


@dataclass(frozen=True, eq=False)
class Step:
    """One operator of a program, with the names of its tensors as a node of ONNX has them."""

    op_type: str
    input: Sequence[str]
    output: Sequence[str]
    attributes: Mapping[str, Any] = field(default_factory=dict)


class Program:
    """Operators in order; those that depend on no input are run once.

    Parameters
    ----------
    steps : iterable of Step
        Each after what it needs.
    constants : dict
        Stored tensors by name.
    entry : str
        The input.
    tensors : sequence of str
        Which ones `run` tells.
    opset : int
        Of the standard operators.
    """

    def __init__(
        self, steps: Iterable[Step], constants: dict[str, Array], entry: str, tensors: Sequence[str], opset: int
    ) -> None:
        self._constants, self._entry, self._tensors, self._opset = constants, entry, list(tensors), opset
        self._moving: list[Step] = []
        moves = {entry}
        for step in steps:
            if moves.intersection(step.input):
                moves.update(filter(None, step.output))
                self._moving.append(step)
            else:
                self._put(constants, step, self._run(step, [constants[name] if name else None for name in step.input]))

    def run(self, frames: Array) -> list[Array]:
        """Tensors for one batch."""
        held = dict(self._constants)
        held[self._entry] = _wide(frames)
        for step in self._moving:
            self._put(held, step, self._wide_run(step, [held[name] if name else None for name in step.input]))
        return [_wide(held[name]) for name in self._tensors]

    def ends(self, frames: Array, forced: Mapping[str, Array], nudge: int) -> list[Array]:
        """For each tensor its values less, and plus, what rounding may be; values at cuts are shifted by that.

        Parameters
        ----------
        frames : array, (B, ...)
        forced : mapping
            See `Executor.between`.
        nudge : int
            1 shifts up what operators cut, -1 down.
        """
        held = dict(self._constants)
        held[self._entry] = _wide(frames)
        # For each tensor that depends on the input, the sum of the sizes of all that was added up in it.
        sizes = {self._entry: np.abs(held[self._entry])}
        told: dict[str, tuple[Array, Array]] = {}
        for step in self._moving:
            values = [held[name] if name else None for name in step.input]
            given = [sizes.get(name) for name in step.input]
            if step.op_type in rounding.CUTS:
                values = rounding.nudged(values, given, nudge)

            arrays = self._wide_run(step, values)
            self._put(held, step, arrays)
            self._put(sizes, step, rounding.sizes(step.op_type, partial(self._other, step), values, given, arrays))
            for name in step.output:
                if name in forced:
                    told[name] = rounding.interval(held[name], sizes[name])
                    held[name] = _like(held[name], forced[name], name)
                    sizes[name] = np.abs(held[name])
        return [end for name in self._tensors for end in told.get(name) or rounding.interval(held[name], sizes[name])]

    def _other(self, step: Step, op: str, arrays: Sequence[Array | None], absolute: bool) -> list[Array]:
        """The results of another operator with the attributes of a step, or the absolute values of them."""
        given = step.attributes
        attributes = {key: abs(value) if isinstance(value, float) else value for key, value in given.items()}
        return self._wide_run(Step(op, step.input, step.output, attributes if absolute else given), arrays)

    def _wide_run(self, step: Step, arrays: Sequence[Array | None]) -> list[Array]:
        return [_wide(array) for array in self._run(step, arrays)]

    def _run(self, step: Step, arrays: Sequence[Array | None]) -> list[Array]:
        if step.op_type not in OPS:
            raise CannotRunError(f"operator {shown(step.op_type)} is not known")
        with np.errstate(all="ignore"):
            call = _Call(step.attributes, self._opset, len(step.output))
            result = OPS[step.op_type](call, *arrays)
        found = [np.asarray(array) for array in (result if isinstance(result, tuple) else (result,))]
        if any(array.size > _MAX_ELEMENTS for array in found):
            raise CannotRunError("a tensor is too large")
        return found

    @staticmethod
    def _put(held: dict[str, Array], step: Step, arrays: list[Array]) -> None:
        held.update((name, array) for name, array in zip(step.output, arrays, strict=False) if name)


def _program(model: Any, folder: Path, tensors: Sequence[str]) -> Program:
    """The nodes that some tensors need."""
    graph = model.graph
    entry = _input(graph).name
    opset = max((one.version for one in model.opset_import if one.domain in _STANDARD), default=1)
    makers = {name: node for node in graph.node for name in node.output if name}
    stored = {tensor.name: tensor for tensor in graph.initializer}
    order = ordered(makers, [*tensors], {*stored, entry})
    constants = {
        name: read_tensor(stored[name], folder)
        for name in {*tensors, *(name for node in order for name in node.input)}
        if name in stored
    }
    steps = (
        Step(node.op_type, node.input, node.output, {one.name: _attribute(one, folder) for one in node.attribute})
        for node in order
    )
    return Program(steps, constants, entry, tensors, opset)


def _like(array: Array, values: Array, name: str) -> Array:
    """Values (B, E) in the form of an array (B, ...)."""
    if values.size != array.size:
        raise CannotRunError(
            f"tensor {shown(name)} comes in the shape {array.shape}, not with {values.shape[1]} elements"
        )
    return (values if array.dtype.kind == "f" else np.rint(values)).reshape(array.shape).astype(array.dtype)


def _wide(array: Array) -> Array:
    return array.astype(np.float64) if array.dtype.kind == "f" else array


def ordered(makers: dict[str, Any], wanted: list[str], given: set[str]) -> list[Any]:
    """Nodes that make the wanted tensors, each after what it needs."""
    order: list[Any] = []
    done: set[int] = set()
    open_ones: set[int] = set()
    stack = [(name, False) for name in reversed(wanted)]
    while stack:
        name, ready = stack.pop()
        if not name or name in given:
            continue
        node = makers.get(name)
        if node is None:
            raise CannotRunError(f"nothing makes the tensor {shown(name)}")
        if id(node) in done:
            continue
        if ready:
            done.add(id(node))
            order.append(node)
        elif id(node) in open_ones:
            raise CannotRunError("the graph has a cycle")
        else:
            open_ones.add(id(node))
            stack.append((name, True))
            stack.extend((one, False) for one in reversed(node.input))
    return order


def _attribute(entry: Any, folder: Path) -> Any:
    if entry.type == AttributeProto.TENSOR:
        return read_tensor(entry.t, folder)
    value = onnx.helper.get_attribute_value(entry)
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value


class _Call:
    """What an operator gets beside its inputs: attributes, opset, and how many outputs the node has."""

    def __init__(self, attributes: Mapping[str, Any], opset: int, outputs: int) -> None:
        self._attributes = attributes
        self.opset = opset
        self.outputs = outputs

    def get(self, name: str, default: Any = None) -> Any:
        """An attribute."""
        return self._attributes.get(name, default)


# ---- operators: f(call, *inputs) -> array, or tuple of arrays


def _same_type(function: Callable[..., Any]) -> Callable[..., Array]:
    """An elementwise operator whose result has the type of its inputs."""

    def run(call: _Call, *arrays: Array) -> Array:
        if any(array.dtype == np.bool_ for array in arrays):
            raise CannotRunError("arithmetic takes numbers, not what a comparison says")  # NumPy would take it
        return np.asarray(function(*arrays), np.result_type(*arrays))

    return run


def _logical(function: Callable[..., Any]) -> Callable[..., Array]:
    return lambda call, *arrays: np.asarray(function(*arrays))


def _div(call: _Call, a: Array, b: Array) -> Array:
    if a.dtype.kind in "iu":  # towards zero
        return np.asarray(np.fix(a / b), a.dtype)
    return np.asarray(a / b, np.result_type(a, b))


def _clip(call: _Call, x: Array, low: Array | None = None, high: Array | None = None) -> Array:
    low = call.get("min") if low is None else low
    high = call.get("max") if high is None else high
    if low is not None:
        x = np.maximum(x, np.asarray(low, x.dtype))
    return x if high is None else np.minimum(x, np.asarray(high, x.dtype))


def _batch_norm(call: _Call, x: Array, gamma: Array, beta: Array, mean: Array, variance: Array) -> Array:
    if call.get("training_mode", 0):
        raise CannotRunError("a batch norm is in training mode")
    shape = (1, -1, *(1,) * (x.ndim - 2))
    gamma, beta, mean, variance = (a.astype(np.float64).reshape(shape) for a in (gamma, beta, mean, variance))
    epsilon = float(np.float32(call.get("epsilon", 1e-5)))
    return gamma * (x - mean) / np.sqrt(variance + epsilon) + beta


def _leaky(call: _Call, x: Array) -> Array:
    return np.where(x < 0, x * float(np.float32(call.get("alpha", 0.01))), x)


def _hard_sigmoid(call: _Call, x: Array) -> Array:
    alpha, beta = (float(np.float32(call.get(name, default))) for name, default in (("alpha", 0.2), ("beta", 0.5)))
    return np.asarray(np.clip(alpha * x + beta, 0, 1), x.dtype)


def _prelu(call: _Call, x: Array, slope: Array) -> Array:
    return np.where(x < 0, x * slope, x)


def _cast(call: _Call, x: Array) -> Array:
    return x.astype(onnx.helper.tensor_dtype_to_np_dtype(call.get("to")))


def _softmax(call: _Call, x: Array) -> Array:
    axis = call.get("axis", -1 if call.opset >= 13 else 1)
    over = (axis,) if call.opset >= 13 else tuple(range(axis % x.ndim, x.ndim))
    powers = np.exp(x - x.max(axis=over, keepdims=True))
    return np.asarray(powers / powers.sum(axis=over, keepdims=True))


def _matmul(call: _Call, a: Array, b: Array) -> Array:
    return np.asarray(a @ b)


def _gemm(call: _Call, a: Array, b: Array, c: Array | None = None) -> Array:
    a = a.T if call.get("transA", 0) else a
    b = b.T if call.get("transB", 0) else b
    alpha, beta = (float(np.float32(call.get(name, 1.0))) for name in ("alpha", "beta"))
    y = a @ b * alpha
    return np.asarray(y if c is None else y + c * beta, y.dtype)


# -- windows


def _pads(call: _Call, sizes: Sequence[int], kernel: Sequence[int], strides: Sequence[int]) -> list[tuple[int, int]]:
    """Pads before and after each axis of a map."""
    how = call.get("auto_pad", "NOTSET") or "NOTSET"
    if how == "NOTSET":
        flat = call.get("pads", [0] * (2 * len(sizes)))
        return list(zip(flat[: len(sizes)], flat[len(sizes) :], strict=True))
    if how == "VALID":
        return [(0, 0)] * len(sizes)
    result = []
    for size, width, stride in zip(sizes, kernel, strides, strict=True):
        total = max((-(-size // stride) - 1) * stride + width - size, 0)
        small, large = total // 2, total - total // 2
        result.append((small, large) if how == "SAME_UPPER" else (large, small))
    return result


def _windows(x: Array, kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int]) -> Array:
    """Windows of padded maps (N, C, *sizes): (N, C, *counts, *kernel)."""
    axes = tuple(range(2, x.ndim))
    spans = [(width - 1) * gap + 1 for width, gap in zip(kernel, dilations, strict=True)]
    view = np.lib.stride_tricks.sliding_window_view(x, spans, axes)
    steps = [slice(None, None, stride) for stride in strides]
    gaps = [slice(None, None, gap) for gap in dilations]
    return view[(slice(None), slice(None), *steps, *gaps)]


def _conv(call: _Call, x: Array, weights: Array, bias: Array | None = None) -> Array:
    rank = x.ndim - 2
    kernel, groups = weights.shape[2:], call.get("group", 1)
    strides, dilations = (call.get(name, [1] * rank) for name in ("strides", "dilations"))
    spans = [(width - 1) * gap + 1 for width, gap in zip(kernel, dilations, strict=True)]
    pads = _pads(call, x.shape[2:], spans, strides)
    view = _windows(np.pad(x, [(0, 0), (0, 0), *pads]), kernel, strides, dilations)
    counts = view.shape[2 : 2 + rank]
    seen, made = x.shape[1] // groups, len(weights) // groups
    parts = []
    for group in range(groups):
        taps = np.moveaxis(view[:, group * seen : (group + 1) * seen], 1, 1 + rank)
        rows = taps.reshape(len(x), prod(counts), seen * prod(kernel))
        filters = weights[group * made : (group + 1) * made].reshape(made, -1)
        parts.append(np.moveaxis(rows @ filters.T, 2, 1).reshape(len(x), made, *counts))
    y = np.concatenate(parts, axis=1)
    return y if bias is None else y + bias.reshape(1, -1, *(1,) * rank)


def _pool(call: _Call, x: Array, outside: float) -> tuple[Array, Array]:
    """Windows (N, C, *counts, taps) of a map, and which taps lie inside it."""
    rank = x.ndim - 2
    kernel = call.get("kernel_shape")
    strides, dilations = (call.get(name) or [1] * rank for name in ("strides", "dilations"))
    spans = [(width - 1) * gap + 1 for width, gap in zip(kernel, dilations, strict=True)]
    pads = _pads(call, x.shape[2:], spans, strides)
    if call.get("ceil_mode", 0):
        for axis, (before, after) in enumerate(pads):
            size = x.shape[2 + axis]
            count = -(-(size + before + after - spans[axis]) // strides[axis]) + 1
            if (count - 1) * strides[axis] >= size + before:
                count -= 1  # a window may not begin behind the map
            pads[axis] = (before, max(after, (count - 1) * strides[axis] + spans[axis] - size - before))
    edges = [(0, 0), (0, 0), *pads]
    taps = _windows(np.pad(x, edges, constant_values=outside), kernel, strides, dilations)
    inside = _windows(np.pad(np.ones((1, 1, *x.shape[2:]), bool), edges), kernel, strides, dilations)
    return tuple(array.reshape(*array.shape[: 2 + rank], -1) for array in (taps, inside))  # type: ignore[return-value]


def _max_pool(call: _Call, x: Array) -> Array:
    if call.outputs > 1:
        raise CannotRunError("a max pool tells where its values lie")
    taps, _ = _pool(call, x, -np.inf if x.dtype.kind == "f" else 0)
    return np.asarray(taps.max(axis=-1))


def _average_pool(call: _Call, x: Array) -> Array:
    taps, inside = _pool(call, x, 0.0)
    # With ceil_mode the windows count what the attribute pads has, not more; rare, so it is left out.
    if call.get("count_include_pad", 0):
        if call.get("ceil_mode", 0):
            raise CannotRunError("an average pool counts pads of ceil_mode")
        return np.asarray(taps.mean(axis=-1))
    return np.asarray(taps.sum(axis=-1) / inside.sum(axis=-1))


def _global(function: Callable[..., Array]) -> Callable[..., Array]:
    return lambda call, x: function(x, axis=tuple(range(2, x.ndim)), keepdims=True)


def _pad(
    call: _Call, x: Array, pads: Array | None = None, value: Array | None = None, over: Array | None = None
) -> Any:
    if call.get("mode", "constant") != "constant":
        raise CannotRunError("a Pad is not constant")
    numbers = list(call.get("pads")) if pads is None else pads.reshape(-1).tolist()
    constant = call.get("value", 0.0) if value is None else value.reshape(-1)[0]
    axes = range(x.ndim) if over is None else over.reshape(-1).tolist()
    edges = [(0, 0)] * x.ndim
    for place, axis in enumerate(axes):
        edges[axis] = (numbers[place], numbers[place + len(axes)])
    if min(min(edge) for edge in edges) < 0:
        raise CannotRunError("a Pad cuts")
    return np.pad(x, edges, constant_values=constant)


# -- shapes


def _axes(call: _Call, over: Array | None) -> tuple[int, ...] | None:
    found = call.get("axes") if over is None else over.reshape(-1).tolist()
    return None if found is None else tuple(int(axis) for axis in found)


def _reduce(function: Callable[..., Any]) -> Callable[..., Array]:
    def run(call: _Call, x: Array, over: Array | None = None) -> Array:
        axes = _axes(call, over)
        if not axes and call.get("noop_with_empty_axes", 0):
            return x
        return np.asarray(function(x, axis=axes or None, keepdims=bool(call.get("keepdims", 1))), x.dtype)

    return run


def _arg_max(call: _Call, x: Array) -> Array:
    if call.get("select_last_index", 0):
        raise CannotRunError("an ArgMax takes the last index")
    axis = call.get("axis", 0)
    found = np.argmax(x, axis=axis)
    return np.expand_dims(found, axis) if call.get("keepdims", 1) else np.asarray(found)


def _top_k(call: _Call, x: Array, count: Array | None = None) -> tuple[Array, Array]:
    k = int(call.get("k") if count is None else count.reshape(-1)[0])
    axis = call.get("axis", -1)
    order = np.argsort(-x if call.get("largest", 1) else x, axis=axis, kind="stable")
    chosen = np.take(order, range(k), axis=axis)
    return np.take_along_axis(x, chosen, axis), chosen


def _reshape(call: _Call, x: Array, target: Array | None = None) -> Array:
    sizes = [int(size) for size in (call.get("shape") if target is None else target.reshape(-1))]
    if not call.get("allowzero", 0):
        sizes = [x.shape[axis] if size == 0 else size for axis, size in enumerate(sizes)]
    return x.reshape(sizes)


def _flatten(call: _Call, x: Array) -> Array:
    axis = call.get("axis", 1)
    axis += x.ndim if axis < 0 else 0
    return x.reshape(prod(x.shape[:axis]), prod(x.shape[axis:]))


def _squeeze(call: _Call, x: Array, over: Array | None = None) -> Array:
    return np.squeeze(x, _axes(call, over))


def _unsqueeze(call: _Call, x: Array, over: Array | None = None) -> Array:
    return np.expand_dims(x, _axes(call, over) or ())


def _slice(call: _Call, x: Array, *parts: Array | None) -> Array:
    names = ("starts", "ends", "axes", "steps")
    given: list[Any] = [None if part is None else part.reshape(-1).tolist() for part in parts]
    given += [call.get(name) for name in names[len(given) :]]
    starts, ends, axes, steps = given
    for place, start in enumerate(starts):
        axis = axes[place] if axes else place
        step = steps[place] if steps else 1
        end: int | None = ends[place]
        if step < 0 and end is not None and end < -x.shape[axis]:
            end = None  # down to the very first
        x = x[(slice(None),) * (axis % x.ndim) + (slice(start, end, step),)]
    return x


def _shape(call: _Call, x: Array) -> Array:
    return np.array(x.shape, np.int64)[call.get("start", 0) : call.get("end")]


def _constant(call: _Call) -> Array:
    for name, kind in (
        ("value", None), ("value_float", np.float32), ("value_floats", np.float32), ("value_int", np.int64),
        ("value_ints", np.int64),
    ):  # fmt: skip
        if call.get(name) is not None:
            return np.asarray(call.get(name), kind)
    raise CannotRunError("a Constant has no value")


def _constant_of_shape(call: _Call, shape: Array) -> Array:
    sizes = [int(size) for size in shape.reshape(-1)]
    if prod(sizes) > _MAX_ELEMENTS:
        raise CannotRunError("a tensor is too large")
    value = call.get("value")
    return np.full(sizes, np.float32(0) if value is None else value.reshape(-1)[0])


def _expand(call: _Call, x: Array, shape: Array) -> Array:
    sizes = np.broadcast_shapes(x.shape, tuple(int(size) for size in shape.reshape(-1)))
    if prod(sizes) > _MAX_ELEMENTS:
        raise CannotRunError("a tensor is too large")
    return np.broadcast_to(x, sizes)


# -- quantisers


def _away_from_zero(x: Array) -> Array:
    return np.copysign(np.ceil(np.abs(x)), x)


def _half_away(x: Array) -> Array:
    return np.copysign(np.floor(np.abs(x) + 0.5), x)


def _half_to_zero(x: Array) -> Array:
    return np.copysign(np.ceil(np.abs(x) - 0.5), x)


_ROUND: dict[str, Callable[[Array], Any]] = {
    "ROUND": np.round,
    "HALF_EVEN": np.round,
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "UP": _away_from_zero,
    "DOWN": np.trunc,
    "HALF_UP": _half_away,
    "HALF_DOWN": _half_to_zero,
}


def _bipolar(call: _Call, x: Array, scale: Array) -> Array:
    return np.asarray(np.where(x >= 0, 1, -1) * scale, np.result_type(x, scale))


def _quant(call: _Call, x: Array, scale: Array, zero: Array, bits: Array) -> Array:
    width, signed, narrow = float(np.max(bits)), bool(call.get("signed")), bool(call.get("narrow"))
    codes = x / scale + zero
    if width == 1 and signed:
        codes = np.where(codes >= 0, 1, -1)
    else:
        low = -(2.0 ** (width - 1)) + narrow if signed else 0.0
        high = 2.0 ** (width - 1) - 1 if signed else 2.0**width - 1 - narrow
        codes = _ROUND[str(call.get("rounding_mode", "ROUND")).upper()](np.minimum(np.maximum(codes, low), high))
    return np.asarray((codes - zero) * scale, np.result_type(x, scale, zero))


def _multi_threshold(call: _Call, x: Array, table: Array) -> Array:
    last = call.get("data_layout", "NCHW") in ("NHWC", "NC") and x.ndim > 1
    axis = x.ndim - 1 if last else 1
    shape = [1] * x.ndim
    shape[axis] = len(table)
    count = np.zeros(x.shape)
    for column in table.T:
        count += x >= column.reshape(shape)
    scale, bias = (float(np.float32(call.get(name, default))) for name, default in (("out_scale", 1), ("out_bias", 0)))
    return count * scale + bias


#: Each operator; those of QONNX do not share a name with one of ONNX.
OPS: dict[str, Callable[..., Any]] = {
    "Abs": _same_type(np.abs),
    "Add": _same_type(np.add),
    "And": _logical(np.logical_and),
    "ArgMax": _arg_max,
    "AveragePool": _average_pool,
    "BatchNormalization": _batch_norm,
    "BipolarQuant": _bipolar,
    "Cast": _cast,
    "Ceil": _same_type(np.ceil),
    "Clip": _clip,
    "Concat": lambda call, *arrays: np.concatenate(arrays, call.get("axis")),
    "Constant": _constant,
    "ConstantOfShape": _constant_of_shape,
    "Conv": _conv,
    "Div": _div,
    "Dropout": lambda call, x, *rest: x,
    "Equal": _logical(np.equal),
    "Exp": _same_type(np.exp),
    "Expand": _expand,
    "Flatten": _flatten,
    "Floor": _same_type(np.floor),
    "Gather": lambda call, x, index: np.take(x, index, call.get("axis", 0)),
    "Gemm": _gemm,
    "GlobalAveragePool": _global(np.mean),
    "GlobalMaxPool": _global(np.max),
    "Greater": _logical(np.greater),
    "GreaterOrEqual": _logical(np.greater_equal),
    "HardSigmoid": _hard_sigmoid,
    "Identity": lambda call, x: x,
    "IntQuant": _quant,
    "LeakyRelu": _leaky,
    "Less": _logical(np.less),
    "LessOrEqual": _logical(np.less_equal),
    "Log": _same_type(np.log),
    "LogSoftmax": lambda call, x: np.log(_softmax(call, x)),
    "MatMul": _matmul,
    "Max": _same_type(lambda *arrays: np.maximum.reduce(np.broadcast_arrays(*arrays))),
    "MaxPool": _max_pool,
    "Mean": _same_type(lambda *arrays: reduce(np.add, arrays) / len(arrays)),
    "Min": _same_type(lambda *arrays: np.minimum.reduce(np.broadcast_arrays(*arrays))),
    "Mul": _same_type(np.multiply),
    "MultiThreshold": _multi_threshold,
    "Neg": _same_type(np.negative),
    "Not": _logical(np.logical_not),
    "Or": _logical(np.logical_or),
    "PRelu": _prelu,
    "Pad": _pad,
    "Pow": lambda call, x, y: np.asarray(np.power(x, y), x.dtype),
    "Quant": _quant,
    "Reciprocal": _same_type(lambda x: 1 / x),
    "ReduceMax": _reduce(np.max),
    "ReduceMean": _reduce(np.mean),
    "ReduceMin": _reduce(np.min),
    "ReduceProd": _reduce(np.prod),
    "ReduceSum": _reduce(np.sum),
    "Relu": _same_type(lambda x: np.maximum(x, 0)),
    "Reshape": _reshape,
    "Round": _same_type(np.round),
    "Shape": _shape,
    "Sigmoid": _same_type(lambda x: 1 / (1 + np.exp(-x))),
    "Sign": _same_type(np.sign),
    "Slice": _slice,
    "Softmax": _softmax,
    "Sqrt": _same_type(np.sqrt),
    "Squeeze": _squeeze,
    "Sub": _same_type(np.subtract),
    "Sum": _same_type(lambda *arrays: reduce(np.add, arrays)),
    "Tanh": _same_type(np.tanh),
    "TopK": _top_k,
    "Transpose": lambda call, x: np.transpose(x, call.get("perm")),
    "Unsqueeze": _unsqueeze,
    "Where": lambda call, condition, a, b: np.where(condition, a, b),
}
