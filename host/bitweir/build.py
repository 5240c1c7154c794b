"""A build folder: what `generate` writes and the other commands read."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from importlib import metadata, resources
from pathlib import Path
from string import Template

from bitweir_hw.blocks import ArgmaxSpec, BlockSpec, lower
from bitweir_hw.files import digest, load_network, load_plan, network_bytes, plan_text
from bitweir_hw.network import Network
from bitweir_hw.plan import Plan
from bitweir_hw.verilog import accelerator_rtlil, rtlil_to_verilog
from bitweir_sim.cycles import Timing, steady_state

from .folders import FileError, whole_folder

__all__ = ["Build", "write_build"]

_NETWORK, _PLAN, _README = "network.npz", "plan.json", "README.md"


@dataclass(frozen=True, kw_only=True)
class Build:
    """A network, a plan, and the folder with what was made of them.

    Parameters
    ----------
    folder : Path
    network : Network
    plan : Plan
    """

    folder: Path
    network: Network
    plan: Plan

    @classmethod
    def open(cls, folder: Path) -> Build:
        """Read a build folder.

        Raises
        ------
        FileError
            The folder is missing or was not made by `generate`.
        NetworkError, PlanError
            A file in it is damaged.
        """
        if not folder.is_dir():
            raise FileError(f"There is no folder {str(folder)!r}: make it with bitweir generate.")
        for name in (_NETWORK, _PLAN):
            if not (folder / name).is_file():
                raise FileError(
                    f"{str(folder)!r} is no build folder, as it has no {name}: make it with bitweir generate."
                )
        build = cls(folder=folder, network=load_network(folder / _NETWORK), plan=load_plan(folder / _PLAN))
        if not build.verilog.is_file():
            raise FileError(
                f"Build folder {str(folder)!r} is incomplete, as it has no {build.verilog.name}: "
                "make it again with bitweir generate."
            )
        return build

    @cached_property
    def blocks(self) -> tuple[BlockSpec, ...]:
        """What the accelerator is made of."""
        return lower(self.network, self.plan)

    @cached_property
    def timing(self) -> Timing:
        """Cycles, from the cycle model."""
        return steady_state(self.blocks)

    @property
    def verilog(self) -> Path:
        """The Verilog file; its top module has the name of the network."""
        return self.folder / f"{self.network.name}.v"


def write_build(network: Network, plan: Plan, folder: Path) -> Build:
    """Generate an accelerator into a folder: whole, or not at all.

    Raises
    ------
    BitweirError
        The plan does not fit, a layer cannot be built, or the folder cannot be written.
    """
    blocks = lower(network, plan)
    verilog = rtlil_to_verilog(accelerator_rtlil(blocks, name=network.name))
    identity = digest(network)
    header = (
        f"// {network.name}: binary neural network accelerator, by bitweir {metadata.version('bitweir')}\n"
        f"// network {identity}\n"
    )
    with whole_folder(folder, mark=_PLAN) as new:
        (new / f"{network.name}.v").write_text(header + verilog)
        (new / _NETWORK).write_bytes(network_bytes(network))
        (new / _PLAN).write_text(plan_text(plan))
        (new / _README).write_text(_readme(network, plan, blocks, identity))
    return Build(folder=folder, network=network, plan=plan)


def _readme(network: Network, plan: Plan, blocks: tuple[BlockSpec, ...], identity: str) -> str:
    """The ports, for the person who instantiates the accelerator."""
    first, last = blocks[0], blocks[-1]
    assert isinstance(last, ArgmaxSpec)
    timing = steady_state(blocks)
    template = Template((resources.files(__package__) / "build_readme.md").read_text())
    return template.substitute(
        name=network.name,
        identity=identity,
        i_bits=first.i_bits,
        i_top=first.i_bits - 1,
        o_bits=last.o_bits,
        o_top=last.o_bits - 1,
        elements=network.input.size,
        lanes=first.i_bits // network.input.format.bits,
        code_bits=network.input.format.bits,
        i_beats=first.i_beats,
        o_beats=last.o_beats,
        score_lanes=last.lanes,
        score_bits=last.lane_bits,
        best_low=last.i_bits,
        best_high=last.i_bits + last.index_bits - 1,
        classes=network.classes,
        interval=timing.interval,
        latency=timing.latency,
        foldings=",".join(map(str, plan.foldings)),
    )
