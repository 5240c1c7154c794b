"""Mapped netlists of wired layers, evaluated against the product with the matrix."""

import json
from collections import Counter

import numpy as np
import pytest
from amaranth.hdl import Cat, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from bitweir.synthesis import flows
from bitweir_hw.tools import convert, run_yosys
from bitweir_hw.wired import STYLE, build, wire
from bitweir_hw.wired.arithmetic import elaborate, stages
from bitweir_hw.wired.schedule import schedule
from support.families import FITTED
from support.netlist_eval import Netlist


class Wires(wiring.Component):
    """A layer of bits, one output a bit."""

    def __init__(self, circuit, levels):
        self.circuit, self.levels = circuit, levels
        super().__init__({"x": In(len(circuit.inputs)), "y": Out(len(circuit.outputs))})

    def elaborate(self, platform):
        m = Module()
        outputs = elaborate(m, self.circuit, list(self.x), levels_per_stage=self.levels)
        bits = [Signal(name=f"bit{n}") for n in range(len(outputs))]
        m.d.comb += [bit.eq(value + offset) for bit, (value, offset) in zip(bits, outputs, strict=True)]
        m.d.comb += self.y.eq(Cat(*bits))
        return m


@pytest.mark.parametrize("family", FITTED)
def test_netlists_equal_the_product(family, tmp_path):
    rng = np.random.default_rng(7)
    weights, vectors = rng.choice((-1, 1), (8, 24)), rng.integers(0, 2, (128, 24))
    vectors[:2] = [[0] * 24, [1] * 24]
    thresholds = rng.integers(-5, 6, (8, 1))
    graph = wire(2 * weights, [(0, 1)] * 24, constants=-weights.sum(1), thresholds=thresholds, family=family).graph
    circuit = build(graph, STYLE[family])
    component = Wires(circuit, 2)
    (tmp_path / "design.il").write_text(convert(component, name="top"))
    run_yosys(flows.script(family, top="top"), tmp_path)
    netlist = Netlist(tmp_path / "netlist.json", "top", len(vectors))
    netlist.set("x", [sum(int(bit) << n for n, bit in enumerate(row)) for row in vectors])
    for _ in range(stages(circuit, 2)):
        netlist.tick()
    expected = (2 * vectors - 1) @ weights.T >= thresholds[:, 0]
    assert netlist.get("y") == [sum(int(bit) << n for n, bit in enumerate(row)) for row in expected]
    module = json.loads((tmp_path / "netlist.json").read_text())["modules"]["top"]
    cells = Counter(cell["type"] for cell in module["cells"].values())
    sites = flows.sites(family, cells, lone=flows.lone_carries(family, module))
    made = schedule(circuit, 2).registers(circuit)
    kept = flows.classify(family, cells)["ff"]
    assert 0.8 * made <= kept + flows.classify(family, cells)["lutram"] <= made
    # The ends of chains come to what is planned, and elsewhere what synthesis makes of logic in front of adders.
    assert abs(sites - circuit.sites) <= (0.05 if family == "ecp5" else 0.25) * circuit.sites + 4
