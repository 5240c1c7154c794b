"""Foldings from text and for a frame rate; what does not fit is told."""

import itertools

import numpy as np
import pytest
from bitweir_hw.blocks import MatVecSpec
from bitweir_hw.errors import PlanError
from bitweir_hw.lower import lower
from bitweir_hw.network import BIPOLAR, Dense, Network
from bitweir_hw.plan import Folding, check_plan, plan_for_fps, plan_from_foldings
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


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("64x32", "The folding must give SIMDxPE for each of the 2 layers with weights, not for 1."),
        ("64,8x16", "A folding must be SIMDxPE, like 64x32, 64x32:lut or 64x32:block, not '64'."),
        ("64x-1,8x16", "A folding must be SIMDxPE, like 64x32, 64x32:lut or 64x32:block, not '64x-1'."),
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
    with pytest.raises(PlanError, match="must be positive"):
        plan_for_fps(NET, fps=0, clock=1e8)
