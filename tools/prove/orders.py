"""Blocks that move data: each bit gets to its place, none is lost, none is made up.

Beats are counted in *units*, after which a block does the same again: a beat, a pixel, a vector, a row. For each bit of
each output beat of a unit, a table says which bit of which input beat it is; the tables follow from what a block is
said to do, not from how it does it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from amaranth.hdl import Module, Mux, Signal
from bitweir_hw.blocks import ConcatSpec, ForkSpec, SelectSpec, UpsampleSpec, WidthSpec
from bitweir_sim.formal import Verdict, prove

from .around import Around
from .claim import Case, Claim

__all__ = ["CLAIMS", "MOVES", "Source"]

#: Units are numbered round and round. No more are under way in a block, or else a later one is compared, and differs.
ROUND = 4


@dataclass(frozen=True)
class Source:
    """Where an output bit comes from: a bit of a beat of an input, all counted from 0."""

    input: str
    beat: int
    bit: int


#: The source of a bit of padding.
ZERO = Source("", 0, 0)

#: For each beat of a unit, for each bit: its source, or None where it may be anything.
Table = Sequence[Sequence[Source | None]]


@dataclass(frozen=True, kw_only=True)
class Moves:
    """What a block does with a unit.

    Parameters
    ----------
    inputs : mapping of str to int
        Beats of a unit on each input.
    outputs : mapping of str to Table
    """

    inputs: Mapping[str, int]
    outputs: Mapping[str, Table]


def decide(spec: Any, moves: Moves) -> Verdict:
    """Prove that any one bit of any unit is what the table says.

    The solver chooses an output, a beat, a bit and a number of units; the input bit that belongs there is remembered
    when it is taken, and the output bit is compared while it is offered.
    """
    around = Around.of(spec)
    bench, m = around.bench, around.bench.m
    unit = bench.chosen(range(ROUND), "unit")
    taken = {name: _counted(m, name, around.inputs[name], beats) for name, beats in moves.inputs.items()}
    for name, table in moves.outputs.items():
        port = around.outputs[name]
        beat, number = _counted(m, name, port, len(table))
        places = [(at, bit, source) for at, row in enumerate(table) for bit, source in enumerate(row)]
        # Some places may be anything; behind them, the solver may choose a number that is no place.
        places = [place for place in places if place[2] is not None]
        chosen = bench.chosen(range(len(places)), f"{name}_place")
        word, due, shown, wanted = (Signal(name=f"{name}_{what}") for what in ("word", "due", "shown", "wanted"))
        with m.Switch(chosen):
            for index, (at, bit, source) in enumerate(places):
                with m.Case(index):
                    m.d.comb += [due.eq(port.valid & (number == unit) & (beat == at)), shown.eq(port.payload[bit])]
                    if source is not None and source != ZERO:
                        stream, (i_beat, i_number) = around.inputs[source.input], taken[source.input]
                        m.d.comb += wanted.eq(word)
                        with m.If(stream.valid & stream.ready & (i_beat == source.beat) & (i_number == unit)):
                            m.d.sync += word.eq(stream.payload[source.bit])
        bench.require(f"{name}_has_each_bit_in_its_place", ~due | (shown == wanted))
    return prove(bench.circuit(), seconds=600)


def _counted(m: Module, name: str, port: Any, beats: int) -> tuple[Signal, Signal]:
    """The number of the next beat in its unit, and that of the unit."""
    beat, number = Signal(range(beats), name=f"{name}_beat"), Signal(range(ROUND), name=f"{name}_unit")
    with m.If(port.valid & port.ready):
        m.d.sync += beat.eq(Mux(beat == beats - 1, 0, beat + 1))
        with m.If(beat == beats - 1):
            m.d.sync += number.eq(number + 1)
    return beat, number


# ---- what blocks are said to do


def _elements(name: str, vector: Sequence[tuple[int, int] | None], bits: int) -> list[Source | None]:
    """The bits of a beat whose elements are those of an input: beat and lane of each, or None for padding."""
    return [
        ZERO if place is None else Source(name, place[0], place[1] * bits + bit)
        for place in vector
        for bit in range(bits)
    ]


def _fork(spec: ForkSpec) -> Moves:
    beat = [Source("i", 0, bit) for bit in range(spec.bits)]
    return Moves(inputs={"i": 1}, outputs={f"o{n}": [beat] for n in range(spec.outputs)})


def _width(spec: WidthSpec) -> Moves:
    """Elements keep their order; what pads the beats of an input vector is dropped, those of an output vector get 0."""
    elements: list[tuple[int, int] | None] = [
        (part * spec.part_beats + at // spec.i_lanes, at % spec.i_lanes)
        for part in range(spec.parts)
        for at in range(spec.i_length)
    ]
    elements += [None] * (-len(elements) % spec.o_lanes)
    beats = [elements[at : at + spec.o_lanes] for at in range(0, len(elements), spec.o_lanes)]
    table = [_elements("i", beat, spec.lane_bits) for beat in beats]
    return Moves(inputs={"i": spec.parts * spec.part_beats}, outputs={"o": table})


def _select(spec: SelectSpec) -> Moves:
    """Wanted channels, a beat for each input beat that has any."""
    table: list[list[Source | None]] = []
    for beat in range(spec.pixel_beats):
        lanes = [at % spec.i_lanes for at in spec.channels if at // spec.i_lanes == beat]
        if lanes:
            row: list[Source | None] = list(_elements("i", [(beat, lane) for lane in lanes], spec.lane_bits))
            table.append(row + [None] * (spec.o_bits - len(row)))
    return Moves(inputs={"i": spec.pixel_beats}, outputs={"o": table})


def _upsample(spec: UpsampleSpec) -> Moves:
    """Each row so many times, in it each pixel so many times; a unit is a row that arrives."""
    _, columns, words = spec.shape
    table = [
        [Source("i", column * words + word, bit) for bit in range(spec.word_bits)]
        for _ in range(spec.factors[0])
        for column in range(columns)
        for _ in range(spec.factors[1])
        for word in range(words)
    ]
    return Moves(inputs={"i": columns * words}, outputs={"o": table})


def _concat(spec: ConcatSpec) -> Moves:
    """The channels of a pixel one behind the other, each with as many bits as at the output."""
    rows: list[list[Source | None]] = []
    for k, beats in enumerate(spec.turns):
        for beat in range(beats):
            row: list[Source | None] = []
            for element in range(spec.i_lanes[k] * spec.parallel_frames):
                own = spec.i_lane_bits[k]
                bits: list[Source | None] = [Source(f"i{k}", beat, element * own + bit) for bit in range(own)]
                above = bits[-1] if spec.signed else ZERO
                row += bits + [above] * (spec.o_lane_bits - own)
            rows.append(row)
    table = [[source for row in rows for source in row]] if spec.whole else rows
    return Moves(inputs={f"i{k}": beats for k, beats in enumerate(spec.turns)}, outputs={"o": table})


#: What each kind is said to do. Windows are in `places`.
MOVES: dict[type, Callable[[Any], Moves]] = {
    ForkSpec: _fork,
    WidthSpec: _width,
    SelectSpec: _select,
    UpsampleSpec: _upsample,
    ConcatSpec: _concat,
}


def _specs() -> Iterator[Any]:
    yield ForkSpec(name="fork", layer="", bits=2, beats=3, outputs=2)
    yield ForkSpec(name="fork", layer="", bits=1, beats=3, outputs=3)
    for i_length, o_length, i_lanes, o_lanes in (
        (4, 4, 2, 1), (3, 3, 1, 3), (3, 3, 2, 3), (4, 4, 3, 2), (5, 5, 2, 3), (2, 4, 2, 4), (1, 3, 1, 2)
    ):  # fmt: skip
        yield WidthSpec(
            name="width", layer="", i_length=i_length, o_length=o_length, i_lanes=i_lanes, o_lanes=o_lanes, lane_bits=1
        )
    yield SelectSpec(name="select", layer="", channels=(3, 0, 2), i_channels=4, i_lanes=4, lane_bits=1, pixels=2)
    yield SelectSpec(name="select", layer="", channels=(1, 0, 5), i_channels=6, i_lanes=2, lane_bits=2, pixels=2)
    yield UpsampleSpec(name="upsample", layer="", shape=(2, 2, 1), factors=(1, 2), word_bits=1)
    for lanes, signed in ((4, True), (1, False)):
        yield ConcatSpec(
            name="concat", layer="", channels=(1, 3), lanes=lanes, i_lane_bits=(1, 2), o_lane_bits=2, signed=signed,
            pixels=2,
        )  # fmt: skip


def _cases() -> Iterator[Case]:
    kinds = set[type]()
    for spec in _specs():
        quick = type(spec) not in kinds
        kinds.add(type(spec))
        told = ", ".join(f"{key} {value}" for key, value in vars(spec).items() if key not in ("name", "layer"))
        yield Case(name=f"{spec.name}: {told}", run=partial(_decide, spec), quick=quick)


def _decide(spec: Any) -> Verdict:
    return decide(spec, MOVES[type(spec)](spec))


def _swapped(spec: Any) -> Verdict:
    """The first bit of the first beat of an output, and one that has another source, take each other's place."""
    moves = MOVES[type(spec)](spec)
    name, table = next(iter(moves.outputs.items()))
    row = list(table[0])
    other = next(at for at, source in enumerate(row) if source != row[0])
    row[0], row[other] = row[other], row[0]
    return decide(spec, Moves(inputs=moves.inputs, outputs={**moves.outputs, name: [row, *table[1:]]}))


def _faults() -> Iterator[Case]:
    kinds = set[type]()
    for spec in _specs():
        if type(spec) not in kinds and spec.o_bits > 1:
            kinds.add(type(spec))
            yield Case(name=f"{spec.name}: two bits change places", run=partial(_swapped, spec), quick=True)


CLAIMS = (
    Claim(
        name="order of data",
        says="Each bit of each output beat is the input bit that belongs there, in the order of beats.",
        parameters="small forks, width converters without registers in shifters, selects, concats, an upsample; "
        "elements of 1 or 2 bits",
        method="any one bit of any unit is followed; an invariant by PDR",
        tool="ABC, checked by Glucose (python-sat)",
        fault="two bits that change places",
        cases=_cases,
        faults=_faults,
    ),
)
