"""Whole accelerators: every beat of every stream, in its cycle and with its value, under stalls on both sides."""

from dataclasses import replace

import numpy as np
import pytest
from amaranth.hdl import ResetInserter, Signal
from amaranth.sim import Simulator
from bitweir_hw.accelerator import Accelerator, accelerator_rtlil, rtlil_to_verilog
from bitweir_hw.lower import LOWERINGS, lower
from bitweir_hw.network import LAYERS, Affine, Dense, Network, check
from bitweir_hw.plan import Folding, Plan, check_plan
from bitweir_hw.popcount import Popcount
from bitweir_sim.simulators.amaranth import run_amaranth
from bitweir_sim.simulators.cocotb import available, run_cocotb
from bitweir_sim.time.cycles import schedule, steady_state
from bitweir_sim.time.stepping import CompiledStepper, PythonStepper
from bitweir_sim.trace import SimulationError
from bitweir_sim.values.frames import pack, unpack_results
from bitweir_sim.values.golden import EXECUTORS, run_slow
from bitweir_sim.verify import expected_trace, explain
from hypothesis import given, settings
from hypothesis import strategies as st
from support.every_beat import check_every_beat
from support.samples import depthwise_network, every_kind
from support.strategies import (
    codes,
    dense_networks,
    grouped_networks,
    identity_input,
    map_networks,
    networks,
    networks_of_two_groupings,
    plans,
    stalls,
    wired_plans,
)


@settings(max_examples=50)
@given(st.data())
def test_every_beat(data):
    network = data.draw(networks())
    plan = data.draw(plans(network))
    frames = data.draw(codes(network, data.draw(st.integers(1, 3))))
    check_every_beat(network, plan, frames, data.draw(stalls()), data.draw(stalls()))


@settings(max_examples=50)
@given(st.data())
def test_every_beat_of_dense_networks(data):
    network = data.draw(dense_networks())
    plan = data.draw(plans(network))
    frames = data.draw(codes(network, data.draw(st.integers(1, 3))))
    check_every_beat(network, plan, frames, data.draw(stalls()), data.draw(stalls()))


@settings(max_examples=25)
@given(st.data())
def test_every_beat_of_results_of_pixels(data):
    network = data.draw(map_networks())
    plan = data.draw(plans(network))
    frames = data.draw(codes(network, data.draw(st.integers(1, 2))))
    check_every_beat(network, plan, frames, data.draw(stalls()), data.draw(stalls()))


@settings(max_examples=15)
@given(st.data())
def test_every_beat_of_several_groups_at_once(data):
    network = data.draw(grouped_networks())
    plan = data.draw(plans(network))
    frames = data.draw(codes(network, data.draw(st.integers(1, 2))))
    check_every_beat(network, plan, frames, data.draw(stalls()), data.draw(stalls()))


@settings(max_examples=20)
@given(st.data())
def test_every_beat_of_wired_layers(data):
    network = data.draw(st.one_of(networks(), grouped_networks(), map_networks()))
    plan = data.draw(wired_plans(network))
    frames = data.draw(codes(network, data.draw(st.integers(1, 2))))
    check_every_beat(network, plan, frames, data.draw(stalls()), data.draw(stalls()))


@settings(max_examples=30)
@given(st.data())
def test_every_beat_where_groups_of_two_sizes_meet(data):
    """A vector of the first may be no part of one of the second: 2 elements, then 3."""
    network = data.draw(networks_of_two_groupings())
    plan = data.draw(plans(network))
    frames = data.draw(codes(network, data.draw(st.integers(1, 2))))
    check_every_beat(network, plan, frames, data.draw(stalls()), data.draw(stalls()))


@settings(max_examples=400)
@given(st.data())
def test_slowest_block_sets_the_pace(data):
    network = data.draw(st.one_of(dense_networks(max_size=60), networks(), map_networks()))
    pipeline = lower(network, data.draw(plans(network)))
    timing = steady_state(pipeline)
    assert timing.interval == max(block.cycles for block in pipeline.blocks)
    frames = len(timing.finished) + 3
    times = schedule(pipeline, frames)
    last_beats = times[-1][pipeline.output.beats - 1 :: pipeline.output.beats]
    assert [timing.last_cycle(count + 1) for count in range(frames)] == last_beats.tolist()
    assert timing.latency == last_beats[0] - schedule(pipeline, 1)[0][0]


@pytest.mark.parametrize(("pe", "simd", "cycles"), [(1, 9, 512), (2, 9, 256), (8, 9, 64), (8, 4, 192), (4, 3, 384)])
def test_a_depthwise_layer_is_as_fast_as_its_elements_allow(pe, simd, cycles):
    network = depthwise_network()
    plan = check_plan(network, Plan(foldings=(Folding(pe=pe, simd=simd), Folding(pe=2, simd=32))))
    assert steady_state(lower(network, plan)).interval == cycles
    frames = np.random.default_rng(3).integers(0, 2, (2, network.input.size))
    none = np.zeros(0, bool)
    check_every_beat(network, plan, frames, none, none)


