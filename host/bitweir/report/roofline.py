"""Needs of a network and resources of a part: the resource-aware model analysis (RAMA) of FP-BNN.

S. Liang, S. Yin, L. Liu, W. Luk, S. Wei, "FP-BNN: Binarized neural network on FPGA", Neurocomputing 275, 2018: before
a design, operations, parameter bits and activation bits of each layer stand against logic, memory and bandwidth of
the device, and the larger of two times binds. The picture of it is a roofline: S. Williams, A. Waterman, D. Patterson,
CACM 52(4), 2009. Operations count 2 for each product of an input and a weight, here as there.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Literal

from bitweir_hw.arithmetic import signed_bits
from bitweir_hw.blocks import BlockSpec, MatVecSpec, WindowSpec, WiredSpec
from bitweir_hw.memory import Memory
from bitweir_hw.network import Branched, Map
from bitweir_hw.parts import COUNTED_AS, FpgaPart
from msgspec import UNSET

from ..design import DesignFolder
from .model import LayerNeeds, Roofline

__all__ = ["ELEMENT_SITES", "Bounds", "roofline"]

#: LUT sites a lane of a processing element of 64 lanes with accumulator and threshold, without memories and control,
#: in portable Verilog: measured, see benchmarks/pe_sites.py. Families that count as another one have its figure.
ELEMENT_SITES = {"ecp5": 173 / 64, "ice40": 162 / 64, "gowin": 168 / 64, "xilinx": 125 / 64}


@dataclass(frozen=True, kw_only=True)
class Bounds:
    """The performance of a part at a clock.

    Parameters
    ----------
    part : FpgaPart
    clock : float
        Hz.
    sites_per_lane : float
        LUT sites that the design spends for each lane, everything included.
    """

    part: FpgaPart
    clock: float
    sites_per_lane: float

    @property
    def peak(self) -> float:
        """Operations a second if all logic were lanes: ``2 * f * logic / cost_per_lane``, the compute roof of RAMA."""
        return 2 * self.clock * self.part.luts / self.sites_per_lane

    @property
    def bandwidth(self) -> float:
        """Bits a second that one port of every block RAM reads: ``f * block RAMs * widest word``."""
        return self.clock * self.part.port_bits

    def compute_seconds(self, operations: int) -> float:
        """``T_compute = ops / (2 * f * logic / cost_per_lane)`` of RAMA: a frame's work on all of the logic."""
        return operations / self.peak

    def memory_seconds(self, bits: float) -> float:
        """``T_memory = bits / bandwidth``.

        RAMA puts here the bits that are not resident, and the bandwidth of the memory beside the device. All
        parameters of a build are resident, or it does not fit; so the bits are those read from block RAM for a frame,
        and the bandwidth is that of block RAM.
        """
        return bits / self.bandwidth

    def fits(self, parameter_bits: int, activation_bits: int) -> bool:
        """``parameter bits + activation bits <= memory`` of RAMA."""
        return parameter_bits + activation_bits <= self.part.memory_bits

    def binding(
        self, operations: int, bits_read: float, held: tuple[int, int]
    ) -> Literal["logic", "bandwidth", "memory"]:
        """The resource that runs out first.

        ``"memory"`` if parameters and activations do not fit, else ``"logic"`` or ``"bandwidth"``, the one with the
        longer time, as ``max(T_compute, T_memory)`` bounds a frame in RAMA.
        """
        if not self.fits(*held):
            return "memory"
        return "bandwidth" if self.memory_seconds(bits_read) > self.compute_seconds(operations) else "logic"


