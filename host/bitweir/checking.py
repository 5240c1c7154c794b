"""Proves that what a PyTorch module computes is what the hardware computes, on images."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from bitweir_hw.errors import PlanError
from numpy.typing import ArrayLike, NDArray

from .design import Design
from .importers.compare.agreement import Member
from .importers.compare.comparison import Comparison, compare_frames
from .importers.errors import shown
from .importers.execution.executor import Executor
from .importers.execution.operators import CannotRunError
from .importers.onnx.modules import module_of
from .model import Model, images_for
from .modules import deployed, evaluating, imported, pytorch
from .planning import PlanRequest, choose
from .progress import Progress, silent
from .runs import ENGINES, Simulation
from .runs import simulate as simulated

__all__ = ["Check", "check"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Check:
    """A PyTorch module, its network, and if asked for its accelerator, on the same images.

    Parameters
    ----------
    network : Model
    module : Comparison
        Of the network with the module itself, in evaluation mode, as PyTorch runs it.
    exported : Comparison
        Of the network with the ONNX file that the module became.
    simulation : Simulation or None
        Of the Verilog, compared with the network; None where it was not asked for.
    """

    network: Model
    module: Comparison
    exported: Comparison
    simulation: Simulation | None = None

    @property
    def frames(self) -> int:
        """How many images were compared."""
        return self.module.frames

    @property
    def layers(self) -> tuple[str, ...]:
        """Layers of the network whose codes were compared with those of a part of the module."""
        return tuple(layer.layer for one in self.module.agreements for layer in one.layers)

    @property
    def difference(self) -> str | None:
        """None, or one sentence that says where they differ: layer, channel and pixel, expected and found."""
        for told in (self.module.difference, self.exported.difference):
            if told is not None:
                return told
        if self.simulation is not None and self.simulation.mismatches:
            return (
                f"The accelerator must compute what the network computes, but {self.simulation.mismatches:,} of "
                f"{self.simulation.images:,} images differ, the first: {self.simulation.first_mismatch}."
            )
        return None

    @property
    def summary(self) -> str:
        """What was compared with what, and the outcome, in some sentences."""
        told = [self.module.summary, self.exported.summary]
        if self.simulation is not None:
            equal = self.simulation.images - self.simulation.mismatches
            told.append(
                f"In {self.simulation.simulator}, {equal:,} of {self.simulation.images:,} images have the result and "
                "the cycle of the golden model."
            )
        return " ".join(told)


def check(
    module: Any,
    images: ArrayLike,
    *,
    example: Any = None,
    input_scale: str | None = None,
    input_range: str | tuple[int, int] | None = None,
    result: str | None = None,
    weight_bits: int | str | Mapping[str, int] | Sequence[str] | None = None,
    simulate: str | None = None,
    folding: str | None = None,
    progress: Progress = silent,
) -> Check:
    """Compare a PyTorch module with its network, and if asked for with its accelerator, on images.

    The module runs in PyTorch. It is exported to ONNX and imported; then the codes of each layer that a part of the
    module hands on, and the results, are compared with those of the network, and so are those of the exported file.

    Parameters
    ----------
    module : torch.nn.Module
        Put into evaluation mode while it is compared. It may have layers of `bitweir.train`, or be any module that the
        importer understands.
    images : array, ``(N, *shape)``
        As `Model.classify` takes them.
    example : torch.Tensor, optional
        An input of the module, with a batch of images; of float32 zeros in the shape of one image if not given.
    input_scale, input_range, result, weight_bits
        As in `load`.
    simulate : str, optional
        Simulate the Verilog, too: ``"compiled"`` as a C++ program, results and their cycles; ``"cocotb"`` every stream
        in every cycle.
    folding : str, optional
        Of the simulated accelerator, as in `generate`; moderately fast and small if not given.
    progress : Progress
        Shows what is under way.

    Returns
    -------
    Check
        ``difference`` is None, or a sentence that says where they differ.

    Raises
    ------
    ToolError
        PyTorch is not installed, or cannot export the module.
    ModelError
        The module cannot be imported exactly.
    ImageError
        The images do not suit the network.
    PlanError
        There is no such engine or folding.
    """
    torch = pytorch()
    if example is None:
        example = torch.zeros((1, *np.shape(images)[1:]))
    with imported(
        deployed(module), example, input_scale=input_scale, input_range=input_range, result=result,
        weight_bits=weight_bits, progress=progress,
    ) as found:  # fmt: skip
        model = Model(network=found.network, imported=found)
        loaded = images_for(model.network, images)
        with progress(f"Comparing {len(loaded):,} frames") as done:
            exported = compare_frames(model.network, found.members, loaded.frames, loaded.codes, done)
        member = _of_module(torch, module, found.members[0])
        with progress(f"Comparing {len(loaded):,} frames with the module") as done:
            own = compare_frames(model.network, [member], loaded.frames, loaded.codes, done)
    simulation = None
    if simulate is not None:
        simulation = _simulated(model, images, simulate, folding, progress)
    return Check(network=Model(network=model.network), module=own, exported=exported, simulation=simulation)


def _simulated(model: Model, images: ArrayLike, engine: str, folding: str | None, progress: Progress) -> Simulation:
    if engine not in ENGINES:
        raise PlanError(f"The engine must be one of {', '.join(ENGINES)}, not {engine!r}.")
    plan = choose(model.network, PlanRequest(folding=folding)).plan
    with tempfile.TemporaryDirectory(prefix="bitweir-") as folder:
        with progress("Generating Verilog"):
            written = Design.fitted(model.network, plan).write(Path(folder) / "build")
        return simulated(written, images_for(model.network, images), engine=engine, progress=progress)


def _of_module(torch: Any, module: Any, member: Member) -> Member:
    """The module in place of its file, with the taps that are outputs of its parts."""
    member = member.of_file or member
    assert member.taps is not None
    parts = _outputs(member.path)
    names = dict(module.named_modules())
    taps = copy.copy(member.taps)
    taps.codes = tuple(tap for tap in taps.codes if parts.get(tap.tensor) in names)

    def runner(tensors: Sequence[str]) -> Executor:
        return Executor(f"PyTorch {torch.__version__}", tensors, _Runs(torch, module, tensors, parts))

    return replace(member, taps=taps, executor=runner, title=f"the module {type(module).__name__}")


def _outputs(path: Path) -> dict[str, str]:
    """Tensors of an exported file that are outputs of parts of the module, and the names of these parts; "" is all."""
    graph = onnx.load(path).graph
    last: dict[str, str] = {}
    for node in graph.node:
        scope = module_of(node.op_type, node.name)
        # A node is of all parts around it; the last node of one makes its output.
        pieces = scope.split(".") if scope else []
        for depth in range(1, len(pieces) + 1):
            last[".".join(pieces[:depth])] = node.output[0]
    # Of parts that hand on the same, the innermost: a list of modules is a part, but hands on nothing itself.
    found = {last[name]: name for name in sorted(last, key=len)}
    return {**found, graph.output[0].name: ""}


class _Runs:
    """Runs a module on frames, and keeps what its parts hand on."""

    def __init__(self, torch: Any, module: Any, tensors: Sequence[str], parts: Mapping[str, str]) -> None:
        self._torch, self._module = torch, module
        missing = [tensor for tensor in tensors if tensor not in parts]
        if missing:
            raise CannotRunError(f"no part of it hands on tensor {shown(missing[0])}, which tells the result")
        self._parts = [parts[tensor] for tensor in tensors]

    def __call__(self, frames: NDArray[Any]) -> list[NDArray[Any]]:
        kept: dict[str, Any] = {}

        def keeping(name: str) -> Any:
            def keep(_: Any, __: Any, output: Any) -> None:
                if name in kept:
                    raise CannotRunError(f"its part {name!r} is called more than once")
                kept[name] = output

            return keep

        parts = dict(self._module.named_modules())
        hooks = [parts[name].register_forward_hook(keeping(name)) for name in set(self._parts)]
        try:
            with evaluating(self._module), self._torch.no_grad():
                self._module(self._torch.from_numpy(np.ascontiguousarray(frames, np.float32)))
        finally:
            for hook in hooks:
                hook.remove()
        return [kept[name].numpy() for name in self._parts]
