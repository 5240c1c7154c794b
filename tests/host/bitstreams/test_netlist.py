"""The mapped netlist of a whole device, at its pins: the host that ships talks to it, bit by bit over its UART."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bitweir.client import simulated
from bitweir.client.client import Client
from bitweir.client.linked import LinkedDevice
from bitweir.client.simulated import BAUD, CLOCK, SimulatedBoard, simulated_identity
from bitweir.client.transport import SerialTransport
from bitweir.design import write_design
from bitweir.synthesis import flows
from bitweir_hw.link.board_core import Device, device_rtlil
from bitweir_hw.plan import Folding, Plan
from bitweir_hw.popcount import STYLE, Popcount
from bitweir_hw.tools import run_yosys
from bitweir_sim.simulators.board import compile_board
from bitweir_sim.simulators.compiled import compiler_missing
from bitweir_sim.values import fast
from bitweir_sim.values.encoding import Codes
from support.cellmodels import cell_models
from support.samples import dense_network

# Yosys has no models of the block RAMs of the others.
FAMILIES = ["ice40"]


@pytest.mark.long
@pytest.mark.parametrize("family", FAMILIES)
def test_the_netlist_of_a_device_answers_as_the_golden_model(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if missing := compiler_missing():
        pytest.skip(missing)
    network = dense_network(40, 24, 6)
    plan = Plan(
        foldings=(Folding(pe=2, simd=8), Folding(pe=3, simd=4)),
        popcount=Popcount(style=STYLE[family], levels_per_stage=1),
    )
    build = write_design(network, plan, tmp_path / "build")
    device = Device(build.pipeline, simulated_identity(build.design, clock=30_000_000), link_clock=CLOCK, baud=BAUD)
    (tmp_path / "design.il").write_text(device_rtlil(device, name="net"))

    mapping = flows.script(family, top="net_device") + "write_verilog -noattr -norename netlist.v\n"
    run_yosys(mapping, tmp_path)
    netlist = tmp_path / "netlist.v"
    models = tmp_path / "models.v"
    models.write_text(cell_models(family, netlist.read_text()))
    folder = compile_board(netlist, top="net_device", verilog=[models], optimise=0)
    # The board, in the time of its clocks, but for what it is compiled from.
    monkeypatch.setattr(simulated, "compile_board", lambda *_, **__: folder)
    codes = np.random.default_rng(3).integers(0, 2, (40, network.input.size))
    golden = fast.run(network, codes)
    with SimulatedBoard(build, clock=30_000_000, phase=0.3) as board:
        client = Client(SerialTransport(board.port, board.baud, now=board.now))
        with LinkedDevice(client, network) as linked:
            assert linked.identity == simulated_identity(build.design, clock=30_000_000)
            result = linked.run(Codes(codes))
            assert np.array_equal(linked.classify(Codes(codes)), golden.classes)
    assert np.array_equal(result.scores, golden.scores)
    assert np.array_equal(result.classes, golden.classes)
    assert len(set(golden.classes.tolist())) > 2
