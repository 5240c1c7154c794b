"""Windows have the right pixels, and shifters with registers put each element in its place."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from bitweir_hw.blocks import WidthSpec, WindowSpec, block_of
from bitweir_hw.tools import convert
from bitweir_sim.formal import Status, Trace, Verdict
from bitweir_sim.formal.begun import begun_circuit
from bitweir_sim.formal.graph import Graph

from .bursts import LooseError, Player
from .claim import Case, Claim
from .orders import MOVES, ZERO, Source

__all__ = ["CLAIMS"]

METHOD = "frames played in a graph"
#: Times that source and sink wait, as drawn, beside never.
_STALLS = 3


def window_table(spec: WindowSpec) -> list[list[Source | int]]:
    """For each bit of each beat of a frame its source, or the bit of padding."""
    rows, columns, _ = spec.shape
    height, width = spec.kernel
    lanes, bits, words = spec.lanes, spec.lane_bits, spec.pixel_words
    group_words = words // spec.groups
    tall = (rows + spec.pads[0] + spec.pads[2] - height) // spec.stride[0] + 1
    wide = (columns + spec.pads[1] + spec.pads[3] - width) // spec.stride[1] + 1
    table = []
    for top, left, group in itertools.product(range(tall), range(wide), range(spec.groups)):
        # Words of a window, in the order in which they leave: pixel by pixel, row by row.
        vector: list[list[Source | int]] = []
        for row, column, word in itertools.product(range(height), range(width), range(group_words)):
            y, x = top * spec.stride[0] - spec.pads[0] + row, left * spec.stride[1] - spec.pads[1] + column
            at = group * group_words + word
            if 0 <= y < rows and 0 <= x < columns:
                beat = (y * columns + x) * words + at
                vector.append([Source("i", beat, bit) for bit in range(lanes * bits)])
            else:
                pad = spec.pad_words[at % len(spec.pad_words)]
                vector.append([pad >> bit & 1 for bit in range(lanes * bits)])
        for start in range(0, len(vector), spec.taps):
            table.append([bit for part in vector[start : start + spec.taps] for bit in part])
    return table


def decide(spec: Any, swapped: bool = False) -> Verdict:
    """Prove that each bit of two frames in a row is the one that belongs there, behind any number of others.

    Parameters
    ----------
    swapped : bool
        Planted: two bits change places.
    """
    began = time.perf_counter()
    circuit = begun_circuit(
        {"design.il": convert(block_of(spec).component(spec), name="top")}, ["read_rtlil design.il"]
    )
    if isinstance(spec, WindowSpec):
        count, table = spec.i_beats, window_table(spec)
    else:
        moves = MOVES[type(spec)](spec)
        ((_, count),), ((_, rows),) = moves.inputs.items(), moves.outputs.items()
        table = [[0 if source == ZERO else source for source in row] for row in rows]  # type: ignore[misc]
    if swapped:
        at = next(n for n, bit in enumerate(table[0]) if bit != table[0][0])
        table[0][0], table[0][at] = table[0][at], table[0][0]

    def verdict(status: Status, told: str, trace: Trace | None = None) -> Verdict:
        seconds = round(time.perf_counter() - began, 2)
        return Verdict(status=status, method=METHOD, tool="bitweir", seconds=seconds, told=told, trace=trace)

    bursts = 0
    for draw in range(1 + _STALLS):
        rng, graph = random.Random(draw), Graph()
        waits = [(rng.randint(0, 1), rng.randint(0, 1)) for _ in range(97)] if draw else [(1, 1)]
        width = sum(name == "i__payload" for name, _ in circuit.inputs)
        beats = [[graph.leaf() for _ in range(width)] for _ in range(2 * count)]
        player = Player(circuit, graph, lambda cycle, waits=waits: waits[cycle % len(waits)])  # type: ignore[misc]
        try:
            for found in player.bursts(beats, 2 * len(table)):
                bursts += 1
                for number, beat in enumerate(found):
                    frame, at = divmod(number, len(table))
                    wanted = [
                        beats[frame * count + bit.beat][bit.bit] if isinstance(bit, Source) else bit
                        for bit in table[at]
                    ]
                    wrong = [n for n, (a, b) in enumerate(zip(beat, wanted, strict=True)) if b is not None and a != b]
                    if wrong:
                        signals = {"frame": (frame,), "beat": (at,), "bit": (wrong[0],)}
                        return verdict("refuted", f"beat {at}, bit {wrong[0]}", Trace(broken=("o",), signals=signals))
        except LooseError as fault:
            return verdict("unknown", str(fault))
    return verdict("proved", f"{bursts} states between frames, of all stalls that were drawn")


def _specs() -> Iterator[Any]:
    plain = WindowSpec(
        name="window", layer="", shape=(4, 4, 2), kernel=(3, 3), stride=(1, 1), pads=(0, 0, 0, 0), groups=1, lanes=2,
        taps=3, lane_bits=1,
    )  # fmt: skip
    yield plain
    yield replace(plain, pads=(1, 1, 1, 1), taps=9, pad_words=(2,))
    yield replace(plain, shape=(5, 4, 4), kernel=(2, 2), stride=(2, 2), groups=2, taps=1, lane_bits=2)
    yield replace(plain, shape=(3, 5, 2), kernel=(2, 3), stride=(1, 2), pads=(1, 0, 0, 1), lanes=1, taps=1)
    yield replace(plain, shape=(5, 5, 2), stride=(2, 2), pads=(1, 1, 1, 1), pad_words=(1,))
    for i_length, o_length, i_lanes, o_lanes, levels in ((9, 9, 2, 3, 1), (12, 12, 4, 5, 1), (20, 20, 3, 8, 2)):
        yield WidthSpec(
            name="width", layer="", i_length=i_length, o_length=o_length, i_lanes=i_lanes, o_lanes=o_lanes, lane_bits=2,
            stage_levels=levels,
        )  # fmt: skip


def cases() -> Iterator[Case]:
    """Windows of many forms, and converters of widths."""
    for number, spec in enumerate(_specs()):
        told = ", ".join(f"{key} {value}" for key, value in vars(spec).items() if key not in ("name", "layer"))
        yield Case(name=f"{spec.name}: {told}", run=partial(decide, spec), quick=not number)


def faults() -> Iterator[Case]:
    """Of each kind."""
    kinds = set[type]()
    for spec in _specs():
        if type(spec) not in kinds:
            kinds.add(type(spec))
            yield Case(name=f"{spec.name}: two bits change places", run=partial(decide, spec, True), quick=True)


CLAIMS = (
    Claim(
        name="places",
        says="Each beat of windows has the pixels that belong there, and padding outside the map; behind a shifter "
        "with registers each element has its place.",
        parameters="windows of maps of up to 5 x 5 pixels, with strides, pads, groups, and one or several pixels a "
        "beat; width converters with registers in shifters; two frames in a row, behind any number of others, without "
        "stalls and with three drawn patterns of them",
        method=METHOD,
        tool="bitweir",
        fault="two bits that change places",
        cases=cases,
        faults=faults,
    ),
)