@settings(max_examples=60)
@given(st.data())
def test_compiled_and_python_models_agree(data):
    network = data.draw(networks())
    pipeline = lower(network, data.draw(plans(network)))
    pauses, refusals = (data.draw(stalls()).astype(np.uint8) for _ in range(2))
    python, compiled = PythonStepper(pipeline), CompiledStepper(pipeline)
    for frames in (1, 3):
        limits = {"outputs": frames * pipeline.output.beats, "inputs": 3 * pipeline.input.beats, "drain": 5}
        ends = [run.run(**limits, pauses=pauses, refusals=refusals, record=True) for run in (python, compiled)]
        assert ends[0] == ends[1]
        assert python.counts() == compiled.counts()
        assert python.state() == compiled.state()
    for stream in range(len(pipeline.streams)):
        assert np.array_equal(python.recorded(stream), compiled.recorded(stream))


def example(affine=True, seed=1):
    """An odd network with an odd folding."""
    rng = np.random.default_rng(seed)
    layers = []
    for index, (inputs, outputs) in enumerate(((45, 23), (23, 14), (14, 5))):
        thresholds = rng.integers(-12, 12, (outputs, 1)) if index < 2 else None
        weights = rng.random((outputs, inputs)) < 0.5
        output = identity_input(1).format if index < 2 else None
        layers.append(Dense(name=f"dense{index}", weights=weights, thresholds=thresholds, output=output))
    if affine:
        layers.append(Affine(name="scores", scale=rng.integers(-9, 9, 5), offset=rng.integers(-99, 99, 5)))
    network = check(Network(name="odd", input=identity_input(45), layers=tuple(layers)))
    foldings = (Folding(pe=4, simd=8), Folding(pe=5, simd=3), Folding(pe=2, simd=14))
    return network, lower(network, Plan(foldings=foldings, popcount=Popcount(style="fused")))


@pytest.mark.parametrize(
    ("simulator", "affine"),
    [
        pytest.param("icarus", True, id="affine-icarus"),
        pytest.param("icarus", False, id="raw-icarus"),
        pytest.param("verilator", True, id="affine-verilator"),
        pytest.param("verilator", False, id="raw-verilator", marks=pytest.mark.long),
    ],
)
def test_cocotb(tmp_path, simulator, affine):
    if missing := available(simulator):
        pytest.skip(missing)
    network, pipeline = example(affine)
    rng = np.random.default_rng(2)
    frames = rng.integers(0, 2, (12, 45))
    i_stalls, o_stalls = rng.random(400) < 0.3, rng.random(400) < 0.6
    source = tmp_path / "odd.v"
    source.write_text(rtlil_to_verilog(accelerator_rtlil(pipeline, name="odd", taps=True)))
    expected = expected_trace(network, pipeline, frames, i_stalls=i_stalls, o_stalls=o_stalls)
    found = run_cocotb(
        [source],
        top="odd",
        simulator=simulator,
        beats=pack(frames, pipeline.input),
        i_bits=pipeline.input.bits,
        expected=expected,
        i_stalls=i_stalls,
        o_stalls=o_stalls,
    )
    result, golden = unpack_results(found.o.payloads, pipeline, len(frames)), run_slow(network, frames)
    assert np.array_equal(result.scores, golden.scores)
    assert np.array_equal(result.classes, golden.classes)


@pytest.mark.parametrize(
    ("simulator", "streams"),
    [
        ("icarus", 3),
        ("verilator", 1),
        pytest.param("icarus", 1, marks=pytest.mark.long),
        pytest.param("verilator", 3, marks=pytest.mark.long),
    ],
)
def test_cocotb_with_a_layer_of_each_kind(tmp_path, simulator, streams):
    if missing := available(simulator):
        pytest.skip(missing)
    network, plan = every_kind(streams=streams)
    pipeline = lower(network, plan)
    rng = np.random.default_rng(2)
    frames = rng.integers(0, 4, (7, 32))
    i_stalls, o_stalls = rng.random(300) < 0.3, rng.random(900) < 0.6
    source = tmp_path / "kinds.v"
    source.write_text(rtlil_to_verilog(accelerator_rtlil(pipeline, name="kinds", taps=True)))
    found = run_cocotb(
        [source],
        top="kinds",
        simulator=simulator,
        beats=pack(frames, pipeline.input),
        i_bits=pipeline.input.bits,
        expected=expected_trace(network, pipeline, frames, i_stalls=i_stalls, o_stalls=o_stalls, drain=16),
        i_stalls=i_stalls,
        o_stalls=o_stalls,
        drain=16,
    )
    result, golden = unpack_results(found.o.payloads, pipeline, len(frames)), run_slow(network, frames)
    assert np.array_equal(result.scores, golden.scores)
    assert np.array_equal(result.classes, golden.classes)


