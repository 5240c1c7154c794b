"""Designs of several chips: one for each, the channels between them, and the folder into which all are written."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import Any

from bitweir_hw.accelerator import component_rtlil, rtlil_to_verilog
from bitweir_hw.blocks.pipeline import Pipeline
from bitweir_hw.chips import Chip, Chips, Joint, joined, joint, with_credits
from bitweir_hw.errors import BitweirError
from bitweir_hw.files import digest, load_network, network_bytes, plan_text
from bitweir_hw.network import Network
from bitweir_hw.network.cuts import split
from bitweir_hw.plan import Plan
from bitweir_sim.time.cycles import Timing, steady_state
from bitweir_sim.time.sizing import interval, jam_error, latency

from ..certificates import CERTIFICATE, Claim, certificate_text, load_claim
from ..design import CHIPS_FILE, Design, DesignFolder
from ..folders import FileError, whole_folder
from ..manifest import is_listed, listed, write_manifest
from ..target import Target
from .readme import readme

__all__ = ["ChipsDesign", "ChipsFolder", "fitted_credits"]

_NETWORK, _README = "network.npz", "README.md"
_FORMAT, _VERSION = "bitweir chips", 1
#: Depths of FIFOs are fitted for chips one after the other.
Share = Callable[[float | str], None]


def fitted_credits(pipelines: Sequence[Pipeline], joints: Sequence[Joint], which: Sequence[int]) -> tuple[Joint, ...]:
    """The joints with the fewest credits that cost no cycle.

    That is: with them, neither cycles from frame to frame nor the latency of a frame are more than with so many that a
    whole frame has room and a beat moves in every cycle. They are fitted one after the other, with the later ones as
    they are.

    Parameters
    ----------
    pipelines : sequence of Pipeline
    joints : sequence of Joint
        Between each two.
    which : sequence of int
        Numbers of joints to fit.

    Raises
    ------
    PlanError
        The accelerators jam.
    """

    def speed(credits: Sequence[int]) -> tuple[Any, ...]:
        whole = joined(pipelines, with_credits(joints, credits))
        found = (interval(whole), latency(whole))
        if None in found:
            raise jam_error(whole)
        return found

    most = [
        one.channel.whole_rate + one.channel.beats if number in which else one.channel.credits
        for number, one in enumerate(joints)
    ]
    if not which:
        return tuple(joints)
    best = speed(most)
    for number in which:
        low, high = 2, most[number]
        # Few are enough for most channels, so few are tried first.
        trial = low
        while low < high:
            if speed([*most[:number], trial, *most[number + 1 :]]) == best:
                high = trial
            else:
                low = trial + 1
            trial = min(2 * low, (low + high) // 2)
        most[number] = high
    return with_credits(joints, most)


@dataclass(frozen=True, kw_only=True, eq=False)
class ChipsDesign:
    """A network on several chips.

    Parameters
    ----------
    network : Network
        The whole one.
    cuts : tuple of int
        Numbers of its layers in front of each cut.
    designs : tuple of Design
        One for each chip, of the networks between the cuts.
    joints : tuple of Joint
        One for each cut.
    claim : Claim, optional
        As in `Design`, of the whole.
    """

    network: Network
    cuts: tuple[int, ...]
    designs: tuple[Design, ...]
    joints: tuple[Joint, ...]
    claim: Claim | None = None

    @classmethod
    def fitted(
        cls,
        network: Network,
        cuts: Sequence[int],
        plans: Sequence[Plan],
        targets: Sequence[Target],
        *,
        width: int | None = None,
        credits: int | None = None,
        latency: int = 0,
        progress: Share = lambda how_far: None,
    ) -> ChipsDesign:
        """The design with the smallest FIFOs, those of the channels among them, that cost no cycle.

        Parameters
        ----------
        network : Network
        cuts : sequence of int
            See `network.cuts.split`.
        plans, targets : sequence of Plan and of Target
            One for each chip.
        width, credits, latency : int, optional
            Of all channels: see `chips.joint`; by default as few credits as cost no cycle.
        progress : callable
            Takes the share of the chips that is fitted, and which is next.

        Raises
        ------
        NetworkError
            The network cannot be cut there.
        PlanError
            A plan does not fit, or the numbers make no channel.
        """
        designs = []
        parts = split(network, cuts)
        for number, (part, plan, target) in enumerate(zip(parts, plans, targets, strict=True)):
            progress(number / len(parts))
            progress(f"chip {number + 1} of {len(parts)}")
            designs.append(Design.fitted(part, plan, target))
        joints = _joints(designs, [(width, credits, latency)] * len(cuts))
        if credits is None:
            joints = fitted_credits([design.pipeline for design in designs], joints, range(len(joints)))
        return cls(network=network, cuts=tuple(cuts), designs=tuple(designs), joints=joints)

    @cached_property
    def pipelines(self) -> tuple[Pipeline, ...]:
        """The blocks of each chip and the streams between them."""
        return tuple(design.pipeline for design in self.designs)

    @cached_property
    def pipeline(self) -> Pipeline:
        """All of them and the channels, as one: see `chips.joined`."""
        pipeline = joined(self.pipelines, self.joints)
        if self.claim:
            self.claim.check(pipeline)
        return pipeline

    @cached_property
    def timing(self) -> Timing:
        """Cycles of the whole in steady state, from the cycle model."""
        return steady_state(self.pipeline)

    @property
    def networks(self) -> tuple[Network, ...]:
        """The networks of the chips."""
        return tuple(design.network for design in self.designs)

    @property
    def clock(self) -> float:
        """Hz: all chips have one clock, the lowest of their targets."""
        return min(design.target.clock for design in self.designs)

    def module(self, number: int) -> str:
        """The Verilog module of a chip: its accelerator and the ends of its channels."""
        return f"{self.designs[number].network.name}_chip"

    def chip_rtlil(self, number: int) -> str:
        """That module without its accelerator, in Yosys' intermediate language."""
        chip = Chip(
            self.pipelines[number],
            entry=self.joints[number - 1] if number else None,
            exit=self.joints[number] if number < len(self.joints) else None,
            module=self.designs[number].network.name,
        )
        return component_rtlil(chip, name=self.module(number))

    def top_rtlil(self, *, taps: bool = False) -> str:
        """A module with the name of the network in which all chips are instances, for simulation."""
        modules = [self.module(number) for number in range(len(self.designs))]
        return component_rtlil(Chips(self.pipelines, self.joints, modules=modules, taps=taps), name=self.network.name)

    def write(self, folder: Path) -> ChipsFolder:
        """Write the design into a folder, with a build folder for each chip: whole, or not at all.

        Raises
        ------
        BitweirError
            A layer cannot be built, or the folder cannot be written.
        """
        with whole_folder(folder) as new:
            for number, design in enumerate(self.designs):
                place = new / f"chip{number}"
                place.mkdir()
                design.fill(place)
                (place / f"{self.module(number)}.v").write_text(_header(design.network) + self.chip_verilog(number))
                write_manifest(place)
            (new / f"{self.network.name}.v").write_text(_header(self.network) + self.top_verilog())
            (new / _NETWORK).write_bytes(network_bytes(self.network))
            (new / CHIPS_FILE).write_text(_text(self))
            (new / CERTIFICATE).write_text(certificate_text(self.pipeline, self.timing, self.network, _parts(self)))
            (new / _README).write_text(readme(self))
        return ChipsFolder(folder=folder, design=self)

    def chip_verilog(self, number: int) -> str:
        """`chip_rtlil` as Verilog."""
        return rtlil_to_verilog(self.chip_rtlil(number))

    def top_verilog(self) -> str:
        """`top_rtlil` as Verilog."""
        return rtlil_to_verilog(self.top_rtlil())


