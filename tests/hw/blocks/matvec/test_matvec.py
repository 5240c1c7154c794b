"""The matrix-vector-threshold unit: every value and every cycle, for all that a specification can say."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
from amaranth.hdl import ResetInserter, Signal
from amaranth.sim import Simulator
from bitweir_hw.arithmetic import ceil_div, signed_bits
from bitweir_hw.blocks import MatVecSpec
from bitweir_hw.blocks.matvec.gateware import MatVec
from bitweir_hw.gateware.rom import ClassRom
from bitweir_hw.popcount import Plane, Popcount
from bitweir_sim.time.machines import stepped
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.small_blocks import small_block_rams

FRAMES = 2
QUIET = 12  # cycles after the last beat in which nothing may move


@dataclass(frozen=True)
class Case:
    """A unit, what arrives at it, and what must leave it.

    `elements` are (V, frames * vectors, Q * K), unsigned, in the order of the stream; `results`
    (V, frames * vectors, M).
    """

    spec: MatVecSpec
    elements: np.ndarray
    results: np.ndarray


def sums(weights: np.ndarray, codes: np.ndarray, bits: int, lanes: int) -> np.ndarray:
    """T of each neuron, (V, pixels, G, Q, M / Q), from codes (V, pixels, G, Q, K), by arithmetic on whole weights.

    The XNOR with -1 turns a code round. Where there are negative weights, the plane of the sign counts
    its ``2**B - 1`` times too much in each lane.
    """
    top = (1 << bits) - 1
    if weights.dtype == np.bool_:
        values = np.where(weights, codes[..., None, :], top - codes[..., None, :])
        return values.sum(axis=-1)
    products = (weights * codes[..., None, :]).sum(axis=-1)
    low, high = int(weights.min()), int(weights.max())
    exponent = 0 if low >= -1 and high <= 1 else signed_bits(low, high) - 1
    return products + (lanes * top << exponent if low < 0 else 0)


def make_case(
    rng: np.random.Generator, *, weights: np.ndarray, initial_accumulators: np.ndarray, **fields: Any
) -> Case:
    """Draw what arrives; the accumulators are as narrow as their last values allow."""
    spec = MatVecSpec(
        name="unit", layer="layer", weights=weights, initial_accumulators=initial_accumulators, acc_bits=1, **fields
    )
    bits, (rows, columns) = spec.lane_bits, spec.positions
    shape = (spec.parallel_frames, FRAMES * rows * columns, spec.groups, spec.parts, spec.columns)
    elements = rng.integers(0, 1 << bits, shape)
    # All alike are the extremes.
    elements[rng.random(shape[:3]) < 0.2] = rng.choice([0, (1 << bits) - 1])
    codes = elements ^ (1 << bits - 1) if spec.flip else elements
    by_part = weights.reshape(spec.groups, spec.parts, -1, spec.columns)
    totals = sums(by_part, codes, bits, ceil_div(spec.columns, spec.simd) * spec.simd).reshape(*shape[:3], spec.rows)
    count = max(spec.column_classes) + 1
    classes = np.add.outer(np.array(spec.row_classes) * count, np.array(spec.column_classes)).ravel()
    accs = initial_accumulators[np.tile(classes, FRAMES)] + totals
    spec = replace(spec, acc_bits=signed_bits(int(accs.min()), int(accs.max())))
    results = accs >= 0 if spec.threshold else (accs << spec.shift) + spec.low
    flat = (spec.parallel_frames, -1)
    runs = elements.reshape(*shape[:4], -1, spec.run).swapaxes(-3, -2)
    return Case(
        spec, runs.reshape(*flat, spec.parts * spec.columns), results.astype(np.int64).reshape(*flat, spec.rows)
    )


def beats(values: np.ndarray, lanes: int, bits: int, fill: np.ndarray | None = None) -> list[int]:
    """Payloads for elements (V, vectors, length): lanes, and in each the frames; `fill` pads vectors."""
    streams, vectors, length = values.shape
    words = ceil_div(length, lanes)
    padded = np.zeros((streams, vectors, words * lanes), np.int64) if fill is None else fill
    padded[..., :length] = values
    rows = padded.reshape(streams, vectors * words, lanes).transpose(1, 2, 0).reshape(vectors * words, -1)
    return [sum((int(value) & (1 << bits) - 1) << n * bits for n, value in enumerate(row)) for row in rows]


def run(
    case: Case,
    *,
    pauses: np.ndarray,
    refusals: np.ndarray,
    rng: np.random.Generator,
    before: int = 0,
    late: np.ndarray | None = None,
) -> list[int]:
    """Drive the unit; compare each cycle with the model and each value; the cycles of the output beats.

    For so many cycles `before`, it works on something else, until a reset. In cycles that are `late`, no new word of
    streamed weights is offered.
    """
    spec = case.spec
    lanes = spec.parts * spec.simd
    noise = rng.integers(0, 1 << spec.lane_bits, (*case.elements.shape[:2], spec.synapse_folds * lanes))
    sent = beats(case.elements, lanes, spec.lane_bits, noise)
    wanted = beats(case.results, spec.pe, spec.o_lane_bits)
    assert (len(sent), len(wanted)) == (FRAMES * spec.i_beats, FRAMES * spec.o_beats)
    reset = Signal()
    dut, model = MatVec(spec), stepped(spec)
    start = model.state()
    moved: list[int] = []
    weights = spec.weight_words() if spec.streamed else []
    late = np.zeros(0, bool) if late is None else late

    async def bench(ctx: Any) -> None:
        for cycle in range(before):
            ctx.set(dut.i.valid, 1)
            ctx.set(dut.i.payload, int(rng.integers(0, 2)))
            ctx.set(dut.o.ready, 1)
            if weights:
                ctx.set(dut.weights.valid, int(rng.integers(0, 2)))
            ctx.set(reset, cycle == before - 1)
            await ctx.tick()
        ctx.set(reset, 0)
        offering, taken, cycle, left = False, 0, 0, QUIET
        waiting, words = False, 0
        while left:
            assert cycle < 20000, f"{len(wanted) - len(moved)} of {len(wanted)} beats are missing"
            stalls = [cycle < len(pattern) and bool(pattern[cycle]) for pattern in (pauses, refusals)]
            offering = offering or (taken < len(sent) and not stalls[0])
            ctx.set(dut.i.valid, offering)
            ctx.set(dut.i.payload, sent[taken] if offering else int(rng.integers(0, 2)))
            ctx.set(dut.o.ready, not stalls[1])
            assert (ctx.get(dut.i.ready), ctx.get(dut.o.valid)) == (model.ready(), model.valid(0)), f"cycle {cycle}"
            take, give = offering and model.ready(), model.valid(0) and not stalls[1]
            if give:
                assert ctx.get(dut.o.payload) == wanted[len(moved)], f"output beat {len(moved)}"
                moved.append(cycle)
            taken += take
            offering = offering and not take
            word = False
            if weights:
                waiting = waiting or not (cycle < len(late) and late[cycle])
                ctx.set(dut.weights.valid, waiting)
                ctx.set(dut.weights.payload, weights[words % len(weights)] if waiting else int(rng.integers(0, 2)))
                assert ctx.get(dut.weights.ready) == model.word_ready(), f"weights in cycle {cycle}"
                word = waiting and model.word_ready()
                waiting, words = waiting and not word, words + word
            model.step(take, [give], word)
            await ctx.tick()
            cycle += 1
            left -= len(moved) == len(wanted)

    simulator = Simulator(ResetInserter(reset)(dut))
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    # What is left over are words of weights that were taken ahead.
    for machine in (model, fresh := stepped(spec)):
        while machine.word_ready():
            machine.step(False, [False], True)
    assert model.state() == (fresh.state() if weights else start)
    return moved


@st.composite
def classes(draw: st.DrawFn, size: int) -> tuple[int, ...]:
    """A class for each row or column."""
    rises = draw(st.lists(st.booleans(), min_size=size - 1, max_size=size - 1))
    return tuple(int(number) for number in np.cumsum([0, *rises]))


@st.composite
def cases(draw: st.DrawFn) -> Case:
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    groups, rows, columns = draw(st.integers(1, 3)), draw(st.integers(1, 7)), draw(st.integers(1, 12))
    positions = draw(st.sampled_from([(1, 1), (1, 1), (1, 4), (3, 1), (2, 3), (3, 4)]))
    row_classes, column_classes = (draw(classes(size)) for size in positions)
    parts, run = draw(st.sampled_from([(1, 1), (1, 1), (2, 1), (3, 1), (2, 2), (3, 2)]))
    if parts > 1:
        rows, columns = parts * min(rows, 3), run * columns
    shape = (groups, rows, columns)
    kind = draw(st.sampled_from(["bool", "bool", "ternary", "signed", "unsigned"]))
    size = draw(st.integers(3, 8))
    low, high = {"ternary": (-1, 2), "signed": (-(1 << size - 1), 1 << size - 1), "unsigned": (0, 1 << size)}.get(
        kind, (0, 2)
    )
    weights = rng.integers(low, high, shape)
    bits = draw(st.integers(1, 8))
    reach = draw(st.sampled_from([1, 20, 1000]))
    threshold = draw(st.booleans())
    shift = 0 if threshold else draw(st.integers(0, 1))
    style = draw(st.sampled_from(["tree", "fused", "xc7"]))
    return make_case(
        rng,
        weights=weights.astype(bool) if kind == "bool" else weights,
        initial_accumulators=rng.integers(
            -reach, reach, ((row_classes[-1] + 1) * (column_classes[-1] + 1), *shape[:2])
        ),
        positions=positions,
        row_classes=row_classes,
        column_classes=column_classes,
        threshold=threshold,
        pe=rows if parts > 1 else draw(st.integers(1, 1 << (rows - 1).bit_length())),
        simd=run * draw(st.integers(1, (1 << (columns - 1).bit_length()) // run)),
        parts=parts,
        run=run,
        lane_bits=bits,
        flip=draw(st.booleans()),
        shift=shift,
        low=draw(st.integers(0, (1 << shift) - 1)),
        popcount=Popcount(style=style, levels_per_stage=draw(st.integers(0, 3))),
        parallel_frames=draw(st.integers(1, 3)),
    )


@settings(max_examples=40)
@given(case=cases(), stalls=st.tuples(*[st.sampled_from([0, 0, 0.3, 0.8])] * 2), seed=st.integers(0, 2**32))
def test_every_value_in_its_cycle(case: Case, stalls: tuple[float, float], seed: int) -> None:
    rng = np.random.default_rng(seed)
    pauses, refusals = (rng.random(3 * FRAMES * case.spec.cycles) < share for share in stalls)
    run(case, pauses=pauses, refusals=refusals, rng=rng)


@settings(max_examples=15)
@given(
    case=cases(), stalls=st.tuples(*[st.sampled_from([0, 0.3, 0.8])] * 3), seed=st.integers(0, 2**32), data=st.data()
)
def test_streamed_weights_are_waited_for(
    case: Case, stalls: tuple[float, float, float], seed: int, data: st.DataObject
) -> None:
    rng = np.random.default_rng(seed)
    case = replace(case, spec=replace(case.spec, memory="stream"))
    pauses, refusals, late = (rng.random(3 * FRAMES * case.spec.cycles + 10) < share for share in stalls)
    # A memory that answers late, and rests for longer than what was taken ahead lasts.
    late[: data.draw(st.integers(0, 40))] = True
    rest = data.draw(st.integers(0, len(late) - 1))
    late[rest : rest + 25] = True
    assert not any(memory.block for memory in case.spec.memories() if memory.role == "weights")
    run(case, pauses=pauses, refusals=refusals, rng=rng, late=late, before=data.draw(st.sampled_from([0, 0, 30])))


@st.composite
def cases_of_pixels(draw: st.DrawFn) -> Case:
    """Units of which M pixels share each word."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    rows, columns, pixels = draw(st.integers(1, 7)), draw(st.integers(1, 9)), draw(st.integers(2, 4))
    positions = (draw(st.integers(1, 3)), pixels * draw(st.integers(1, 2)))
    row_classes, column_classes = (draw(classes(size)) for size in positions)
    weights = rng.integers(-2, 3, (1, rows, columns)) if draw(st.booleans()) else rng.random((1, rows, columns)) < 0.5
    return make_case(
        rng,
        weights=weights,
        initial_accumulators=rng.integers(-9, 9, ((row_classes[-1] + 1) * (column_classes[-1] + 1), 1, rows)),
        positions=positions,
        row_classes=row_classes,
        column_classes=column_classes,
        threshold=draw(st.booleans()),
        pe=draw(st.integers(1, 1 << (rows - 1).bit_length())),
        simd=draw(st.integers(1, 1 << (columns - 1).bit_length())),
        lane_bits=draw(st.integers(1, 3)),
        popcount=Popcount(
            style=draw(st.sampled_from(["tree", "fused", "xc7"])), levels_per_stage=draw(st.integers(0, 3))
        ),
        memory="stream",
        shared_pixels=pixels,
        parallel_frames=draw(st.integers(1, 2)),
    )


