"""An independent executor of ONNX files, to compare imported networks with.

It evaluates a graph node by node, as `operators` defines them, in NumPy: what depends on the input in
float64, all else in the types of the file, so that weights get the signs that frameworks give them. It
shares nothing with the folding but the reading of tensors. `runtime_executor` is ONNX Runtime behind the same
interface, which knows the standard operators only.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from bitweir_hw.errors import BitweirError
from numpy.typing import NDArray
from onnx import AttributeProto, TensorProto, numpy_helper

from .errors import shown
from .operators import CannotRunError
from .program import Program, Step, ordered
from .tensors import read_tensor, regular_file

__all__ = ["NUMPY", "CannotRunError", "Executor", "numpy_executor", "runtime_executor"]

Array = NDArray[Any]
_STANDARD = ("", "ai.onnx")
#: Frames at a time, where the batch is free.
_BATCH = 32
#: Frames that a file may take at once.
_MAX_BATCH = 1 << 10
#: What executors of this module are called.
NUMPY = "NumPy in float64"


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

    def between(
        self, x: Array, forced: Mapping[str, Array], slack: Mapping[str, Array] | None = None
    ) -> dict[str, tuple[Array, Array]]:
        """The least and the most that each tensor can be, as far as float32 rounds.

        Parameters
        ----------
        x : array, (N, ...)
            As in `run`.
        forced : mapping
            Tensors that have these values (N, E) for all that reads them. What comes of such a tensor is told of the
            graph before it; so a value that is off here has no consequences.

        slack : mapping, optional
            How much more than that the elements (E,) of a tensor may be off.

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
            found = self._told(
                x, forced, lambda frames, part, nudge=nudge: program.ends(frames, part, nudge, slack or {}), each=2
            )
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


def _attribute(entry: Any, folder: Path) -> Any:
    if entry.type == AttributeProto.TENSOR:
        return read_tensor(entry.t, folder)
    value = onnx.helper.get_attribute_value(entry)
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value
