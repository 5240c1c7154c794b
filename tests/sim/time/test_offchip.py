"""The reader of weights against its model: every word, and the cycle of every request and word."""

import re
from random import Random

import numpy as np
import pytest
from bitweir_hw.errors import PlanError
from bitweir_hw.offchip import ReaderSpec, WeightReader
from bitweir_sim.time.offchip import MemoryService, ReaderSteps
from hypothesis import given, settings
from hypothesis import strategies as st
from support import ROOT
from support.offchipbench import Beats, drawn_words, drive_reader, image_beats, made_layout, numbers

CYCLES = 150
EXAMPLES = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "outside-memory.md").read_text(), re.DOTALL)
SHAPES = st.lists(st.tuples(st.integers(1, 80), st.integers(1, 40)), min_size=1, max_size=5)
STALLS = st.lists(st.booleans(), max_size=CYCLES)


@st.composite
def specs(draw, *, shapes=SHAPES):
    burst = 1 << draw(st.integers(0, 4))
    layout = made_layout(draw(shapes), beat_bytes=draw(st.sampled_from([2, 4, 8])), burst_beats=burst)
    return ReaderSpec(
        layout=layout,
        address_bits=draw(st.integers(16, 32)),
        outstanding=draw(st.integers(2, 5)),
        buffer_bursts=draw(st.integers(2, 4)),
        stage_levels=draw(st.integers(0, 1)),
    )


@settings(max_examples=12)
@given(spec=specs(), data=st.data())
def test_every_word_in_its_cycle(spec, data):
    layout = spec.layout
    words = drawn_words(layout, data.draw(st.integers(0, 9)))
    counts = [data.draw(st.integers(0, 2 * weights.depth + 2)) for weights in layout.streams]
    stalls = [data.draw(STALLS) for _ in layout.streams]
    base = data.draw(st.integers(0, (1 << spec.address_bits) // layout.burst_bytes - sum(layout.bursts)))
    dut, model = WeightReader(spec), ReaderSteps(spec)
    start = data.draw(st.integers(0, 3))
    memory = Beats(
        dut,
        layout,
        image_beats(layout, words),
        base * layout.burst_bytes,
        refuses=data.draw(STALLS),
        waits=data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=20)),
        latency=data.draw(st.integers(1, 30)),
    )

    def compare(ctx, cycle, sinks):
        asked = ctx.get(dut.request.payload) if ctx.get(dut.request.valid) else None
        said = None if asked is None else (asked.address - memory.base, asked.more + 1)
        assert said == model.request(), f"request in cycle {cycle}"
        assert [sink.valid for sink in sinks] == [model.valid(n) for n in range(len(sinks))], f"cycle {cycle}"
        model.step(
            enable=cycle == start, accepted=memory.accepted, beat=memory.gives, gives=[sink.moves for sink in sinks]
        )
        assert not ctx.get(dut.error)

    drive_reader(
        dut, layout, memory, numbers(layout, words, counts), stalls,
        base=base * layout.burst_bytes, each=compare, start=start,
    )  # fmt: skip


@settings(max_examples=20)
@given(spec=specs(), data=st.data())
def test_nothing_comes_later_than_the_bound(spec, data):
    # In the model alone, which is exact: layer 0 takes all that comes, the others what they like.
    layout, model = spec.layout, ReaderSteps(spec)
    service = MemoryService(
        accept=data.draw(st.integers(1, 9)),
        latency=data.draw(st.integers(1, 60)),
        overhead=data.draw(st.integers(0, 9)),
        beat_cycles=data.draw(st.integers(1, 3)),
    )
    random = Random(data.draw(st.integers(0, 99)))
    lazy = data.draw(st.sampled_from([0.0, 0.5, 1.0]))
    latest = service.arrivals(spec, 0, 12)
    offered, asked, done, arrived = 0, [], 0, []
    for cycle in range(latest[-1] + 1):
        request = model.request()
        offered = offered + 1 if request else 0
        accepted = request is not None and (offered >= service.accept or random.random() > lazy)
        # A burst comes as late as the memory may, or sooner.
        beat = False
        if asked:
            since, beats, left, layer = asked[0]
            begin = max(since + service.latency, done)
            due = begin + service.overhead + service.beat_cycles * (beats - left + 1)
            beat = cycle >= due or (cycle > since and random.random() > lazy)
        if beat:
            asked[0][2] -= 1
            if asked[0][2] == 0:
                done = cycle
                if asked.pop(0)[3] == 0:
                    arrived.append(cycle)
        if accepted:
            layer = max(n for n, base in enumerate(layout.bases) if base <= request[0])
            asked.append([cycle, request[1], request[1], layer])
            offered = 0
        gives = [model.valid(n) and (n == 0 or random.random() < 0.5) for n in range(len(layout.streams))]
        model.step(enable=cycle == 0, accepted=accepted, beat=beat, gives=gives)
    assert len(arrived) >= 12
    assert all(cycle <= bound for cycle, bound in zip(arrived, latest, strict=False))


