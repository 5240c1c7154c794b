"""Waveforms: below the name of the design, with all values, and a save file that names signals that are there."""

import re
from dataclasses import replace

import numpy as np
import pytest
from bitweir.accelerator import Accelerator
from bitweir.design import write_design
from bitweir.runs.waves import is_ours, save_file, with_top_scope
from bitweir_hw.plan import plan_from_foldings
from bitweir_sim.compiler import compiler_missing
from support.samples import dense_network

NETWORK = dense_network(24, 20, 4)
IMAGES = np.random.default_rng(3).choice([-1.0, 1.0], (2, 24))
DUMP = """$timescale 1 ns $end
$scope module a $end
$var wire 1 ! $signal $end
$var wire 1 ! valid $end
$var wire 8 " b__payload$17 $end
$var wire 8 # $signal$3 $end
$upscope $end
$var wire 1 $ clk $end
$var wire 1 $ clk$2 $end
$enddefinitions $end
#0
0!
b00000001 "
"""


def test_each_value_keeps_a_name(tmp_path):
    file = tmp_path / "w.vcd"
    file.write_text(DUMP)
    with_top_scope(file, "net")
    assert file.read_text().splitlines() == [
        "$timescale 1 ns $end",
        "$scope module net $end",
        "$scope module a $end",
        "$var wire 1 ! valid $end",
        '$var wire 8 " b__payload$17 $end',
        "$var wire 8 # $signal$3 $end",
        "$upscope $end",
        "$var wire 1 $ clk $end",
        "$upscope $end",
        "$enddefinitions $end",
        "#0",
        "0!",
        'b00000001 "',
    ]
    assert list(tmp_path.iterdir()) == [file]


def test_what_is_no_file_stays_as_it_is(tmp_path):
    with_top_scope(tmp_path, "net")
    assert save_file(tmp_path, "w.vcd", "net", None) is None


@pytest.mark.skipif(compiler_missing() is not None, reason=str(compiler_missing()))
@pytest.mark.parametrize("weights", ["rom", "ram"])
def test_a_save_file_names_the_streams_of_all_blocks(tmp_path, weights):
    plan = replace(plan_from_foldings(NETWORK, "8x5,4x2"), weights=weights)
    design = Accelerator(written=write_design(NETWORK, plan, tmp_path / "build"))
    design.simulate(IMAGES, waves=tmp_path / "w.vcd")
    header, _, body = (tmp_path / "w.vcd").read_text().partition("$enddefinitions $end\n")
    assert header.split("\n")[1] == "$scope module net $end"
    assert header.count("$scope") == header.count("$upscope")
    ids = set(re.findall(r"\$var \w+ \d+ (\S+) ", header))
    changed = {line.split()[-1] if line[0] == "b" else line[1:] for line in body.splitlines() if line[0] in "01b"}
    assert changed and changed <= ids
    shown = (tmp_path / "w.gtkw").read_text()
    assert '[dumpfile] "w.vcd"' in shown
    for block in design.written.pipeline.blocks:
        for signal in ("i__valid", "i__ready", "i__payload", "o__valid", "o__ready", "o__payload"):
            assert re.search(rf"^net\.(\S+\.)?{block.name}\.{signal}(\[\d+:0\])?$", shown, re.MULTILINE)
    # A view that somebody has saved stays.
    (tmp_path / "w.gtkw").write_text("[*] GTKWave Analyzer\n")
    assert not is_ours(tmp_path / "w.gtkw")
    design.simulate(IMAGES, waves=tmp_path / "w.vcd")
    assert (tmp_path / "w.gtkw").read_text() == "[*] GTKWave Analyzer\n"