@settings(max_examples=25)
@given(case=cases_of_pixels(), stalls=st.tuples(*[st.sampled_from([0, 0.3, 0.8])] * 3), seed=st.integers(0, 2**32))
def test_pixels_share_each_word_of_weights(case: Case, stalls: tuple[float, float, float], seed: int) -> None:
    rng = np.random.default_rng(seed)
    pauses, refusals, late = (rng.random(3 * FRAMES * case.spec.cycles + 10) < share for share in stalls)
    run(case, pauses=pauses, refusals=refusals, rng=rng, late=late)


@pytest.mark.parametrize(("pe", "simd"), [(2, 4), (8, 4), (2, 24), (8, 24)])
def test_pixels_that_share_weights_take_as_many_cycles_and_fewer_words(pe: int, simd: int) -> None:
    rng = np.random.default_rng(4)
    case = make_case(
        rng,
        weights=rng.random((1, 8, 24)) < 0.5,
        initial_accumulators=rng.integers(-4, 4, (1, 1, 8)),
        positions=(2, 6),
        row_classes=(0, 0),
        column_classes=(0,) * 6,
        threshold=False,
        pe=pe,
        simd=simd,
        popcount=Popcount(levels_per_stage=1),
        memory="stream",
        shared_pixels=3,
    )
    # A word comes in every third cycle.
    late = np.arange(2000) % 3 > 0
    none = np.zeros(0, bool)
    moved = run(case, pauses=none, refusals=none, rng=rng, late=late)
    ends = moved[case.spec.neuron_folds - 1 :: case.spec.neuron_folds]
    # Of each three pixels, from the first ones on.
    assert set(np.diff(ends[2::3])) == {3 * case.spec.fold}