def test_a_layer_that_takes_nothing_holds_no_other_up():
    layout = made_layout([(16, 64), (8, 30), (24, 50)], beat_bytes=4, burst_beats=8)
    words = drawn_words(layout, 1)
    spec = ReaderSpec(layout=layout, outstanding=4)
    dut = WeightReader(spec)
    memory = Beats(dut, layout, image_beats(layout, words), 0, latency=9)
    drive_reader(dut, layout, memory, numbers(layout, words, [0, 200, 0]), [(), (), ()], base=0)
    # Two bursts for each that stands still, and no more.
    assert sum(at < layout.bases[1] for at, _ in memory.moved) == 2
    assert sum(at >= layout.bases[2] for at, _ in memory.moved) == 2


def test_the_bus_is_kept_busy():
    layout = made_layout([(64, 128), (64, 64), (64, 128)], beat_bytes=8, burst_beats=16)
    words = drawn_words(layout, 1)
    dut = WeightReader(ReaderSpec(layout=layout, buffer_bursts=4))
    memory = Beats(dut, layout, image_beats(layout, words), 0, latency=20)
    counts = [200, 200, 200]
    cycles = drive_reader(dut, layout, memory, numbers(layout, words, counts), [(), (), ()], base=0)
    assert cycles < sum(counts) + 20 + 35


@pytest.mark.parametrize("how", ["error", "early", "late", "unasked"])
def test_what_comes_wrong_gives_no_word(how):
    layout = made_layout([(20, 40), (32, 30)], beat_bytes=4, burst_beats=4)
    words = drawn_words(layout, 2)
    spec = ReaderSpec(layout=layout)
    expected = numbers(layout, words, [200, 200])
    for at in range(1, 40, 13):
        errors = []
        dut = WeightReader(spec)
        memory = Beats(dut, layout, image_beats(layout, words), 0, latency=3, error_at=at if how == "error" else None)
        usual, set_error = memory.begin, []

        def begin(ctx, cycle, dut=dut, memory=memory, usual=usual, set_error=set_error, at=at):
            usual(ctx, cycle)
            if memory.gives and memory.sent == at and how in ("early", "late"):
                ctx.set(dut.answer.last, not ctx.get(dut.answer.last))
            if how == "unasked" and not memory.asked and cycle > 5 and not set_error:
                ctx.set(dut.answer.valid, 1)
                set_error.append(cycle)

        def each(ctx, cycle, sinks, dut=dut, at=at, memory=memory, errors=errors):
            if memory.sent > at or (how == "unasked" and cycle > 12):
                errors.append(ctx.get(dut.error))
            for sink, want in zip(sinks, expected, strict=True):
                assert sink.beats == want[: len(sink.beats)]

        memory.begin = begin
        with pytest.raises(AssertionError, match="nothing moves any more"):
            drive_reader(dut, layout, memory, expected, [(), ()], base=0, each=each, limit=160)
        assert len(errors) > 50 and all(errors[1:])
        # Nothing more was asked for than what was under way.
        assert len(memory.moved) < at // 4 + 2 * len(layout.streams) + 4


@pytest.mark.parametrize(("base", "bits"), [(4, 16), ((1 << 16) - 16, 16)])
def test_bases_that_cannot_be(base, bits):
    layout = made_layout([(32, 8)], beat_bytes=4, burst_beats=4)
    words = drawn_words(layout, 2)
    dut = WeightReader(ReaderSpec(layout=layout, address_bits=bits))
    memory = Beats(dut, layout, image_beats(layout, words), base)
    seen = []
    with pytest.raises(AssertionError, match="nothing moves any more"):
        drive_reader(
            dut, layout, memory, numbers(layout, words, [8]), [()], base=base, limit=100,
            each=lambda ctx, cycle, sinks: seen.append((ctx.get(dut.error), len(sinks[0].beats))),
        )  # fmt: skip
    # The first burst of the second one lies within the addresses.
    assert seen[-1] == (1, 0 if base == 4 else 4) and all(at < 16 for at, _ in memory.moved)


def test_specifications_that_cannot_be():
    layout = made_layout([(32, 8)], beat_bytes=4, burst_beats=4)
    with pytest.raises(PlanError, match="Outstanding bursts must be at least 2, not 1."):
        ReaderSpec(layout=layout, outstanding=1)
    with pytest.raises(PlanError, match="Bursts of a buffer must be at least 2, not 1."):
        ReaderSpec(layout=layout, buffer_bursts=1)
    with pytest.raises(PlanError, match="An image of 32 bytes needs addresses of 5 bits, not 4."):
        ReaderSpec(layout=layout, address_bits=4)


@pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
@pytest.mark.usefixtures("left_unused")
def test_the_page_shows_the_reader_and_its_bound():
    scope = {}
    for example in EXAMPLES[1:]:
        exec(compile(example, "docs/outside-memory.md", "exec"), scope)  # noqa: S102
    latest = scope["latest"]
    assert len(latest) == 100 and (np.diff(latest) > 0).all()
    assert scope["reader"].spec.layout == scope["image"]


def test_the_bound_comes_near_what_a_bus_can_do():
    # Two layers that both take all they can, and buffers that outlast the latency.
    layout = made_layout([(256, 1152), (512, 4096)], beat_bytes=16, burst_beats=32)
    spec = ReaderSpec(layout=layout, buffer_bursts=8)
    latest = MemoryService(latency=40, overhead=2).arrivals(spec, 0, 100)
    assert 100 * 2 * 34 <= latest[-1] < 1.05 * 100 * 2 * 34