def roofline(
    build: DesignFolder,
    part: FpgaPart,
    *,
    clock: float,
    cycles: float,
    sites_per_lane: float | None,
    origin: Literal["measured", "estimated"],
) -> Roofline:
    """Needs of each layer and of all against the bounds of a part.

    Parameters
    ----------
    build : DesignFolder
    part : FpgaPart
    clock : float
        Hz.
    cycles : float
        Cycles a frame.
    sites_per_lane : float, optional
        Of the whole design; that of an element alone where nobody knows.
    origin : str
        Where `sites_per_lane` comes from: ``"measured"`` or ``"estimated"``.
    """
    alone = Bounds(part=part, clock=clock, sites_per_lane=ELEMENT_SITES[COUNTED_AS[part.family]])
    bounds = Bounds(part=part, clock=clock, sites_per_lane=sites_per_lane) if sites_per_lane else alone
    needs = list(_needs(build))
    total = _Needs(
        name="total",
        **{key: sum(getattr(row, key) for row in needs) for key in asdict(needs[0]) if key != "name"},
    )
    per_second = clock / cycles
    whole = _row(bounds, total, per_second)
    return Roofline(
        sites_per_lane=bounds.sites_per_lane,
        sites_per_lane_from=origin if sites_per_lane else "element",
        element_sites_per_lane=alone.sites_per_lane,
        peak_giga_operations_per_second=bounds.peak / 1e9,
        element_peak_giga_operations_per_second=alone.peak / 1e9,
        bandwidth_gigabits_per_second=bounds.bandwidth / 1e9,
        bound_frames_per_second=1e6 / max(whole.compute_us, whole.memory_us) if total.operations else None,
        layers=tuple(_row(bounds, row, per_second) for row in needs if row.operations),
        total=replace(whole, name=UNSET),
    )


@dataclass(frozen=True, kw_only=True)
class _Needs:
    """What a layer needs for a frame; activations for all V frames that go side by side."""

    name: str
    operations: int
    parameter_bits: int
    activation_bits: int
    buffer_bits: int
    bits_read: float


def _row(bounds: Bounds, needs: _Needs, per_second: float) -> LayerNeeds:
    return LayerNeeds(
        **asdict(needs),
        giga_operations_per_second=needs.operations * per_second / 1e9,
        operations_per_bit_read=needs.operations / needs.bits_read if needs.bits_read else None,
        compute_us=bounds.compute_seconds(needs.operations) * 1e6,
        memory_us=bounds.memory_seconds(needs.bits_read) * 1e6,
        fits=bounds.fits(needs.parameter_bits, needs.activation_bits),
        binding=bounds.binding(needs.operations, needs.bits_read, (needs.parameter_bits, needs.activation_bits)),
    )


def _needs(build: DesignFolder) -> Iterator[_Needs]:
    """Needs of each layer, and of what belongs to none.

    operations
        Convolution ``2 * kh * kw * Cin / groups * Cout * Ho * Wo``, dense ``2 * Nin * Nout``.
    parameter_bits
        Weights and thresholds as they are stored, padding included.
    activation_bits
        ``2 * elements * bits`` of the map that the layer takes: held whole, twice, as RAMA does.
    buffer_bits
        What the build holds instead.
    bits_read
        From block RAM, for a frame.
    """
    pipeline, placed = build.pipeline, build.network.placed()
    names = {layer.name for layer, _, _ in placed}
    for layer, source, _ in placed:
        blocks = [block for block in pipeline.blocks if block.layer == layer.name]
        # The branches of a sum are counted themselves.
        activations = 0 if isinstance(layer, Branched) else 2 * source.size * _bits(source) * pipeline.parallel_frames
        yield _needs_of(layer.name, blocks, activations, pipeline.parallel_frames)
    yield _needs_of(
        "class" if build.network.readout.kind == "class" else "result",
        [block for block in pipeline.blocks if block.layer not in names],
        0,
        pipeline.parallel_frames,
    )


def _needs_of(name: str, blocks: list[BlockSpec], activation_bits: int, frames: int) -> _Needs:
    memories = [memory for block in blocks for memory in block.memories()]
    weighted = [block for block in blocks if isinstance(block, MatVecSpec | WiredSpec)]
    return _Needs(
        name=name,
        operations=sum(2 * block.vectors * block.rows * block.columns for block in weighted),
        parameter_bits=sum(memory.bits for memory in memories if memory.role != "buffer"),
        activation_bits=activation_bits,
        buffer_bits=sum(memory.bits for memory in memories if memory.role == "buffer"),
        bits_read=sum(_read(block, memory) for block in blocks for memory in block.memories()) / frames,
    )


def _bits(source: Map) -> int:
    return source.format.bits if source.format else signed_bits(source.low, source.high)


def _read(block: BlockSpec, memory: Memory) -> int:
    """Bits that a block reads from one of its memories for a frame, or for V of them; 0 if it is not block RAM."""
    if not memory.block:
        return 0
    # Thresholds that ride with weights are bits of these, and read with each word of them.
    of_outputs = isinstance(block, WindowSpec) or (isinstance(block, MatVecSpec) and memory.role == "thresholds")
    return (block.o_beats if of_outputs else block.cycles) * memory.width * memory.copies
