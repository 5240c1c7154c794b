"""Frames and results as packets: right ones go through whole and at full rate, wrong ones leave nothing behind."""

import zlib
from functools import partial

import numpy as np
import pytest
from amaranth.hdl import Value
from amaranth.sim import Simulator
from bitweir_hw.axi import TDATA_BYTES, AxiAccelerator, AxiPorts, PacketLayout
from bitweir_hw.axi.checksum import Checksum
from bitweir_hw.axi.load import PacketBeats
from bitweir_hw.axi.receive import FrameReceiver, PacketBuffer
from bitweir_hw.axi.send import ResultSender
from bitweir_hw.blocks import ArgmaxSpec, ResultSpec
from bitweir_hw.errors import PlanError
from bitweir_hw.lower import lower
from bitweir_hw.plan import LOAD_WIDTHS
from bitweir_sim.time.cycles import steady_state
from hypothesis import given, settings
from hypothesis import strategies as st
from support.axibench import broken, drive_packets, frame_bytes, frames_and_results, result_bytes, transfers, varied
from support.strategies import codes, map_networks, networks, plans, stalls

WIDTHS = st.sampled_from(TDATA_BYTES[:5])


def layouts():
    return st.builds(
        PacketLayout,
        tdata_bytes=WIDTHS,
        beats=st.one_of(st.just(1), st.integers(1, 9)),
        beat_bits=st.integers(1, 70),
        classes=st.just(2),
        score_bits=st.just(3),
    )


