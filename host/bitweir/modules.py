"""PyTorch modules as models: exported to ONNX and imported, without a file that stays."""

from __future__ import annotations

import copy
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from bitweir_hw.errors import ToolError

from .importers.folding.real_weights import WeightBits
from .model_files import Imported, load_networks
from .progress import Progress, silent

__all__ = ["deployed", "evaluating", "imported", "pytorch"]


def pytorch() -> Any:
    """The package torch.

    Raises
    ------
    ToolError
        It is not installed.
    """
    try:
        return import_module("torch")
    except ImportError as error:
        raise ToolError(
            "PyTorch is not installed, which exports the module: pip install torch, or export the module to ONNX "
            "elsewhere and load the file."
        ) from error


def deployed(module: Any) -> Any:
    """A copy of a module in which parts that know what hardware computes of them are constants.

    Parameters
    ----------
    module : torch.nn.Module
        Each part of it with a method ``deployed()`` is replaced by what that returns; see `bitweir.train`.

    Returns
    -------
    torch.nn.Module
        In evaluation mode, with the same names of parts.
    """
    if not callable(getattr(module, "named_children", None)):
        return module
    return _constant(copy.deepcopy(module)).eval()


def _constant(module: Any) -> Any:
    own = getattr(module, "deployed", None)
    if own is not None:
        return own()
    for name, child in module.named_children():
        setattr(module, name, _constant(child))
    return module


@contextmanager
def imported(
    module: Any,
    example: Any,
    *,
    input_scale: str | None = None,
    input_range: str | tuple[int, int] | None = None,
    result: str | None = None,
    weight_bits: int | str | Mapping[str, int] | Any = None,
    name: str | None = None,
    compare: bool = False,
    progress: Progress = silent,
) -> Iterator[Imported]:
    """The network of a module, beside its ONNX file, which is there as long as the context is.

    Parameters
    ----------
    module : torch.nn.Module
        It is in evaluation mode while it is exported.
    example : torch.Tensor
        An input, with a batch.
    input_scale, input_range, result, weight_bits, name, compare, progress
        As in `loading.load`.

    Raises
    ------
    ToolError
        PyTorch is not installed, or cannot export the module.
    ModelError
        The module cannot be imported exactly.
    """
    torch = pytorch()
    with tempfile.TemporaryDirectory(prefix="bitweir-") as folder:
        path = Path(folder) / f"{name or 'net'}.onnx"
        with progress("Exporting the module"), evaluating(module):
            _export(torch, module, example, path)
        if input_range is not None and not isinstance(input_range, str):
            input_range = "{}:{}".format(*input_range)
        yield load_networks(
            [path], input_scale=input_scale, input_range=input_range, result=result, name=name,
            weight_bits=WeightBits.parsed(weight_bits), compare=compare, progress=progress,
        )  # fmt: skip


@contextmanager
def evaluating(module: Any) -> Iterator[None]:
    """The module in evaluation mode, and afterwards in that in which it was."""
    training = module.training
    module.eval()
    try:
        yield
    finally:
        module.train(training)


def _export(torch: Any, module: Any, example: Any, path: Path) -> None:
    batch = {0: "N"}
    try:
        with warnings.catch_warnings(), torch.no_grad():
            # The exporter that writes one file, and needs no other package, is said to be the older one.
            warnings.simplefilter("ignore")
            torch.onnx.export(
                module,
                (example,),
                str(path),
                input_names=["x"],
                output_names=["y"],
                dynamic_axes={"x": batch, "y": batch},
                training=torch.onnx.TrainingMode.PRESERVE,  # else batch norms are multiplied into weights
                dynamo=False,
            )
    except Exception as error:  # exporters fail in many ways
        told = " ".join(str(error).split())[:300].rstrip(".")
        raise ToolError(f"PyTorch cannot export the module: {told}.") from error
