"""Tensors of ONNX files, read without trust: bounded sizes, and side files only from the model's folder."""

from __future__ import annotations

from math import prod
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from ..errors import ModelError, shown
from ..files import MAX_ELEMENTS, regular_file

__all__ = ["read_tensor", "side_file"]

_TYPES = {
    TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BOOL,
    TensorProto.INT8, TensorProto.INT16, TensorProto.INT32, TensorProto.INT64,
    TensorProto.UINT8, TensorProto.UINT16, TensorProto.UINT32, TensorProto.UINT64,
}  # fmt: skip


def read_tensor(tensor: Any, folder: Path) -> NDArray[Any]:
    """The array in a TensorProto.

    Parameters
    ----------
    tensor : onnx.TensorProto
    folder : Path
        Where side files must lie.

    Raises
    ------
    ModelError
        Too large, of an unsupported type, cut off, or in a side file that may not be read.
    """
    name, shape = shown(tensor.name), tuple(tensor.dims)
    if any(size < 0 for size in shape) or len(shape) > 8 or prod(shape) > MAX_ELEMENTS:
        raise ModelError(f"Tensor {name} must have at most {MAX_ELEMENTS} elements in 8 axes, not {shown(shape)}.")
    if tensor.data_type not in _TYPES:
        kind = TensorProto.DataType.Name(tensor.data_type) if tensor.data_type in TensorProto.DataType.values() else "?"
        raise ModelError(f"Tensor {name} must hold plain numbers, not {kind}: export the model as float32.")
    if tensor.data_location == TensorProto.EXTERNAL:
        return _read_side_file(tensor, shape, folder)
    try:
        array = numpy_helper.to_array(tensor)
    except Exception as error:  # whatever a parser says about hostile bytes
        raise ModelError(f"Tensor {name} of shape {shape} is damaged: its data has another size.") from error
    if array.shape != shape:
        raise ModelError(f"Tensor {name} of shape {shape} is damaged: its data has another size.")
    return np.asarray(array)


def _read_side_file(tensor: Any, shape: tuple[int, ...], folder: Path) -> NDArray[Any]:
    fields = {entry.key: entry.value for entry in tensor.external_data}
    path = side_file(fields.get("location", ""), folder)
    size = regular_file(path, "Side file")
    dtype = np.dtype(onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)).newbyteorder("<")
    length = prod(shape) * dtype.itemsize
    offset, stated = (fields.get(key, default) for key, default in (("offset", "0"), ("length", str(length))))
    if not (offset.isdecimal() and len(offset) < 16 and stated == str(length)) or int(offset) + length > size:
        raise ModelError(
            f"Tensor {shown(tensor.name)} must lie inside its side file {shown(path.name)} of {size} bytes; "
            f"it takes {length} bytes from {shown(offset)}: the file is cut off or belongs to another model."
        )
    with path.open("rb") as file:
        file.seek(int(offset))
        data = file.read(length)
    return np.frombuffer(data, dtype).reshape(shape)


def side_file(location: str, folder: Path) -> Path:
    """Path of a side file, which must be a plain file below the model's folder, reached without links."""
    refusal = f"Side file {shown(location)} must lie in the folder of the model"
    parts = PurePosixPath(location).parts
    if not parts or ".." in parts or "\0" in location or "\\" in location:
        raise ModelError(f"{refusal}: a path with '..' or backslashes is refused.")
    if PurePosixPath(location).is_absolute() or PureWindowsPath(location).drive:
        raise ModelError(f"{refusal}: an absolute path is refused.")
    path = folder
    for part in parts:
        path = path / part
        if path.is_symlink():
            raise ModelError(f"{refusal}: a symbolic link is refused.")
    return path
