"""Executors of ONNX files, to compare imported networks with.

`numpy_executor` runs a graph with the operators of `execution.operators`: what depends on the input in float64, all
else in the types of the file, so that weights get the signs that frameworks give them. It shares nothing with the
folding but the reading of tensors. `runtime_executor` is ONNX Runtime behind the same interface, which knows the
standard operators only.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
from bitweir_hw.errors import BitweirError
from numpy.typing import NDArray
from onnx import AttributeProto, NodeProto, TensorProto, numpy_helper

from ..execution.executor import NUMPY, Executor, reason
from ..execution.operators import CannotRunError
from ..execution.program import Program, ordered
from ..files import regular_file
from .tensors import read_tensor

__all__ = ["numpy_executor", "runtime_executor"]

Array = NDArray[Any]
_STANDARD = ("", "ai.onnx")


def numpy_executor(path: Path, tensors: Sequence[str], model: Any = None) -> Executor:
    """ONNX's reference implementation, with the operators of QONNX; floats come as float64.

    Parameters
    ----------
    path : Path
        A file that the importer accepts.
    tensors : sequence of str
    model : onnx.ModelProto or None
        Stands in for what the file holds.

    Raises
    ------
    CannotRunError
        The graph has an operator that is not here, or constant nodes that break the rules of one.
    """
    model = _read(path) if model is None else model
    try:
        program = _program(model, path.parent, tensors)
    except CannotRunError:
        raise
    except Exception as error:  # as in `Executor.run`; and the importer need not have read all tensors
        raise CannotRunError(reason(error)) from error
    batch, whole = _taken(_input(model.graph))
    return Executor(NUMPY, tensors, program.run, batch=batch, whole=whole, program=program)


def runtime_executor(path: Path, tensors: Sequence[str], model: Any = None) -> Executor:
    """ONNX Runtime; parameters as in `numpy_executor`.

    Raises
    ------
    CannotRunError
        It is not installed, or refuses the file, as it does one with operators of QONNX.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise CannotRunError("ONNX Runtime is not installed") from error
    model = _read(path) if model is None else _copied(model)
    if any(node.domain not in _STANDARD for node in model.graph.node):
        raise CannotRunError("ONNX Runtime does not know the operators of QONNX")
    for tensor in model.graph.initializer:
        if tensor.data_location == TensorProto.EXTERNAL:
            # So that it reads nothing but what lies in the folder of the model.
            try:
                tensor.CopyFrom(numpy_helper.from_array(read_tensor(tensor, path.parent), tensor.name))
            except BitweirError as error:
                raise CannotRunError(reason(error)) from error
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
        raise CannotRunError(f"ONNX Runtime refuses the file: {reason(error)}") from error
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


def _copied(model: Any) -> Any:
    """A model that may be changed."""
    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


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
    return Program((_inlined(node, folder) for node in order), constants, entry, tensors, opset)


def _inlined(node: NodeProto, folder: Path) -> NodeProto:
    """A node that holds its tensors itself; they are read without trust, too."""
    result = NodeProto()
    result.CopyFrom(node)
    for entry in result.attribute:
        if entry.type == AttributeProto.TENSOR:
            entry.t.CopyFrom(numpy_helper.from_array(read_tensor(entry.t, folder)))
    return result
