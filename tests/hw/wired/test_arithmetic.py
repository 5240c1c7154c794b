"""The gateware of wired layers, simulated: values, and the cycles that registers take."""

import numpy as np
import pytest
from amaranth.hdl import Module, Signal
from amaranth.sim import Simulator
from bitweir_hw.popcount import Popcount
from bitweir_hw.wired import build, wire
from bitweir_hw.wired.arithmetic import chain_limit, elaborate, stages
from bitweir_hw.wired.counts import STYLES


def simulate(circuit, graph, rows, levels, enable):
    """The outputs of all rows, a row in each cycle with `enable`."""
    m = Module()
    inputs = [Signal(max(len(pins), 1), name=f"x{n}") for n, pins in enumerate(circuit.inputs)]
    moving = Signal(init=1)
    m.d.sync += Signal().eq(0)
    outputs = elaborate(m, circuit, inputs, levels_per_stage=levels, enable=moving, portable=True)
    results = [Signal(max(len(bits), 1), name=f"y{n}") for n, (bits, _) in enumerate(outputs)]
    m.d.comb += [result.eq(bits) for result, (bits, _) in zip(results, outputs, strict=True)]
    found = []

    async def bench(ctx):
        for go in enable:
            ctx.set(moving, go)
            if go:
                row = rows[min(len(found), len(rows) - 1)]
                for signal, value, (least, _) in zip(inputs, row, graph.inputs, strict=True):
                    ctx.set(signal, int(value) - least)
                # Before the edge the outputs are those of a row `stages` cycles ago.
                found.append([ctx.get(y) + offset for y, (_, offset) in zip(results, outputs, strict=True)])
            await ctx.tick()

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return found


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("levels", [0, 1, 2, 3])
def test_values_come_after_the_stages(style, levels):
    rng = np.random.default_rng(levels)
    matrix = rng.choice((-1, 1), (7, 14))
    matrix[3:5] = rng.integers(-5, 6, (2, 14))
    ranges = [(0, 1)] * 10 + [(-3, 4)] * 2 + [(0, 5)] * 2
    graph = wire(matrix, ranges, constants=range(7), thresholds=rng.integers(-6, 7, (7, 2))).graph
    circuit = build(graph, style)
    rows = np.array([[rng.integers(a, b + 1) for a, b in ranges] for _ in range(24)])
    enable = rng.integers(0, 3, 60) > 0
    got = simulate(circuit, graph, rows, levels, [int(go) for go in enable])
    late = stages(circuit, levels)
    assert late == ((circuit.depth - 1) // levels if levels else 0)
    assert got[late : late + 24] == graph.evaluate(rows)[: len(got) - late].tolist()
    assert len(got) > late + 20


def test_chains_are_as_long_as_those_of_popcounts():
    graph = wire([[1, 1, 1]], [(0, 1)] * 3).graph
    for style, name in (("ecp5", "ecp5"), ("fused", "fused"), ("xc7", "xc7")):
        for levels in (1, 2):
            limit = Popcount(style=name, levels_per_stage=levels).chain
            assert chain_limit(build(graph, style), levels) <= limit
    assert chain_limit(build(graph, "lut4"), 1) == 0