def _joints(designs: Sequence[Design], channels: Sequence[tuple[int | None, int | None, int]]) -> tuple[Joint, ...]:
    """What stands between chips, from width, credits and latency of each channel."""
    return tuple(
        joint(
            number, one.network, one.pipeline, other.pipeline, width=width, credits=credits, latency=way,
            stage_levels=one.plan.popcount.levels_per_stage,
        )
        for number, (one, other, (width, credits, way)) in enumerate(
            zip(designs, designs[1:], channels, strict=False)
        )
    )  # fmt: skip


def _header(network: Network) -> str:
    version = metadata.version("bitweir")
    return f"// {network.name}: several chips, by bitweir {version}\n// network {digest(network)}\n"


def _text(design: ChipsDesign) -> str:
    channels = [
        {"width": one.channel.bits, "credits": one.channel.credits, "latency": one.channel.latency}
        for one in design.joints
    ]
    tree = {"format": _FORMAT, "version": _VERSION, "cuts": list(design.cuts), "channels": channels}
    return json.dumps(tree, indent=1) + "\n"


def _parts(design: ChipsDesign) -> list[str]:
    """What the certificate of the whole is bound to, beside the network."""
    return [*(plan_text(one.plan) for one in design.designs), _text(design)]


@dataclass(frozen=True, kw_only=True, eq=False)
class ChipsFolder:
    """A design of several chips, and the folder into which it was written.

    Parameters
    ----------
    folder : Path
    design : ChipsDesign
    """

    folder: Path
    design: ChipsDesign

    @classmethod
    def open(cls, folder: Path) -> ChipsFolder:
        """Read a folder that `ChipsDesign.write` wrote.

        Raises
        ------
        FileError
            A part is missing, or is not the one that was written there.
        NetworkError, PlanError
            A file in it is damaged.
        """
        if not (folder / CHIPS_FILE).is_file():
            raise FileError(
                f"{str(folder)!r} is not a folder of several chips, as it has no {CHIPS_FILE}: make it with bitweir "
                "generate --parts."
            )
        entries = listed(folder) or {}
        chips = [DesignFolder.open(folder / f"chip{number}").design for number in range(_count(folder))]
        network = load_network(folder / _NETWORK)
        for name in (_NETWORK, CHIPS_FILE, CERTIFICATE, f"{network.name}.v"):
            if not is_listed(folder / name, entries):
                raise FileError(
                    f"{str(folder / name)!r} is missing, or not what bitweir wrote there: make the folder again with "
                    "bitweir generate."
                )
        for chip in chips:
            chip.pipeline  # noqa: B018 - one that jams says so by itself
        try:
            cuts, channels = _read(folder)
            if len(channels) != len(cuts) or len(cuts) + 1 != len(chips):
                raise ValueError(
                    f"it tells of {len(channels) + 1} chips, and {len(chips)} of the folders chip0, chip1 ... are there"
                )
            parts = split(network, cuts)
            if [digest(part) for part in parts] != [digest(chip.network) for chip in chips]:
                raise ValueError("its chips are those of another network, or of other cuts")
            joints = _joints(chips, channels)
        except (BitweirError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise FileError(
                f"{str(folder / CHIPS_FILE)!r} does not say how the chips belong together ({error}): make the folder "
                "again with bitweir generate."
            ) from error
        design = ChipsDesign(network=network, cuts=tuple(cuts), designs=tuple(chips), joints=joints)
        claim = load_claim(folder, network, _parts(design))
        return cls(folder=folder, design=replace(design, claim=claim))

    @property
    def verilog(self) -> Path:
        """The Verilog file in which all chips are instances, for simulation."""
        return self.folder / f"{self.design.network.name}.v"

    def chip(self, number: int) -> DesignFolder:
        """The build folder of a chip."""
        return DesignFolder(folder=self.folder / f"chip{number}", design=self.design.designs[number])

    def check_verilog(self) -> None:
        """Whether all Verilog files are what networks and plans give.

        Raises
        ------
        FileError
            One is something else.
        """
        design = self.design
        for number in range(len(design.designs)):
            self.chip(number).checked_verilog()
            place = self.folder / f"chip{number}" / f"{design.module(number)}.v"
            _check_text(place, design.chip_verilog(number))
        _check_text(self.verilog, design.top_verilog())


def _check_text(path: Path, verilog: str) -> None:
    try:
        found = path.read_text()
    except (OSError, ValueError) as error:
        raise FileError(f"Cannot read {str(path)!r}.") from error
    # Two lines of comment, which name the version that wrote it.
    first, second, body = (*found.split("\n", 2), "", "")[:3]
    if not (first.startswith("//") and second.startswith("//") and body == verilog):
        raise FileError(
            f"{str(path)!r} is not what the networks and plans beside it give with this version of bitweir: make it "
            "again with bitweir generate."
        )


def _count(folder: Path) -> int:
    """How many chips a folder has."""
    found = 0
    while (folder / f"chip{found}").is_dir():
        found += 1
    return found


def _read(folder: Path) -> tuple[list[int], list[tuple[int, int, int]]]:
    tree = json.loads((folder / CHIPS_FILE).read_bytes())
    if tree["format"] != _FORMAT or tree["version"] != _VERSION:
        raise ValueError(f"format {tree['format']!r}, version {tree['version']!r}")
    cuts = tree["cuts"]
    channels = [(one["width"], one["credits"], one["latency"]) for one in tree["channels"]]
    if {type(number) for number in (*cuts, *(part for one in channels for part in one))} != {int}:
        raise ValueError("a number is no integer")
    return cuts, channels
