"""Accelerators that read their weights from a memory by themselves: results are those of the golden model."""

from dataclasses import replace
from random import Random
from types import SimpleNamespace

import numpy as np
import pytest
from amaranth.hdl import Cat
from amaranth.sim import Simulator
from bitweir_hw.accelerator import AcceleratorWithReader, weight_image, weight_layout
from bitweir_hw.axi import AxiAccelerator, AxiPorts
from bitweir_hw.errors import PlanError
from bitweir_hw.lower import lower
from bitweir_hw.offchip import (
    SDRAM_PARTS,
    AxiWeightReader,
    ImageLayout,
    ReaderSpec,
    SdramSpec,
    SdramWeightReader,
    WeightReader,
    WishboneWeightReader,
)
from bitweir_sim.time.cycles import schedule
from bitweir_sim.time.offchip import MemoryPattern, reader_supplies
from bitweir_sim.time.sdram import SdramPattern
from bitweir_sim.values.frames import element_masks, expected_beats, pack
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.axibench import frames_and_results, transfers
from support.buses import AxiMemory, SdramMemory, WishboneMemory
from support.offchipbench import Beats
from support.samples import streamed_example
from support.strategies import codes, dense_networks, networks, plans
from support.streams import Sink, Source


def beats_of(layout, pipeline):
    """The image, as beats of the bus."""
    image, size = weight_image(pipeline, layout), layout.beat_bytes
    return [int.from_bytes(image[at : at + size], "little") for at in range(0, len(image), size)]