def number(rng, bits):
    return int.from_bytes(rng.bytes(-(-bits // 8)), "little") % (1 << bits)


def packets(layout, kinds, rng):
    """Transfers of packets, the beats of the good ones, and how many are short and long."""
    sent, beats, wrong = [], [], {"short": 0, "long": 0}
    for kind in kinds:
        frame = [number(rng, layout.beat_bits) for _ in range(layout.beats)]
        content = frame_bytes(frame, layout.beat_bits)
        assert len(content) == layout.frame_bytes
        # What fills up the last byte may be anything.
        content = content[:-1] + bytes(
            [content[-1] | int(rng.integers(0, 256)) << (layout.frame_bits - 1) % 8 + 1 & 255]
        )
        if kind == "good":
            beats += frame
            words = transfers(content, layout.tdata_bytes, keep_all=bool(rng.integers(0, 2)))
            assert len(words) == layout.frame_words
            sent += words
        else:
            sent += broken(content, layout.tdata_bytes, kind, rng)
            wrong["long" if kind == "long" else "short"] += 1
    return sent, beats, wrong


def dropped(ctx, dut):
    return ctx.get(dut.short_packets), ctx.get(dut.long_packets)


def ends(dut):
    payload = dut.i.payload
    return ((payload.data, payload.keep, payload.last), dut.i.valid, dut.i.ready), (
        (dut.o.payload,),
        dut.o.valid,
        dut.o.ready,
    )


@settings(max_examples=40)
@given(
    layout=layouts(),
    kinds=st.lists(st.sampled_from(["good", "good", "short", "long", "hole"]), max_size=8),
    seed=st.integers(0, 2**32),
    i_stalls=stalls(),
    o_stalls=stalls(),
)
def test_only_whole_packets_become_frames(layout, kinds, seed, i_stalls, o_stalls):
    sent, beats, wrong = packets(layout, kinds, np.random.default_rng(seed))
    dut = FrameReceiver(layout)
    expected = [(beat,) for beat in beats]
    _, counts = drive_packets(dut, *ends(dut), sent, expected, i_stalls, o_stalls, read=lambda ctx: dropped(ctx, dut))
    assert counts == (wrong["short"], wrong["long"])


@pytest.mark.parametrize("words", [1, 2, 3, 4, 17])
@pytest.mark.parametrize("kinds", [["good"], ["good", "short"], ["good", "hole"]])
def test_packets_follow_each_other_without_a_gap(words, kinds):
    layout = PacketLayout(tdata_bytes=2, beats=words, beat_bits=16, classes=2, score_bits=3)
    kinds = kinds * 20
    sent, beats, _ = packets(layout, kinds, np.random.default_rng(1))
    dut = FrameReceiver(layout)
    taken = []
    moved, _ = drive_packets(
        dut, *ends(dut), sent, [(beat,) for beat in beats], after=lambda ctx: taken.append(ctx.get(dut.i.ready))
    )
    assert all(taken[: len(sent)])
    assert moved[0] == words + 2
    if kinds[1] == "good":
        assert np.diff(moved).tolist() == [1] * (len(moved) - 1)


def test_counters_stop_at_the_top_and_start_again():
    layout = PacketLayout(tdata_bytes=1, beats=2, beat_bits=8, classes=2, score_bits=3)
    dut = PacketBuffer(layout)
    top, found = 2**8 - 1, []

    async def bench(ctx):
        async def packet(*, last, clear=0):
            ctx.set(dut.i.valid, 1)
            ctx.set(dut.i.payload.keep, 1)
            ctx.set(dut.i.payload.last, last)
            ctx.set(dut.clear, clear)
            await ctx.tick()
            ctx.set(dut.i.valid, 0)
            ctx.set(dut.clear, 0)
            found.append((ctx.get(dut.short_packets), ctx.get(dut.long_packets)))

        for _ in range(top + 3):
            await packet(last=1)
        await packet(last=1, clear=1)
        ctx.set(dut.clear, 1)
        await ctx.tick()
        await packet(last=0)
        await packet(last=0)
        await packet(last=1)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert [short for short, _ in found[top - 2 : top + 4]] == [top - 1, top, top, top, top, 1]
    assert found[top + 4 :] == [(0, 0), (0, 1), (0, 1)]


@st.composite
def result_specs(draw):
    classes = draw(st.integers(1, 20))
    make = draw(st.sampled_from([ArgmaxSpec, *(partial(ResultSpec, kind=kind) for kind in ("labels", "scores"))]))
    return make(
        name="argmax",
        layer="argmax",
        classes=classes,
        lanes=draw(st.integers(1, classes)),
        lane_bits=draw(st.integers(1, 40)),
        parallel_frames=draw(st.integers(1, 3)),
    )


def sender_layout(spec, width):
    return PacketLayout(
        tdata_bytes=width, beats=1, beat_bits=1, classes=spec.classes, score_bits=spec.lane_bits,
        parallel_frames=spec.parallel_frames,
        decides=isinstance(spec, ArgmaxSpec),
    )  # fmt: skip


def results(spec, count, rng):
    """Beats of results, and the bytes of their packets."""
    layout, beats, content = sender_layout(spec, 1), [], []
    for _ in range(count):
        scores = rng.integers(-(1 << spec.lane_bits - 1), 1 << spec.lane_bits - 1, (spec.classes, spec.parallel_frames))
        best = rng.integers(0, spec.classes, spec.parallel_frames).tolist() if layout.decides else []
        for n in range(spec.o_beats):
            lanes = scores[n * spec.lanes : (n + 1) * spec.lanes].ravel().tolist()
            beat = sum((score % (1 << spec.lane_bits)) << at * spec.lane_bits for at, score in enumerate(lanes))
            # Before the last beat the class may be any.
            index = best if n == spec.o_beats - 1 else rng.integers(0, spec.classes, len(best)).tolist()
            for at, value in enumerate(index):
                beat |= value << spec.i_bits + at * spec.index_bits
            beats.append(beat | (n == spec.o_beats - 1) << spec.o_bits - 1)
        content.append(result_bytes(scores.ravel().tolist(), best, spec.lane_bits, layout.class_bytes))
        assert len(content[-1]) == layout.result_bytes
    return beats, content


def run_sender(spec, width, beats, content, i_stalls=(), o_stalls=()):
    dut = ResultSender(sender_layout(spec, width), spec)
    expected = [word for packet in content for word in transfers(packet, width)]
    inputs = ((Value.cast(dut.i.payload),), dut.i.valid, dut.i.ready)
    o = dut.o.payload
    outputs = ((o.data, o.keep, o.last), dut.o.valid, dut.o.ready)
    moved, _ = drive_packets(dut, inputs, outputs, [(beat,) for beat in beats], expected, i_stalls, o_stalls)
    return moved


@settings(max_examples=40)
@given(
    spec=result_specs(),
    width=WIDTHS,
    count=st.integers(0, 5),
    seed=st.integers(0, 2**32),
    i_stalls=stalls(),
    o_stalls=stalls(),
)
def test_each_result_becomes_a_packet(spec, width, count, seed, i_stalls, o_stalls):
    run_sender(spec, width, *results(spec, count, np.random.default_rng(seed)), i_stalls, o_stalls)


@pytest.mark.parametrize("width", [1, 4, 64])
@pytest.mark.parametrize(
    ("classes", "lanes", "bits"), [(10, 10, 11), (10, 1, 11), (10, 4, 11), (300, 7, 9), (2, 1, 1), (1, 1, 5)]
)
@pytest.mark.parametrize("make", [ArgmaxSpec, partial(ResultSpec, kind="codes")], ids=["class", "codes"])
def test_results_follow_each_other_without_a_gap(make, width, classes, lanes, bits):
    spec = make(name="argmax", layer="argmax", classes=classes, lanes=lanes, lane_bits=bits)
    layout = sender_layout(spec, width)
    count = 12
    moved = run_sender(spec, width, *results(spec, count, np.random.default_rng(2)))
    lasts = moved[layout.result_words - 1 :: layout.result_words]
    assert set(np.diff(lasts)[3:]) == {max(spec.o_beats, layout.result_words)}


@settings(max_examples=40)
@given(
    width=WIDTHS,
    load_width=st.sampled_from(LOAD_WIDTHS),
    sizes=st.lists(st.integers(1, 40), max_size=5),
    seed=st.integers(0, 2**32),
    i_stalls=stalls(),
    o_stalls=stalls(),
)
def test_images_come_beat_by_beat_and_their_first_is_marked(width, load_width, sizes, seed, i_stalls, o_stalls):
    rng, sent, expected, load_width = np.random.default_rng(seed), [], [], min(load_width, width)
    for size in sizes:
        words = transfers(rng.bytes(size), width)
        # Bytes may be missing anywhere.
        words = [
            (data, keep & int(rng.integers(0, 1 << width)) if rng.random() < 0.2 else keep, last)
            for data, keep, last in words
        ]
        whole, there = (1 << load_width) - 1, []
        for data, keep, _ in words:
            for at in range(0, width, load_width):
                if kept := keep >> at & whole:
                    # What is missing is there, but does not count.
                    there.append((data >> 8 * at & (1 << 8 * load_width) - 1, kept != whole))
        sent += words
        expected += [(beat, at == 0, *([bad] if load_width > 1 else [])) for at, (beat, bad) in enumerate(there)]
    dut = PacketBeats(width, load_width=load_width)
    i, o = dut.i.payload, dut.o.payload
    inputs, outputs = (
        ((i.data, i.keep, i.last), dut.i.valid, dut.i.ready),
        ((o.data, o.first, *([o.bad] if load_width > 1 else [])), dut.o.valid, dut.o.ready),
    )
    drive_packets(dut, inputs, outputs, sent, expected, i_stalls, o_stalls)


def ports(dut):
    streams = []
    for prefix in ("s_axis", "m_axis"):
        carried = tuple(getattr(dut, f"{prefix}_{name}") for name in ("tdata", "tkeep", "tlast"))
        streams.append((carried, getattr(dut, f"{prefix}_tvalid"), getattr(dut, f"{prefix}_tready")))
    return streams


@settings(max_examples=8)
@given(st.data())
def test_drawn_networks_behind_axi(data):
    network = data.draw(st.one_of(networks(max_layers=2), map_networks()))
    pipeline = lower(network, data.draw(plans(network)))
    width, rng = data.draw(WIDTHS), np.random.default_rng(data.draw(st.integers(0, 2**32)))
    frames = data.draw(codes(network, data.draw(st.integers(1, 3))))
    good, results = frames_and_results(network, pipeline, frames, width)
    sent, wrong = [], []
    for content in good:
        for kind in data.draw(st.lists(st.sampled_from(["short", "long", "hole"]), max_size=1)):
            wrong.append(kind)
            sent += broken(content, width, kind, rng)
        sent += transfers(content, width)
    expected = [word for packet in results for word in transfers(packet, width)]
    i_stalls, o_stalls = data.draw(stalls()), data.draw(stalls())
    dut = AxiAccelerator(pipeline, width)
    _, counts = drive_packets(dut, *ports(dut), sent, expected, i_stalls, o_stalls, read=lambda ctx: dropped(ctx, dut))
    assert counts == (len(wrong) - wrong.count("long"), wrong.count("long"))


@pytest.mark.parametrize("width", [1, 4, 16])
def test_checksums_of_what_was_not_dropped(width):
    network, plan = varied()
    pipeline, rng = lower(network, plan), np.random.default_rng(6)
    frames = rng.integers(0, 2, (4, 45))
    good, results = frames_and_results(network, pipeline, frames, width)
    kinds = ("short", "long", "hole", "short")
    sent = [word for content, kind in zip(good, kinds, strict=True)
            for word in (*broken(content, width, kind, rng), *transfers(content, width))]  # fmt: skip
    expected = [word for packet in results for word in transfers(packet, width)]
    dut = AxiAccelerator(pipeline, AxiPorts(frame_bytes=width, checksums=True))
    _, told = drive_packets(
        dut, *ports(dut), sent, expected, read=lambda ctx: (ctx.get(dut.frames_crc), ctx.get(dut.results_crc))
    )
    assert told == (zlib.crc32(b"".join(good)), zlib.crc32(b"".join(results)))


@given(
    width=WIDTHS,
    size=st.integers(1, 40),
    count=st.integers(0, 3),
    seed=st.integers(0, 2**32),
    clear=st.integers(0, 20),
)
@settings(max_examples=25)
def test_a_checksum_is_that_of_zlib(width, size, count, seed, clear):
    rng = np.random.default_rng(seed)
    packets = [rng.bytes(size) for _ in range(count)]
    parts = [packet[at : at + width] for packet in packets for at in range(0, size, width)]
    # Anything may stand behind a packet in its last word.
    words = [int.from_bytes(part + rng.bytes(width - len(part)), "little") for part in parts]
    passed = b""
    dut = Checksum(packet_bytes=size, word_bytes=width)

    async def bench(ctx):
        nonlocal passed
        at = 0
        for cycle in range(len(words) + 25):
            moves = at < len(words) and rng.random() < 0.7
            ctx.set(dut.moves, moves)
            ctx.set(dut.word, words[at] if moves else int.from_bytes(rng.bytes(width), "little"))
            ctx.set(dut.clear, cycle == clear)
            passed = b"" if cycle == clear else passed
            if moves:
                passed += parts[at]
                at += 1
            await ctx.tick()
            assert ctx.get(dut.crc) == zlib.crc32(passed)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


@pytest.mark.parametrize("width", [1, 16])
def test_frames_at_full_rate(width):
    network, plan = varied()
    pipeline = lower(network, plan)
    frames = np.random.default_rng(5).integers(0, 2, (7, 45))
    good, results = frames_and_results(network, pipeline, frames, width)
    dut = AxiAccelerator(pipeline, width)
    expected = [word for packet in results for word in transfers(packet, width)]
    moved, _ = drive_packets(
        dut, *ports(dut), [word for content in good for word in transfers(content, width)], expected
    )
    layout = dut.layout
    lasts = moved[layout.result_words - 1 :: layout.result_words]
    interval = max(layout.frame_words, steady_state(pipeline).interval, layout.result_words)
    assert set(np.diff(lasts)[3:]) == {interval}


def test_the_class_alone_under_stalls():
    network, plan = varied()
    pipeline, rng = lower(network, plan), np.random.default_rng(5)
    good, results = frames_and_results(network, pipeline, rng.integers(0, 2, (9, 45)), 1)
    dut = AxiAccelerator(pipeline, AxiPorts(frame_bytes=1, class_only=True))
    sent = [word for content in good for word in transfers(content, 1)]
    expected = [word for packet in results for word in transfers(packet[-1:], 1)]
    drive_packets(dut, *ports(dut), sent, expected, rng.random(900) < 0.3, rng.random(900) < 0.5)


def test_the_width_must_be_one_that_there_is():
    pipeline = lower(*varied())
    with pytest.raises(PlanError) as error:
        PacketLayout.of(pipeline, 3)
    assert str(error.value) == "An AXI4-Stream must be 1, 2, 4, 8, 16, 32 or 64 bytes wide, not 3."
