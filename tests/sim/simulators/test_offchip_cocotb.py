"""Weights over AXI4 from the RAM of cocotbext-axi, in Icarus."""

import numpy as np
import pytest
from bitweir_hw.accelerator.verilog import component_rtlil, rtlil_to_verilog
from bitweir_hw.offchip import AxiWeightReader, ReaderSpec, pack_image
from bitweir_sim.simulators import cocotb
from support.offchipbench import drawn_words, made_layout, numbers

pytest.importorskip("cocotbext.axi")

SETS = [
    ([(16, 30), (64, 25), (27, 90)], 4, 4, (0.3, 0.4, 0.3), 3),
    ([(512, 9), (40, 60), (1, 77), (130, 20)], 64, 2, (0, 0.5, 0), 0),
    ([(96, 100), (8, 300)], 8, 128, (0.7, 0, 0.5), 9),
]


@pytest.mark.parametrize(("shapes", "beat_bytes", "burst_beats", "shares", "longest"), SETS)
def test_words_from_an_axi_ram(tmp_path, shapes, beat_bytes, burst_beats, shares, longest):
    if missing := cocotb.available("icarus"):
        pytest.skip(missing)
    layout = made_layout(shapes, beat_bytes=beat_bytes, burst_beats=burst_beats)
    words = drawn_words(layout, 4)
    counts = [2 * depth + 3 for _, depth in shapes]
    source = tmp_path / "reader.v"
    reader = AxiWeightReader(ReaderSpec(layout=layout, address_bits=20), id_bits=4)
    source.write_text(rtlil_to_verilog(component_rtlil(reader, name="reader")))
    built = cocotb.build([source], top="reader", simulator="icarus")
    np.savez(
        tmp_path / "job.npz",
        image=pack_image(layout, words),
        size=1 << 20,
        base=3 * max(4096, layout.burst_bytes),
        counts=counts,
        shares=shares,
        longest=longest,
        limit=20000,
    )
    runner = cocotb._runner("icarus")
    runner.hdl_toplevel_lang, runner.sources, runner.waves = "verilog", [], False
    runner.test(
        test_module="support.offchip_cocotb",
        hdl_toplevel="reader",
        hdl_toplevel_lang="verilog",
        build_dir=built,
        test_dir=tmp_path,
        results_xml=str(tmp_path / "results.xml"),
        extra_env={"OFFCHIP_JOB": str(tmp_path), "COCOTB_LOG_LEVEL": "WARNING"},
        log_file=tmp_path / "run.log",
    )
    assert (tmp_path / "found.txt").exists(), (tmp_path / "run.log").read_text()[-2000:]
    found = [[int(word, 16) for word in line.split()] for line in (tmp_path / "found.txt").read_text().splitlines()]
    assert found == numbers(layout, words, counts)
