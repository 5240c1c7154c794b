"""Accelerators whose weights come over streams: every beat in its cycle, however late its words come."""

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from bitweir_hw.accelerator import Accelerator, accelerator_rtlil, rtlil_to_verilog
from bitweir_hw.errors import PlanError
from bitweir_hw.link.board_core import Device
from bitweir_hw.link.protocol import Identity
from bitweir_hw.lower import lower
from bitweir_hw.network import Conv, Dense, Network, Threshold, check
from bitweir_hw.plan import Folding, Plan, weighted, words_of
from bitweir_hw.popcount import Popcount
from bitweir_sim.simulators.amaranth import run_amaranth
from bitweir_sim.simulators.cocotb import available, run_cocotb
from bitweir_sim.simulators.compiled import compile_design, compiler_missing
from bitweir_sim.time.cycles import schedule, steady_state
from bitweir_sim.time.stepping import CompiledStepper, PythonStepper
from bitweir_sim.time.supply import Supply, shared_supplies
from bitweir_sim.trace import SimulationError
from bitweir_sim.values.frames import pack, unpack_results
from bitweir_sim.values.golden import run_slow
from bitweir_sim.verify import expected_trace, explain, weight_feeds
from hypothesis import given, settings
from hypothesis import strategies as st
from support.every_beat import check_every_beat
from support.samples import shared_example, streamed_example
from support.strategies import codes, dense_networks, grouped_networks, identity_input, networks, plans, stalls


def supplies():
    """How one stream of weights comes: at a rate, behind a latency, with stalls."""
    rates = st.integers(1, 3).flatmap(lambda cycles: st.tuples(st.integers(1, cycles), st.just(cycles)))
    return st.builds(
        lambda rate, latency, held: Supply(words=rate[0], cycles=rate[1], latency=latency, stalls=~held),
        rates,
        st.integers(0, 40),
        stalls(),
    )


def drawn(data, networks_of):
    network = data.draw(networks_of)
    plan = data.draw(plans(network, max_streams=4, streamed=True))
    pipeline = lower(network, plan)
    return network, plan, pipeline, {one.block: data.draw(supplies()) for one in pipeline.weight_streams}


@settings(max_examples=12)
@given(st.data())
def test_every_beat(data):
    network, plan, _, given_supplies = drawn(data, st.one_of(dense_networks(), networks(), grouped_networks()))
    frames = data.draw(codes(network, data.draw(st.integers(1, 3))))
    check_every_beat(network, plan, frames, data.draw(stalls()), data.draw(stalls()), supplies=given_supplies)