def test_a_wrong_threshold_is_told():
    network, pipeline = example()
    frames = np.random.default_rng(3).integers(0, 2, (2, 45))
    layer = network.layers[1]
    thresholds = layer.thresholds.copy()
    thresholds[7] = 99
    other = replace(network, layers=(network.layers[0], replace(layer, thresholds=thresholds), *network.layers[2:]))
    expected = expected_trace(other, pipeline, frames)
    with pytest.raises(SimulationError) as error:
        run_amaranth(Accelerator(pipeline, taps=True), pack(frames, pipeline.input), expected=expected)
    told = explain(error.value.difference, pipeline)
    assert told.startswith("layer dense1, frame ")
    assert told.endswith(", channel 7: expected 0, found 1")


@pytest.mark.parametrize("simulator", ["icarus", "verilator"])
def test_cocotb_tells_a_flipped_weight_in_words_of_the_network(tmp_path, simulator):
    if missing := available(simulator):
        pytest.skip(missing)
    network, pipeline = example()
    frames = np.random.default_rng(3).integers(0, 2, (2, 45))
    layer = network.layers[2]
    weights = layer.weights.copy()
    weights[3, 5] ^= True
    other = replace(network, layers=(*network.layers[:2], replace(layer, weights=weights), *network.layers[3:]))
    source = tmp_path / "odd.v"
    source.write_text(rtlil_to_verilog(accelerator_rtlil(pipeline, name="odd", taps=True)))
    golden, wrong = (run_slow(replace(one, layers=one.layers[:3]), frames).scores[0, 3] for one in (network, other))
    assert abs(golden - wrong) == 2
    expected = expected_trace(other, pipeline, frames)
    cycle = expected.streams["dense2"].cycles[1]
    with pytest.raises(SimulationError) as error:
        run_cocotb(
            [source], top="odd", simulator=simulator, beats=pack(frames, pipeline.input), i_bits=pipeline.input.bits,
            expected=expected,
        )  # fmt: skip
    assert error.value.difference is not None and error.value.trace is not None
    told = explain(error.value.difference, pipeline)
    assert told == f"layer dense2, frame 0, cycle {cycle}, channel 3: expected {wrong}, found {golden}"


def test_a_beat_in_another_cycle_is_told():
    network, pipeline = example()
    frames = np.random.default_rng(3).integers(0, 2, (2, 45))
    expected = expected_trace(network, pipeline, frames, o_stalls=np.ones(99, bool))
    with pytest.raises(SimulationError) as error:
        run_amaranth(Accelerator(pipeline, taps=True), pack(frames, pipeline.input), expected=expected)
    assert "cycle" in explain(error.value.difference, pipeline)
    assert "no beat before cycle" in str(error.value)


def test_reset_forgets_all():
    network, pipeline = example()
    rng = np.random.default_rng(4)
    frames = rng.integers(0, 2, (3, 45))
    beats = [int(word) for word in pack(frames, pipeline.input)[:, 0]]
    dut, reset = Accelerator(pipeline), Signal()
    simulator = Simulator(ResetInserter(reset)(dut))
    simulator.add_clock(1e-6)
    runs = []

    async def bench(ctx):
        for stop in (37, 90, 1000):  # in the middle of a frame, of a result, and long after all
            cycles, at = [], 0
            for cycle in range(stop):
                ctx.set(dut.i.valid, at < len(beats))
                ctx.set(dut.i.payload, beats[min(at, len(beats) - 1)])
                ctx.set(dut.o.ready, 1)
                at += ctx.get(dut.i.ready)
                if ctx.get(dut.o.valid):
                    cycles.append((cycle, ctx.get(dut.o.payload)))
                await ctx.tick()
            runs.append(cycles)
            ctx.set(dut.i.valid, 0)
            ctx.set(reset, 1)
            await ctx.tick()
            ctx.set(reset, 0)
            assert not ctx.get(dut.o.valid)

    simulator.add_testbench(bench)
    simulator.run()
    expected = expected_trace(network, pipeline, frames).o
    whole = list(zip(expected.cycles.tolist(), expected.integers(), strict=True))
    assert runs[2] == whole
    assert runs[0] == [beat for beat in whole if beat[0] < 37]
    assert runs[1] == [beat for beat in whole if beat[0] < 90]


def test_every_kind_has_all_its_entries():
    assert set(EXECUTORS) == set(LOWERINGS) == set(LAYERS)


@pytest.mark.long
@settings(max_examples=1000)
@given(st.data())
def test_every_beat_of_many(data):
    network = data.draw(networks())
    plan = data.draw(plans(network, max_streams=3))
    frames = data.draw(codes(network, data.draw(st.integers(1, 4))))
    check_every_beat(network, plan, frames, data.draw(stalls()), data.draw(stalls()))
