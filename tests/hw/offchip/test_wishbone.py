"""Weights over Wishbone: bursts as B4 has them, and what becomes of an error."""

from random import Random

import pytest
from bitweir_hw.errors import PlanError
from bitweir_hw.offchip import ReaderSpec, WishboneWeightReader
from hypothesis import given, settings
from hypothesis import strategies as st
from support.buses import WishboneMemory
from support.offchipbench import drawn_words, drive_reader, image_beats, made_layout, numbers


@settings(max_examples=6)
@given(
    shapes=st.lists(st.tuples(st.integers(1, 200), st.integers(1, 30)), min_size=1, max_size=3),
    beat_bytes=st.sampled_from([4, 8, 16]),
    log_burst=st.integers(0, 5),
    seed=st.integers(0, 999),
)
def test_a_master_that_keeps_the_rules(shapes, beat_bytes, log_burst, seed):
    random, layout = Random(seed), made_layout(shapes, beat_bytes=beat_bytes, burst_beats=1 << log_burst)
    words = drawn_words(layout, 3)
    dut = WishboneWeightReader(ReaderSpec(layout=layout, address_bits=20, outstanding=3))
    base = layout.burst_bytes * random.randrange((1 << 20) // layout.burst_bytes - sum(layout.bursts))
    memory = WishboneMemory(dut, layout, image_beats(layout, words), base, random)
    expected = numbers(layout, words, [depth + 3 for _, depth in shapes])
    stalls = [[random.random() < 0.3 for _ in range(200)] for _ in shapes]
    drive_reader(dut, layout, memory, expected, stalls, base=base)
    assert memory.sent > 0 and max(memory.bursts) <= layout.burst_beats


def test_a_burst_takes_a_cycle_more_than_its_beats():
    layout = made_layout([(32, 256)], beat_bytes=4, burst_beats=16)
    words = drawn_words(layout, 1)
    dut = WishboneWeightReader(ReaderSpec(layout=layout, buffer_bursts=4))
    memory = WishboneMemory(dut, layout, image_beats(layout, words), 0, Random(0), share=0)
    cycles = drive_reader(dut, layout, memory, numbers(layout, words, [512]), [()], base=0)
    assert set(memory.bursts[:-1]) == {16} and 17 * 32 <= cycles < 17 * 32 + 16


@pytest.mark.parametrize("error_at", [0, 5, 18])
def test_a_beat_that_fails_ends_it(error_at):
    layout = made_layout([(33, 20), (8, 50)], beat_bytes=4, burst_beats=4)
    words = drawn_words(layout, 3)
    dut = WishboneWeightReader(ReaderSpec(layout=layout))
    memory = WishboneMemory(dut, layout, image_beats(layout, words), 0, Random(1), error_at=error_at)
    expected, seen = numbers(layout, words, [100, 400]), []

    def each(ctx, cycle, sinks):
        for sink, want in zip(sinks, expected, strict=True):
            assert sink.beats == want[: len(sink.beats)]
        seen.append((memory.sent > error_at, bool(ctx.get(dut.error)), bool(ctx.get(dut.wb_cyc))))

    with pytest.raises(AssertionError, match="nothing moves any more"):
        drive_reader(dut, layout, memory, expected, [(), ()], base=0, each=each, limit=200)
    assert seen[-1] == (True, True, False)
    assert [error for _, error, _ in seen][1:] == [failed for failed, *_ in seen][:-1]


@pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
@pytest.mark.usefixtures("left_unused")
def test_a_bus_that_cannot_be():
    layout = made_layout([(32, 8)], beat_bytes=2, burst_beats=4)
    with pytest.raises(PlanError, match="Wishbone must have at least 4 bytes a beat, not 2."):
        WishboneWeightReader(ReaderSpec(layout=layout))