def test_short_rests_of_the_memory_cost_no_cycle() -> None:
    rng = np.random.default_rng(4)
    case = make_case(
        rng,
        weights=rng.random((1, 8, 24)) < 0.5,
        initial_accumulators=rng.integers(-4, 4, (1, 1, 8)),
        positions=(2, 3),
        row_classes=(0, 0),
        column_classes=(0, 0, 0),
        threshold=True,
        pe=2,
        simd=4,
        popcount=Popcount(levels_per_stage=1),
    )
    streamed = replace(case, spec=replace(case.spec, memory="stream"))
    none = np.zeros(0, bool)
    still = run(case, pauses=none, refusals=none, rng=rng)
    # The unit waits for its first beat while words are taken ahead: from then on so many cycles may bring none.
    pauses, late = np.arange(400) < 40, np.zeros(400, bool)
    late[41 : 41 + streamed.spec.prefetched - 1] = True
    delayed = run(streamed, pauses=pauses, refusals=none, rng=rng, late=late)
    assert [cycle - 40 for cycle in delayed] == still
    late[41 + streamed.spec.prefetched] = True
    assert run(streamed, pauses=pauses, refusals=none, rng=rng, late=late)[-1] == delayed[-1]
    late[41 : 41 + streamed.spec.prefetched + 1] = True
    assert run(streamed, pauses=pauses, refusals=none, rng=rng, late=late)[-1] > delayed[-1]


