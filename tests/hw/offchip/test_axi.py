"""Weights over AXI4: what the master may do, and what it makes of the answers."""

from random import Random

import pytest
from bitweir_hw.errors import PlanError
from bitweir_hw.offchip import AxiWeightReader, ReaderSpec
from hypothesis import given, settings
from hypothesis import strategies as st
from support.buses import AxiMemory
from support.offchipbench import drawn_words, drive_reader, image_beats, made_layout, numbers


@settings(max_examples=5)
@given(
    shapes=st.lists(st.tuples(st.integers(1, 600), st.integers(1, 30)), min_size=1, max_size=3),
    beat_bytes=st.sampled_from([4, 8, 16, 32, 64]),
    log_burst=st.integers(0, 6),
    seed=st.integers(0, 999),
)
def test_a_master_that_keeps_the_rules(shapes, beat_bytes, log_burst, seed):
    random = Random(seed)
    layout = made_layout(shapes, beat_bytes=beat_bytes, burst_beats=1 << log_burst)
    words = drawn_words(layout, 3)
    dut = AxiWeightReader(ReaderSpec(layout=layout, address_bits=32, outstanding=3))
    base = layout.burst_bytes * random.randrange((1 << 32) // layout.burst_bytes - sum(layout.bursts))
    memory = AxiMemory(dut, layout, image_beats(layout, words), base, random, outstanding=3)
    expected = numbers(layout, words, [depth + 3 for _, depth in shapes])
    stalls = [[random.random() < 0.3 for _ in range(300)] for _ in shapes]
    drive_reader(dut, layout, memory, expected, stalls, base=base)


@pytest.mark.parametrize("response", [1, 2, 3])
@settings(max_examples=2)
@given(seed=st.integers(0, 999), error_at=st.integers(0, 30))
def test_a_beat_that_fails_ends_it(response, seed, error_at):
    layout = made_layout([(33, 20), (8, 50)], beat_bytes=4, burst_beats=4)
    words = drawn_words(layout, 3)
    dut = AxiWeightReader(ReaderSpec(layout=layout))
    memory = AxiMemory(dut, layout, image_beats(layout, words), 0, Random(seed), error_at=error_at, response=response)
    expected, seen = numbers(layout, words, [100, 400]), []

    def each(ctx, cycle, sinks):
        for sink, want in zip(sinks, expected, strict=True):
            assert sink.beats == want[: len(sink.beats)]
        seen.append((memory.sent > error_at, bool(ctx.get(dut.error)), sum(len(sink.beats) for sink in sinks)))

    with pytest.raises(AssertionError, match="nothing moves any more"):
        drive_reader(dut, layout, memory, expected, [(), ()], base=0, each=each, limit=200)
    # The flag follows the beat, and stays.
    failed = [sent for sent, *_ in seen]
    assert seen[-1][:2] == (True, True) and [error for _, error, _ in seen][1:] == failed[:-1]


@pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
@pytest.mark.usefixtures("left_unused")
def test_a_bus_that_cannot_be():
    layout = made_layout([(32, 8)], beat_bytes=2, burst_beats=4)
    with pytest.raises(PlanError, match="AXI4 must have at least 4 bytes a beat, not 2."):
        AxiWeightReader(ReaderSpec(layout=layout))
