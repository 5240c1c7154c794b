"""Stages of wired layers: parts of large ones begin one after the other, and nothing is used before it is there."""

import numpy as np
import pytest
from bitweir_hw.wired import build, schedule, wire
from bitweir_hw.wired.circuit import Adder, used
from bitweir_hw.wired.schedule import schedule as stages_of
from hypothesis import given
from hypothesis import strategies as st


def layer(rows, columns, style="ecp5", seed=0, thresholds=True):
    rng = np.random.default_rng(seed)
    weights = rng.choice((-1, 1), (rows, columns))
    limits = rng.integers(-4, 5, (rows, 1)) if thresholds else None
    graph = wire(2 * weights, [(0, 1)] * columns, constants=-weights.sum(1), thresholds=limits).graph
    return build(graph, style)


def outputs_of(step):
    return step.outputs if isinstance(step, Adder) else (step.output,)


@given(
    rows=st.integers(1, 24), columns=st.integers(1, 20), levels=st.integers(0, 3), part=st.integers(5, 400),
    seed=st.integers(0, 9), thresholds=st.booleans(),
)  # fmt: skip
def test_nothing_is_used_before_it_is_there(rows, columns, levels, part, seed, thresholds):
    circuit = layer(rows, columns, seed=seed, thresholds=thresholds)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(schedule, "PART", part)
        plan = stages_of(circuit, levels)
    assert plan.last == (max(circuit.depth - 1, 0) // levels if levels else 0) + plan.parts - 1
    for step, stage, turn in zip(circuit.steps, plan.steps, plan.turns, strict=True):
        assert stage == (max(step.level - 1, 0) // levels if levels else 0) + turn
        assert all(plan.wires[number] <= stage <= plan.last for number in used(step))
        assert all(plan.wires[number] == stage for number in outputs_of(step))
    taps = plan.taps(circuit)
    assert plan.registers(circuit) == sum(max(stages) - plan.wires[number] for number, stages in taps.items())
    assert all(plan.last in taps[n] for output in circuit.outputs for bit in output.bits for n in bit.wires)


def test_small_layers_are_one_part():
    circuit = layer(16, 16)
    assert circuit.sites < schedule.PART
    assert stages_of(circuit, 1).parts == 1
    assert stages_of(circuit, 0).parts == 1


def test_parts_are_of_about_the_same_size(monkeypatch):
    circuit = layer(96, 48)
    monkeypatch.setattr(schedule, "PART", circuit.sites // 4)
    plan = stages_of(circuit, 1)
    assert plan.parts in (4, 5)
    sizes = [0] * plan.parts
    for step, turn in zip(circuit.steps, plan.turns, strict=True):
        sizes[turn] += len(outputs_of(step))
    assert max(sizes) < 2 * sum(sizes) / plan.parts


def test_an_input_goes_to_few_parts_at_once(monkeypatch):
    """In each stage an input has the register of one part, and those of levels."""
    circuit = layer(96, 48)
    inputs = {number for wires in circuit.inputs for number in wires}

    def most(plan):
        counts = {}
        for step, stage in zip(circuit.steps, plan.steps, strict=True):
            for number in used(step) & inputs:
                counts[number, stage] = counts.get((number, stage), 0) + 1
        return max(counts.values())

    monkeypatch.setattr(schedule, "PART", circuit.sites)
    whole = most(stages_of(circuit, 1))
    monkeypatch.setattr(schedule, "PART", circuit.sites // 4)
    assert most(stages_of(circuit, 1)) < 0.5 * whole