@st.composite
def shared_by_pixels(draw):
    """A network of convolutions of which pixels share weights, and its plan."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    shape = (draw(st.integers(2, 4)), draw(st.sampled_from([2, 3, 4, 6])))
    channels, layers, source = 2, [], shape
    for index in range(draw(st.integers(1, 2))):
        outputs, size = draw(st.integers(1, 5)), draw(st.sampled_from([1, 3]))
        plain = index == 0 and draw(st.booleans())
        layers.append(
            Conv(
                name=f"conv{index}",
                weights=rng.random((outputs, size, size, channels)) < 0.5,
                pads=(size // 2,) * 4,
                pad_value=draw(st.sampled_from([0, -1])),
                thresholds=None if plain else rng.integers(-3, 4, (outputs, 1)),
                output=None if plain else identity_input(1).format,
            )
        )
        channels = outputs
        if plain:
            layers.append(
                Threshold(name="sign", thresholds=rng.integers(-3, 4, (outputs, 1)), output=identity_input(1).format)
            )
    layers.append(Dense(name="end", weights=rng.random((2, source[0] * source[1] * channels)) < 0.5))
    entry = replace(identity_input(2 * shape[0] * shape[1]), map_shape=(*shape, 2))
    network = check(Network(name="net", input=entry, layers=tuple(layers)))
    foldings = []
    for layer, result in weighted(network):
        sizes = (1 << (size - 1).bit_length() for size in (layer.outputs, min(layer.inputs, 16)))
        pe, simd = (draw(st.integers(1, size)) for size in sizes)
        folding = Folding(pe=pe, simd=simd, memory="stream")
        if words_of(layer, folding) == 1:
            foldings.append(replace(folding, memory="auto"))
            continue
        shares = [n for n in (2, 3, 4, 6, 1) if result.shape[1] % n == 0]
        foldings.append(replace(folding, share=draw(st.sampled_from(shares))))
    popcount = Popcount(style=draw(st.sampled_from(["tree", "fused"])), levels_per_stage=draw(st.integers(0, 3)))
    return network, Plan(foldings=tuple(foldings), popcount=popcount, parallel_frames=draw(st.integers(1, 4)))


@settings(max_examples=12)
@given(st.data())
def test_every_beat_where_pixels_share_weights(data):
    network, plan = data.draw(shared_by_pixels())
    pipeline = lower(network, plan)
    given_supplies = {one.block: data.draw(supplies()) for one in pipeline.weight_streams}
    frames = data.draw(codes(network, data.draw(st.integers(1, 2 * plan.parallel_frames))))
    check_every_beat(network, plan, frames, data.draw(stalls()), data.draw(stalls()), supplies=given_supplies)


@settings(max_examples=60)
@given(shared_by_pixels())
def test_pixels_that_share_weights_cost_no_cycle(drawn):
    network, plan = drawn
    pipeline = lower(network, plan)
    apart = lower(network, replace(plan, foldings=tuple(replace(one, share=1) for one in plan.foldings)))
    assert steady_state(pipeline).interval == steady_state(apart).interval == max(one.cycles for one in apart.blocks)
    for own, whole in zip(pipeline.weight_streams, apart.weight_streams, strict=True):
        assert own.words == whole.words
        assert own.frame_words * own.unit.shared_pixels == whole.frame_words


@settings(max_examples=25)
@given(st.data())
def test_compiled_and_python_models_agree(data):
    if data.draw(st.booleans()):
        pipeline = lower(*data.draw(shared_by_pixels()))
        given_supplies = {one.block: data.draw(supplies()) for one in pipeline.weight_streams}
    else:
        _, _, pipeline, given_supplies = drawn(data, networks())
    pauses, refusals = (data.draw(stalls()).astype(np.uint8) for _ in range(2))
    python, compiled = (kind(pipeline, given_supplies) for kind in (PythonStepper, CompiledStepper))
    for frames in (1, 3):
        limits = {"outputs": frames * pipeline.output.beats, "inputs": 3 * pipeline.input.beats, "drain": 5}
        ends = [run.run(**limits, pauses=pauses, refusals=refusals, record=True) for run in (python, compiled)]
        assert ends[0] == ends[1]
        assert python.counts() == compiled.counts()
        assert python.counts()[-1] >= frames * pipeline.output.beats
        assert python.state() == compiled.state()
    for stream in range(len(pipeline.streams) + len(pipeline.weight_streams)):
        assert np.array_equal(python.recorded(stream), compiled.recorded(stream))


@pytest.mark.parametrize("example", [streamed_example, shared_example], ids=["apart", "shared"])
@pytest.mark.parametrize("simulator", ["icarus", pytest.param("verilator", marks=pytest.mark.long), "compiled"])
def test_generated_verilog(tmp_path, simulator, example):
    missing = compiler_missing() if simulator == "compiled" else available(simulator)
    if missing:
        pytest.skip(missing)
    network, plan = example(parallel_frames=2)
    pipeline = lower(network, plan)
    rng = np.random.default_rng(2)
    frames = rng.integers(0, 2, (12, network.input.size))
    i_stalls, o_stalls, late = rng.random(400) < 0.3, rng.random(400) < 0.6, rng.random(900) < 0.5
    first, second = pipeline.weight_streams
    given_supplies = {first.block: Supply(stalls=late), second.block: Supply(words=2, cycles=9, latency=70)}
    timed = {"i_stalls": i_stalls, "o_stalls": o_stalls}
    expected = expected_trace(network, pipeline, frames, supplies=given_supplies, **timed)
    job = {"expected": expected, "feeds": weight_feeds(pipeline, given_supplies, cycles=5000), **timed}
    text = accelerator_rtlil(pipeline, name="odd", taps=True)
    beats = pack(frames, pipeline.input)
    if simulator == "compiled":
        found = compile_design(text, top="odd", optimise=1).run(beats, **job)
    else:
        source = tmp_path / "odd.v"
        source.write_text(rtlil_to_verilog(text))
        job["drain"] = 0
        found = run_cocotb(
            [source], top="odd", simulator=simulator, beats=beats, i_bits=pipeline.input.bits, **job
        )  # fmt: skip
    result, golden = unpack_results(found.o.payloads, pipeline, len(frames)), run_slow(network, frames)
    assert np.array_equal(result.scores, golden.scores)
    assert np.array_equal(result.classes, golden.classes)
    # Words came in order, over and over.
    words = first.unit.weight_words()
    came = found.streams[first.name].integers()
    assert len(came) > 2 * len(words)
    assert came == [words[n % len(words)] for n in range(len(came))]


def test_a_wrong_word_is_told():
    network, plan = streamed_example()
    pipeline = lower(network, plan)
    frames = np.random.default_rng(3).integers(0, 2, (2, 45))
    feeds = weight_feeds(pipeline)
    words = feeds["dense_0"].words.copy()
    words[3, 0] ^= 1
    feeds["dense_0"] = replace(feeds["dense_0"], words=words)
    with pytest.raises(SimulationError) as error:
        run_amaranth(
            Accelerator(pipeline, taps=True), pack(frames, pipeline.input),
            expected=expected_trace(network, pipeline, frames), feeds=feeds,
        )  # fmt: skip
    assert error.value.difference is not None
    assert explain(error.value.difference, pipeline).startswith("layer dense_0, word of weights 3, cycle ")


@pytest.mark.parametrize(("bits", "interval"), [(1000, 36), (40, 36), (33, 38), (32, 39), (8, 155)])
def test_the_slower_of_arithmetic_and_memory_sets_the_pace(bits, interval):
    pipeline = lower(*streamed_example())
    # 6 groups of neurons by 6 words of 32 weights, and 3 words of 28: 1,236 bits.
    assert [(one.words, one.bits, one.frame_words) for one in pipeline.weight_streams] == [(36, 32, 36), (3, 28, 3)]
    shared = shared_supplies(pipeline, Fraction(bits), interval=36)
    timing = steady_state(pipeline, shared)
    assert timing.interval == interval == max(36, -(-1236 // bits))
    assert timing.period <= 8
    times = schedule(pipeline, 9, supplies=shared)[len(pipeline.streams) - 1]
    ends = times[pipeline.output.beats - 1 :: pipeline.output.beats]
    assert ends.tolist() == [timing.last_cycle(frame) for frame in range(1, 10)]
    assert steady_state(pipeline).interval == 36


@pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
@pytest.mark.usefixtures("left_unused")
def test_what_has_no_memory_to_read_weights_from_refuses_them():
    network, plan = streamed_example()
    pipeline = lower(network, plan)
    identity = Identity.of(
        pipeline, capacity=64, clock=1_000_000, cycles=36, latency=50, digest=bytes(32), plan=bytes(32)
    )
    told = "Weights of layer 'dense_0' must not come over a stream: the {} has no memory to read them from; fold"
    with pytest.raises(PlanError, match=told.format("board's design")):
        Device(pipeline, identity, link_clock=1_000_000, baud=115_200)


def test_what_a_supply_offers_is_what_simulators_hold_back():
    for supply in (
        Supply(words=2, cycles=5, latency=3),
        Supply(words=3, cycles=3, latency=1),
        Supply(stalls=[1, 0, 1]),
    ):
        source = supply.source()
        moved = [source.step(cycle, ready=True) for cycle in range(40)]
        held = supply.held_back(40)
        assert [cycle >= len(held) or not held[cycle] for cycle in range(40)] == moved
    with pytest.raises(ValueError, match="1 word a cycle or less"):
        Supply(words=2, cycles=1)
