"""Foldings from text and for a frame rate; what does not fit is told."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from bitweir_hw.blocks import MatVecSpec, WiredSpec
from bitweir_hw.errors import PlanError
from bitweir_hw.lower import lower, with_loadable_parameters
from bitweir_hw.network import BIPOLAR, Conv, Dense, Format, Input, Network
from bitweir_hw.plan import (
    Folding,
    check_plan,
    cycles_of,
    least_cycles,
    plan_for_fps,
    plan_from_foldings,
    step_counts,
    weighted,
)
from hypothesis import given
from hypothesis import strategies as st
from support.strategies import identity_input


def network(*sizes):
    layers = []
    for index, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
        last = index == len(sizes) - 2
        layers.append(
            Dense(
                name=f"dense{index}",
                weights=np.ones((outputs, inputs), bool),
                thresholds=None if last else np.zeros((outputs, 1), np.int64),
                output=None if last else BIPOLAR,
            )
        )
    return Network(name="net", input=identity_input(sizes[0]), layers=tuple(layers))


NET = network(784, 64, 10)


def test_text():
    plan = plan_from_foldings(NET, "64x32, 8x16")
    assert plan.foldings == (Folding(simd=64, pe=32), Folding(simd=8, pe=16))
    assert ",".join(map(str, plan.foldings)) == "64x32,8x16"
    assert check_plan(NET, plan) is plan


def test_text_tells_where_weights_sit():
    plan = plan_from_foldings(NET, "64x32:lut,8x16:block")
    assert [folding.memory for folding in plan.foldings] == ["lut", "block"]
    assert ",".join(map(str, plan.foldings)) == "64x32:lut,8x16:block"
    units = [block for block in lower(NET, plan).blocks if isinstance(block, MatVecSpec)]
    assert [(unit.sources[0].block, unit.memory_stage) for unit in units] == [(False, 0), (True, 1)]


def test_text_tells_which_layers_are_wired():
    whole, last = Folding(pe=64, simd=784, memory="wired"), Folding(pe=10, simd=64, memory="wired")
    assert plan_from_foldings(NET, "wired").foldings == (whole, last)
    plan = plan_from_foldings(NET, "64x32, wired")
    assert plan.foldings == (Folding(simd=64, pe=32), last)
    assert ",".join(map(str, plan.foldings)) == "64x32,64x10:wired"
    assert plan_from_foldings(NET, "64x32,64x10:wired") == plan
    assert [type(block) for block in lower(NET, plan).blocks if block.name == "dense1"] == [WiredSpec]


def test_a_wired_layer_has_all_of_its_weights_at_once():
    told = (
        "Layer 'dense1' must be wired with all of its weights at once, 64x10:wired, not 32x10:wired: logic of "
        "constants that does a part of the layer serves that part alone, so parts that take turns need no less. "
        "Parts that do share it are the bits of inputs: see wired/2."
    )
    with pytest.raises(PlanError) as error:
        plan_from_foldings(NET, "64x32,32x10:wired")
    assert str(error.value) == told


def steps_network():
    """Inputs of 5 bits, then of 1 bit, then sums."""
    layers = (
        Dense(name="first", weights=np.ones((4, 6), bool), thresholds=np.zeros((4, 1), int), output=BIPOLAR),
        Dense(name="second", weights=np.ones((3, 4), bool)),
        Dense(name="third", weights=np.ones((2, 3), bool)),
    )
    form = Format(bits=5)
    source = Input(shape=(6,), format=form, thresholds=np.arange(1, 32)[None] / 1.0, source=np.arange(6))
    return Network(name="net", input=source, layers=layers)


def test_text_tells_in_how_many_steps_a_wired_layer_takes_bits():
    network = steps_network()
    plan = plan_from_foldings(network, "wired/3,4x3,wired")
    assert plan.foldings[0] == Folding(pe=4, simd=6, memory="wired", steps=3)
    assert ",".join(map(str, plan.foldings)) == "6x4:wired/3,4x3,3x2:wired"
    assert plan_from_foldings(network, "6x4:wired/3,4x3,wired") == plan
    assert [block.cycles for block in lower(network, plan).blocks if isinstance(block, WiredSpec)] == [3, 1]
    assert plan_from_foldings(network, "wired/1,wired,wired") == plan_from_foldings(network, "wired")
    assert [step_counts(network, layer) for layer, _ in weighted(network)] == [[1, 2, 3, 5], [1], []]


def test_steps_for_all_layers():
    network = steps_network()
    # Each layer takes as many, or as many below as it can: no vector takes longer.
    found = [[folding.steps for folding in plan_from_foldings(network, f"wired/{n}").foldings] for n in (1, 2, 3, 5)]
    assert found == [[1, 1, 1], [2, 1, 1], [3, 1, 1], [5, 1, 1]]
    with pytest.raises(PlanError) as error:
        plan_from_foldings(network, "wired/4")
    assert str(error.value) == (
        "wired/4 for all layers must be a number of steps that one of them can take, 1, 2, 3, 5; the nearest is 3."
    )
    # Where it names the only layer, it is for that one.
    with pytest.raises(PlanError, match="Layer 'first' must take the 5 bits of its inputs in 1, 2, 3, 5 steps, not 4"):
        plan_from_foldings(replace(network, layers=network.layers[:1]), "wired/4")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "wired/4,wired,wired",
            "Layer 'first' must take the 5 bits of its inputs in 1, 2, 3, 5 steps, not 4: each step takes as many, or "
            "fewer at the end; the nearest is 3.",
        ),
        (
            "wired,wired/2,wired",
            "Layer 'second' must take the 1 bits of its inputs in 1 steps, not 2: each step takes as many, or "
            "fewer at the end; the nearest is 1.",
        ),
        (
            "wired,wired,wired/2",
            "Layer 'third' must be wired whole, 3x2:wired, not 3x2:wired/2: its inputs are sums, which have other bits "
            "in each plan.",
        ),
        ("6x4/2,wired,wired", "Layer 'first' takes the bits of its inputs in steps only if it is wired, not 6x4/2."),
    ],
)
def test_steps_that_do_not_fit(text, message):
    with pytest.raises(PlanError) as error:
        plan_from_foldings(steps_network(), text)
    assert str(error.value) == message


def test_wired_weights_cannot_be_loaded():
    plan = with_loadable_parameters(NET, plan_from_foldings(NET, "64x32,wired"))
    with pytest.raises(PlanError) as error:
        lower(NET, plan)
    assert str(error.value) == (
        "Layer 'dense1' must not be wired where parameters are loaded: its weights would be constants in logic; fold "
        "it 64x10, or choose --weights rom (in Python weights='rom')."
    )


def test_text_tells_which_weights_are_streamed():
    plan = plan_from_foldings(NET, "64x32:stream,8x16")
    assert ",".join(map(str, plan.foldings)) == "64x32:stream,8x16"
    (streamed,) = lower(NET, plan).weight_streams
    # 13 words of inputs for each of 2 groups of neurons.
    assert (streamed.layer, streamed.words, streamed.bits) == ("dense0", 26, 64 * 32)
    with pytest.raises(PlanError) as error:
        check_plan(NET, replace(plan, weights="ram"))
    assert str(error.value) == (
        "Weights of layer 'dense0' must not come over a stream where parameters are loaded: the image of parameters "
        "would not have them; fold it 64x32, or choose --weights rom (in Python weights='rom')."
    )
    with pytest.raises(PlanError, match=r"Pixels of layer 'dense0' .* a divisor of its 1 columns, up to 64, not 7"):
        plan_from_foldings(NET, "64x32:stream*7,8x16")
    with pytest.raises(PlanError, match="Pixels of layer 'dense1' share weights that are streamed, and these are not"):
        plan_from_foldings(NET, "64x32:stream,8x16*2")
    with pytest.raises(PlanError) as error:
        plan_from_foldings(NET, "64x32,64x10:stream")
    assert str(error.value) == (
        "Weights of layer 'dense1' must be several words to come over a stream, and folded 64x10:stream they are one, "
        "which never changes: fold it 64x10, or with less SIMD or PE."
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("64x32", "The folding must give SIMDxPE for each of the 2 layers with weights, not for 1."),
        (
            "64,8x16",
            "A folding must be SIMDxPE, as 64x32, perhaps with :lut, :block, :stream or :stream*7, or wired, "
            "or wired/2, not '64'.",
        ),
        (
            "64x-1,8x16",
            "A folding must be SIMDxPE, as 64x32, perhaps with :lut, :block, :stream or :stream*7, or wired, "
            "or wired/2, not '64x-1'.",
        ),
        ("64x0,8x16", "PE of layer 'dense0' must be 1 to 64 for its 64 neurons, not 0; the nearest is 1."),
        ("64x65,8x16", "PE of layer 'dense0' must be 1 to 64 for its 64 neurons, not 65; the nearest is 64."),
        ("64x32,8x17", "PE of layer 'dense1' must be 1 to 16 for its 10 neurons, not 17; the nearest is 16."),
        ("2000x1,8x16", "SIMD of layer 'dense0' must be 1 to 1024 for its 784 inputs, not 2000; the nearest is 1024."),
    ],
)
def test_text_that_does_not_fit(text, message):
    with pytest.raises(PlanError) as error:
        plan_from_foldings(NET, text)
    assert str(error.value) == message


def grouped(groups, neurons, channels, kernel=(3, 3)):
    """One convolution on a map of 4 x 4 pixels."""
    entry = replace(identity_input(16 * groups * channels), map_shape=(4, 4, groups * channels))
    weights = np.ones((groups * neurons, *kernel, channels), bool)
    return Network(name="net", input=entry, layers=(Conv(name="conv", weights=weights, groups=groups),))


@pytest.mark.parametrize(
    ("shape", "text", "message"),
    [
        (
            (8, 3, 2), "9x13",
            "PE of layer 'conv' must be 1 to 4 for its 3 neurons of a group, or 3 times a divisor of its 8 groups, "
            "not 13; the nearest is 12.",
        ),
        (
            (8, 3, 2), "9x0",
            "PE of layer 'conv' must be 1 to 4 for its 3 neurons of a group, or 3 times a divisor of its 8 groups, "
            "not 0; the nearest is 1.",
        ),
        (
            (6, 1, 1), "9x4",
            "PE of layer 'conv' must be 1 to 1 for its 1 neurons of a group, or 1 times a divisor of its 6 groups, "
            "not 4; the nearest is 3.",
        ),
        (
            (8, 3, 2), "9x6",
            "SIMD of layer 'conv' must be a multiple of the 2 channels of a group, up to 32, since PE 6 works on 2 "
            "groups at once, not 9; the nearest is 8.",
        ),
        (
            (4, 1, 3), "1x4",
            "SIMD of layer 'conv' must be a multiple of the 3 channels of a group, up to 30, since PE 4 works on 4 "
            "groups at once, not 1; the nearest is 3.",
        ),
        ((4, 1, 1), "17x4", "SIMD of layer 'conv' must be 1 to 16 for its 9 inputs, not 17; the nearest is 16."),
    ],
)  # fmt: skip
def test_groups_that_do_not_fit(shape, text, message):
    network = grouped(*shape)
    with pytest.raises(PlanError) as error:
        plan_from_foldings(network, text)
    assert str(error.value) == message
    simd, pe = text.split("x")
    nearest = message.rpartition(" ")[2].rstrip(".")
    fits = f"{simd}x{nearest}" if message.startswith("PE") else f"{nearest}x{pe}"
    assert str(check_plan(network, plan_from_foldings(network, fits if fits != "9x12" else "8x12")).foldings[0])


@given(st.integers(1, 6), st.integers(1, 3), st.integers(1, 3), st.integers(1, 200), st.sampled_from([(1, 1), (2, 2)]))
def test_rate_of_groups_is_reached(groups, neurons, channels, cycles, kernel):
    network = grouped(groups, neurons, channels, kernel)
    cycles = max(cycles, least_cycles(network))
    plan = plan_for_fps(network, fps=1e6 / cycles, clock=1e6)
    unit = next(block for block in lower(network, plan).blocks if isinstance(block, MatVecSpec))
    ((layer, result),) = weighted(network)
    assert unit.cycles == cycles_of(layer, result, plan.foldings[0]) <= cycles


@pytest.mark.parametrize(("kernel", "folding"), [((1, 1), "1x16"), ((3, 3), "9x4"), ((4, 4), "16x1")])
def test_a_depthwise_layer_takes_a_pixel_in_each_cycle(kernel, folding):
    network = grouped(16, 1, 1, kernel)
    assert least_cycles(network) == 16
    assert str(plan_for_fps(network, fps=1e8 / 16, clock=1e8).foldings[0]) == folding


@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 1000))
def test_rate_is_reached_with_fewest_lanes(outputs, inputs, cycles):
    net = network(inputs, outputs)
    (folding,) = plan_for_fps(net, fps=1e6 / cycles, clock=1e6).foldings
    lanes = min(
        pe * simd
        for pe in range(1, outputs + 1)
        for simd in range(1, inputs + 1)
        if -(-outputs // pe) * -(-inputs // simd) <= cycles
    )
    assert folding.pe * folding.simd == lanes
    assert -(-outputs // folding.pe) * -(-inputs // folding.simd) <= cycles


def test_rate_out_of_reach():
    with pytest.raises(PlanError) as error:
        plan_for_fps(NET, fps=2e8, clock=1e8)
    assert str(error.value) == (
        "The accelerator gives at most one frame a cycle, so at 100 MHz the frame rate must be 100,000,000 or less, "
        "not 200,000,000."
    )
    with pytest.raises(PlanError, match="must be a positive number of frames/s"):
        plan_for_fps(NET, fps=0, clock=1e8)