@settings(max_examples=25)
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_presets_ride_with_weights_in_block_ram(data: st.DataObject, seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups, folds, pe = (data.draw(st.integers(*ends)) for ends in ((1, 2), (5, 9), (1, 3)))
    rows = folds * pe - data.draw(st.integers(0, pe - 1))
    simd, words = data.draw(st.integers(1, 4)), data.draw(st.integers(1, 5))
    case = make_case(
        rng,
        weights=rng.random((groups, rows, simd * words)) < 0.5,
        initial_accumulators=rng.integers(-20, 20, (1, groups, rows)),
        threshold=data.draw(st.booleans()),
        pe=pe,
        simd=simd,
        memory="block",
        popcount=Popcount(levels_per_stage=data.draw(st.integers(0, 2))),
        parallel_frames=data.draw(st.integers(1, 2)),
    )
    spec = case.spec
    _, thresholds, _ = spec.sources
    # Here they always fit beside the weights; all words together bring them once a group.
    assert (thresholds.depth, thresholds.width) == (spec.groups * spec.fold, spec.riding_bits)
    assert 0 < spec.riding_bits * spec.synapse_folds < spec.pe * spec.acc_bits + spec.synapse_folds
    pauses, refusals = (rng.random(40) < data.draw(st.sampled_from([0, 0.3, 0.8])) for _ in range(2))
    run(case, pauses=pauses, refusals=refusals, rng=rng, before=data.draw(st.integers(0, 60)))


def test_presets_stay_in_a_memory_of_their_own_where_that_is_less() -> None:
    rng = np.random.default_rng(5)

    def unit(rows: int, columns: int, **fields: Any) -> MatVecSpec:
        return MatVecSpec(
            name="unit", layer="layer", threshold=True, acc_bits=9, weights=rng.random((1, rows, columns)) < 0.5,
            initial_accumulators=rng.integers(-200, 0, (1, 1, rows)), **{"popcount": Popcount(), **fields},
        )  # fmt: skip

    # Beside 36 bits there is no room in a block RAM: one more is worth 57 words of presets, and not 9 words. Beside 128
    # there are 16; the sign of these presets never changes.
    assert unit(512, 36, pe=9, simd=4).riding_bits > 0
    assert unit(80, 36, pe=9, simd=4).riding_bits == 0
    assert unit(80, 128, pe=8, simd=16).riding_bits == 8
    # Those of iCE40 have 16 bits, so that there is no room.
    assert unit(80, 128, pe=8, simd=16, popcount=Popcount(style="tree")).riding_bits == 0
    # Weights in LUTs, one group of neurons, or parameters that are loaded.
    assert unit(80, 128, pe=8, simd=16, memory="lut").riding_bits == 0
    assert unit(8, 2048, pe=8, simd=16).riding_bits == 0
    assert unit(80, 128, pe=8, simd=16, runtime_loadable=(Plane(xnor=True),)).riding_bits == 0


@settings(max_examples=20)
@given(case=cases(), stalls=st.tuples(*[st.sampled_from([0, 0.3, 0.8])] * 2), seed=st.integers(0, 2**32))
def test_every_value_in_its_cycle_with_memories_of_many_banks(
    case: Case, stalls: tuple[float, float], seed: int
) -> None:
    rng = np.random.default_rng(seed)
    pauses, refusals = (rng.random(3 * FRAMES * case.spec.cycles) < share for share in stalls)
    with small_block_rams():
        run(case, pauses=pauses, refusals=refusals, rng=rng)


def test_registers_follow_the_slowest_memory() -> None:
    rng = np.random.default_rng(3)
    deep = make_case(
        rng,
        weights=rng.random((1, 138, 256)) < 0.5,
        initial_accumulators=rng.integers(-4, 4, (1, 1, 138)),
        threshold=True,
        pe=1,
        simd=32,
        popcount=Popcount(levels_per_stage=1),
    ).spec
    # 1,104 words of 32 bits are three banks of 512; 138 presets are one bank, the buffer is elsewhere.
    assert [memory.layout.registers for memory in (deep.stored_memory, deep.preset_memory, deep.sources[2])] == [
        2,
        1,
        0,
    ]
    assert deep.memory_stage == 2
    assert deep.latency == 2 + 2 + deep.dot.stages(deep.popcount)
    for popcount in (Popcount(levels_per_stage=0), Popcount(style="tree", levels_per_stage=1)):
        assert replace(deep, popcount=popcount).memory_stage == 1


@pytest.mark.parametrize(
    ("shape", "pe", "simd"),
    [((1, 4, 6), 4, 6), ((2, 4, 6), 4, 6), ((1, 5, 7), 2, 7), ((2, 4, 6), 4, 2), ((1, 5, 7), 2, 3)],
)
@pytest.mark.parametrize("row_classes", [(0, 0, 0), (0, 1, 2), (0, 0, 1)])
def test_a_vector_leaves_every_fold_cycles(
    shape: tuple[int, int, int], pe: int, simd: int, row_classes: tuple[int, ...]
) -> None:
    rng = np.random.default_rng(1)
    column_classes = (0, 1, 1, 2)
    case = make_case(
        rng,
        weights=rng.random(shape) < 0.5,
        initial_accumulators=rng.integers(-4, 4, ((row_classes[-1] + 1) * 3, *shape[:2])),
        positions=(3, 4),
        row_classes=row_classes,
        column_classes=column_classes,
        threshold=False,
        pe=pe,
        simd=simd,
        popcount=Popcount(levels_per_stage=1),
    )
    none = np.zeros(0, bool)
    spec = case.spec
    moved = run(case, pauses=none, refusals=none, rng=rng)
    ends = moved[spec.neuron_folds - 1 :: spec.neuron_folds]
    assert set(np.diff(ends)) == {spec.fold}
    # The first beat arrives in cycle 0; the last word of the first group is issued when it is there.
    assert moved[0] == 1 + (spec.synapse_folds - 1) + spec.latency + 1


def test_padding_never_counts_in_accumulators_that_are_as_narrow_as_can_be() -> None:
    # The padded neurons have all their weights set: their sums reach far beyond the accumulator.
    rng = np.random.default_rng(2)
    case = make_case(
        rng,
        weights=rng.integers(-1, 1, (1, 3, 5)),
        initial_accumulators=rng.integers(-160, -140, (1, 1, 3)),
        threshold=True,
        pe=8,
        simd=4,
        lane_bits=4,
        popcount=Popcount(levels_per_stage=0),
    )
    none = np.zeros(0, bool)
    run(case, pauses=none, refusals=none, rng=rng)


@given(data=st.data(), each=st.integers(1, 4), seed=st.integers(0, 2**32))
def test_words_of_each_class_come_in_turn(data: st.DataObject, each: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, columns = (data.draw(classes(data.draw(st.integers(1, 6)))) for _ in range(2))
    count = (rows[-1] + 1) * (columns[-1] + 1)
    assume(count * each > 1)  # one word is wires, without a clock
    words = rng.permutation(256)[: count * each].tolist()
    order = [
        words[(row * (columns[-1] + 1) + column) * each + n] for row in rows for column in columns for n in range(each)
    ]
    dut = ClassRom(words=words, width=8, rows=rows, columns=columns)

    async def bench(ctx: Any) -> None:
        at = 0
        while at < 2 * len(order) + 1:
            step = rng.random() < 0.7
            ctx.set(dut.step, step)
            await ctx.tick()
            if step:
                assert ctx.get(dut.data) == order[at % len(order)]
                at += 1

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