def run(network, pipeline, dut, memory, frames, random, *, base=0):
    """Send frames, and take all results that are expected, and nothing else."""
    beats = [int.from_bytes(row.tobytes(), "little") for row in pack(frames, pipeline.input)]
    expected = [int.from_bytes(row.tobytes(), "little") for row in expected_beats(network, pipeline, frames)[-1]]
    masks = element_masks(pipeline.output, len(frames) // pipeline.parallel_frames)
    stalls = stalls_of(random)
    source = Source(dut.i, beats, stalls)
    sink = Sink(dut.o, expected, stalls[::-1], masks=[int.from_bytes(row.tobytes(), "little") for row in masks])
    simulate(dut, memory, source, sink, base=base)
    return source, sink


def stalls_of(random):
    return [random.random() < 0.3 for _ in range(200)]


def simulate(dut, memory, source, sink, *, base, start=10, limit=20000):
    """Let all beats through."""

    async def bench(ctx):
        cycle = 0
        while not (source.done and sink.done):
            assert cycle < limit, "nothing moves any more"
            # Frames may come long before weights do.
            ctx.set(dut.weights_enable, cycle >= start)
            ctx.set(dut.weights_base, base)
            memory.begin(ctx, cycle)
            for side in (source, sink):
                side.begin(cycle)
                side.show(ctx)
            memory.end(ctx, cycle)
            source.end(cycle, source.see(ctx))
            sink.end(cycle, sink.see(ctx))
            assert not ctx.get(dut.weights_error)
            cycle += 1
            await ctx.tick()
            memory.after(ctx)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


def made(kind, pipeline, burst_beats, random, base=0):
    """An accelerator with a reader, and the memory with its image."""
    layout = weight_layout(pipeline, beat_bytes={"axi": 8, "wishbone": 4, "sdram": 2}[kind], burst_beats=burst_beats)
    if kind == "sdram":
        part = replace(SDRAM_PARTS["ulx3s-32mb"], power_up_us=2.0)
        spec = SdramSpec(part=part, clock=100_000_000, layout=layout)
        dut = AcceleratorWithReader(pipeline, SdramWeightReader(spec))
        return dut, SdramMemory(dut, spec, beats_of(layout, pipeline), random)
    reader, memory = {"axi": (AxiWeightReader, AxiMemory), "wishbone": (WishboneWeightReader, WishboneMemory)}[kind]
    dut = AcceleratorWithReader(pipeline, reader(ReaderSpec(layout=layout)))
    return dut, memory(dut, layout, beats_of(layout, pipeline), base, random)


@pytest.mark.parametrize("kind", ["axi", "wishbone", "sdram"])
def test_each_memory(kind):
    network, plan = streamed_example(parallel_frames=2)
    pipeline, random = lower(network, plan), Random(1)
    dut, memory = made(kind, pipeline, 8, random)
    run(network, pipeline, dut, memory, np.random.default_rng(2).integers(0, 2, (6, 45)), random)


@settings(max_examples=3)
@given(data=st.data())
def test_drawn_networks(data):
    network = data.draw(st.one_of(dense_networks(), networks()))
    pipeline = lower(network, data.draw(plans(network, max_streams=4, streamed=True)))
    assume(pipeline.weight_streams)
    random, frames = Random(data.draw(st.integers(0, 99))), pipeline.parallel_frames
    base = 1024 * random.randrange(1000)
    dut, memory = made("axi", pipeline, 1 << data.draw(st.integers(0, 5)), random, base)
    run(network, pipeline, dut, memory, data.draw(codes(network, frames)), random, base=base)


@settings(max_examples=4)
@given(data=st.data())
def test_each_beat_in_its_cycle(data):
    """The accelerator, the reader and a pattern of answers: the model says when each beat moves."""
    network = data.draw(st.one_of(dense_networks(), networks()))
    pipeline = lower(network, data.draw(plans(network, max_streams=2, streamed=True)))
    assume(pipeline.weight_streams)
    layout = weight_layout(pipeline, beat_bytes=4, burst_beats=4)
    spec = ReaderSpec(layout=layout, outstanding=data.draw(st.integers(2, 4)))
    pattern = {
        "latency": data.draw(st.integers(1, 40)),
        "waits": data.draw(st.lists(st.integers(0, 3), min_size=1, max_size=9)),
    }
    refusals = data.draw(st.lists(st.booleans(), max_size=60))
    dut, random = AcceleratorWithReader(pipeline, WeightReader(spec)), Random(1)
    memory = Beats(dut, layout, beats_of(layout, pipeline), 64, refuses=refusals, **pattern)
    frames = data.draw(codes(network, 2 * pipeline.parallel_frames))
    source, sink = run(network, pipeline, dut, memory, frames, random, base=64)
    supplies = reader_supplies(spec, MemoryPattern(refusals=refusals, **pattern), enable=10)
    stalls = stalls_of(Random(1))
    cycles = schedule(pipeline, 2, i_stalls=stalls, o_stalls=stalls[::-1], supplies=supplies)
    assert cycles[0].tolist() == source.cycles
    assert cycles[len(pipeline.streams) - 1].tolist() == sink.cycles


@settings(max_examples=4)
@given(data=st.data())
def test_each_beat_in_its_cycle_with_an_sdram(data):
    network = data.draw(st.one_of(dense_networks(), networks()))
    pipeline = lower(network, data.draw(plans(network, max_streams=2, streamed=True)))
    assume(pipeline.weight_streams)
    random = Random(1)
    layout = weight_layout(pipeline, beat_bytes=2, burst_beats=1 << data.draw(st.integers(0, 5)))
    part = replace(SDRAM_PARTS["ulx3s-32mb"], power_up_us=0.5)
    late, clock = data.draw(st.integers(0, 3)), data.draw(st.sampled_from([50_000_000, 100_000_000, 125_000_000]))
    spec = SdramSpec(part=part, clock=clock, layout=layout, late=late)
    dut = AcceleratorWithReader(pipeline, SdramWeightReader(spec))
    memory = LateMemory(dut, spec, beats_of(layout, pipeline), random)
    frames = data.draw(codes(network, 2 * pipeline.parallel_frames))
    source, sink = run(network, pipeline, dut, memory, frames, Random(1))
    stalls = stalls_of(Random(1))
    supplies = reader_supplies(dut.reader.spec, SdramPattern(spec), enable=10)
    cycles = schedule(pipeline, 2, i_stalls=stalls, o_stalls=stalls[::-1], supplies=supplies)
    assert cycles[0].tolist() == source.cycles
    assert cycles[len(pipeline.streams) - 1].tolist() == sink.cycles


class LateMemory(SdramMemory):
    """A chip whose beats come some cycles late, as on a board."""

    def __init__(self, dut, spec, content, random):
        super().__init__(dut, spec, content, random)
        self.way = [0] * spec.late

    def after(self, ctx):
        self.way.append(self.driven)
        self.driven = self.way.pop(0)
        super().after(ctx)


@pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
@pytest.mark.usefixtures("left_unused")
def test_readers_that_do_not_fit():
    network, plan = streamed_example()
    pipeline = lower(network, plan)
    other = ImageLayout(streams=weight_layout(pipeline).streams[:1], beat_bytes=8, burst_beats=4)
    with pytest.raises(PlanError, match="must be for the weights of this accelerator"):
        AcceleratorWithReader(pipeline, AxiWeightReader(ReaderSpec(layout=other)))
    with pytest.raises(PlanError, match="4, 8, 16, 32 or 64 bytes of data, not 2"):
        AxiAccelerator(pipeline, AxiPorts(frame_bytes=4, memory_bytes=2))


@pytest.mark.parametrize("memory_bytes", [4, 64])
def test_packets_and_weights_over_axi(memory_bytes):
    network, plan = streamed_example()
    pipeline, random = lower(network, plan), Random(3)
    dut = AxiAccelerator(pipeline, AxiPorts(frame_bytes=4, memory_bytes=memory_bytes))
    layout = dut.reader.spec.layout
    # For all widths of the bus the image is the same.
    assert weight_image(pipeline, layout) == weight_image(pipeline)
    memory = AxiMemory(dut, layout, beats_of(layout, pipeline), 512, random)
    sent, results = frames_and_results(network, pipeline, np.random.default_rng(4).integers(0, 2, (5, 45)), 4)
    i = SimpleNamespace(
        payload=Cat(dut.s_axis_tdata, dut.s_axis_tkeep, dut.s_axis_tlast),
        valid=dut.s_axis_tvalid,
        ready=dut.s_axis_tready,
    )
    o = SimpleNamespace(
        payload=Cat(dut.m_axis_tdata, dut.m_axis_tkeep, dut.m_axis_tlast),
        valid=dut.m_axis_tvalid,
        ready=dut.m_axis_tready,
    )
    sides = [
        [data | keep << 32 | last << 36 for packet in packets for data, keep, last in transfers(packet, 4)]
        for packets in (sent, results)
    ]
    simulate(dut, memory, Source(i, sides[0]), Sink(o, sides[1]), base=512)
