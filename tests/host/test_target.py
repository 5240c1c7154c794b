"""What a design was made for is kept, and every report goes by it; what does not fit says so first."""

import json
import re
from dataclasses import replace
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
from bitweir.cli import main
from bitweir.client.simulated import BAUD, CLOCK, rates
from bitweir.design import DesignFolder, write_design
from bitweir.folders import FileError
from bitweir.report.collect import collect, schema
from bitweir.report.fit import fit
from bitweir.report.html import page
from bitweir.report.markdown import markdown
from bitweir.report.model import Fit
from bitweir.report.report import Report
from bitweir.report.terminal import render
from bitweir.synthesis.results import Resources
from bitweir.target import TARGET_FILE, Target, load_target, target_text
from bitweir_hw.boards import BOARDS
from bitweir_hw.files import network_bytes
from bitweir_hw.parts import PARTS
from bitweir_hw.plan import plan_for_fps
from click.testing import CliRunner
from rich.console import Console
from support.samples import dense_network
from support.schemas import validate


def run(*words, code=0):
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result.stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("target")
    network = dense_network(512, 128, 4)
    (path / "net.npz").write_bytes(network_bytes(network))
    np.savez(path / "images.npz", codes=np.zeros((2, 512), np.int64))
    goal = ("--part", "xc7a35t", "--goal", "area", "--fps", "1e5")
    run("generate", path / "net.npz", "-o", path / "build", *goal, "--clock", "40")
    return path / "build"


def told(folder, *words):
    """A report as the command prints it, and that report itself."""
    tree = json.loads(run("report", folder, "--json", *words))
    validate(tree, schema())
    report = msgspec.convert(tree, Report)
    assert report.to_dict() == tree
    return tree, report


def plan_of(network):
    return network, plan_for_fps(network, 1e5, 1e8)


def terminal(report):
    console = Console(width=200)
    with console.capture() as captured:
        console.print(*render(report))
    return captured.get()


def test_reports_go_by_the_target(folder):
    tree, report = told(folder)
    made = {"part": "xc7a35t", "family": "xilinx", "board": None, "clock_mhz": 40, "overridden": []}
    assert tree["target"] == made
    assert (report.part.name, report.timing.clock_mhz) == ("xc7a35t", 40)
    assert list(report.estimates) == ["xilinx"]
    assert report.fit.fits and not report.fit.routed
    shown = terminal(report)
    assert re.search(r"Throughput +[\d,]+ frames/s at 40 MHz\s", shown)
    assert re.search(r"Target +xc7a35t at 40 MHz\s", shown)
    assert "xilinx, estimated" in shown and "ecp5" not in shown
    for text in (page(report), markdown(report)):
        assert "frames/s at 40 MHz" in text and "ecp5" not in text and "Does not fit" not in text


def test_what_is_given_instead_is_told(folder):
    _, report = told(folder, "--clock", "50", "--part", "ecp5-25k")
    assert report.target.overridden == ("clock", "part")
    assert (report.part.name, report.timing.clock_mhz) == ("ecp5-25k", 50)
    assert "frames/s at 50 MHz (--clock; made for 40 MHz)" in terminal(report)
    _, same = told(folder, "--clock", "40", "--part", "xc7a35t")
    assert same.target.overridden == ()


def test_simulations_go_by_the_target(folder):
    words = ("simulate", folder, "--images", folder.parent / "images.npz", "--engine", "golden")
    assert json.loads(run(*words, "--json"))["clock_mhz"] == 40
    assert "frames/s at 40 MHz\n" in re.sub(" +\n", "\n", run(*words))
    assert "frames/s at 8 MHz (--clock; made for 40 MHz)" in run(*words, "--clock", "8")


def test_what_does_not_fit_says_so_first(folder):
    report = told(folder)[1]
    used = {row.resource: row.used for row in report.fit.resources}
    small = {"luts": used["LUT sites"] - 1, "ffs": used["flip-flops"], "block_rams": 0}
    limits = zip(report.fit.resources, (*small.values(), 90), strict=True)
    rows = tuple(msgspec.structs.replace(row, available=limit, fits=row.used <= limit) for row, limit in limits)
    fitting = Fit(fits=False, routed=False, resources=rows)
    report = replace(report, part=replace(report.part, **small), fit=fitting)
    needs = [f"{used['LUT sites']:,} LUT sites (estimated) of {used['LUT sites'] - 1:,}"]
    if used["block RAMs"]:
        needs.append(f"{used['block RAMs']:,} block RAMs (estimated) of 0")
    first = f"Does not fit xc7a35t: it needs {' and '.join(needs)}."
    assert terminal(report).startswith(first)
    html = page(report)
    assert html.index(first) < html.index("Throughput")
    text = markdown(report).replace("\\", "")
    assert text.index(first) < text.index("Throughput")


def test_a_part_that_is_too_small(tmp_path):
    network = dense_network(160, 64, 4)
    (tmp_path / "net.npz").write_bytes(network_bytes(network))
    words = ("generate", tmp_path / "net.npz", "-o", tmp_path / "build", "--folding", "160x64,64x4")
    # The console breaks lines.
    shown = " ".join(run(*words, "--family", "ice40").split())
    assert shown.startswith("Does not fit ice40-hx8k (no part was named when it was generated): it needs ")
    _, report = told(tmp_path / "build", "--part", "ice40-up5k")
    assert not report.fit.fits
    sites = report.fit.resources[0]
    assert sites.resource == "LUT sites" and sites.used > sites.available == 5280 and not sites.fits
    first = "Does not fit ice40-up5k (--part; made for ice40 at 100 MHz): "
    assert terminal(report).startswith(first)
    # The part that is named holds it.
    name = report.fit.smallest
    sentence = f" Of all listed parts that hold it by count, {name} has the fewest LUT sites."
    assert sentence in " ".join(terminal(report).split())
    assert PARTS[name].luts > sites.used and told(tmp_path / "build", "--part", name)[1].fit.fits


def test_a_board_is_named(tmp_path):
    target = Target.of_board(BOARDS["icebreaker"], clock=24e6)
    build = write_design(*plan_of(dense_network(16, 4)), tmp_path / "build", target=target)
    assert DesignFolder.open(build.folder).target == build.target == target
    assert target == Target(clock=24e6, part="ice40-up5k", family="ice40", board="icebreaker")
    line = f"Target +{re.escape(BOARDS['icebreaker'].title)}, ice40-up5k at 24 MHz\\s"
    assert re.search(line, terminal(collect(build)))


def routed_for(part):
    return SimpleNamespace(part=part)


def test_what_was_routed_fits():
    part = PARTS["ice40-up5k"]
    total = Resources(lut=1, ff=1, carry=0, bram=part.block_rams, lutram=0, dsp=0, sites=part.luts + 1)
    estimated = {"ice40": SimpleNamespace(total=total)}
    alone, on_board, on_another = (
        fit(part, measured={}, estimated=estimated, routed=boards)
        for boards in ({}, {"icebreaker": routed_for("ice40-up5k")}, {"ulx3s_85f": routed_for("ecp5-85k")})
    )
    assert (alone.fits, on_board.fits, on_another.fits) == (False, True, False)
    assert [row.fits for row in alone.resources] == [False, True, True, True]
    assert on_board.routed and not on_another.routed


def test_luts_that_can_be_memory_are_counted_where_few_can():
    part = PARTS["gw1n-9"]
    total = Resources(lut=1, ff=1, carry=0, bram=1, lutram=271, dsp=0, sites=1100)
    found = fit(part, measured={}, estimated={"gowin": SimpleNamespace(total=total)}, routed={})
    row = found.resources[-1]
    assert not found.fits and (row.resource, row.used, row.available, row.fits) == ("LUT RAMs", 271, 270, False)
    # Elsewhere they are LUT sites, and no more than these.
    other = fit(PARTS["ecp5-25k"], measured={}, estimated={"ecp5": SimpleNamespace(total=total)}, routed={})
    assert other.fits and "LUT RAMs" not in [one.resource for one in other.resources]


def test_a_simulated_board_is_that_of_the_target(tmp_path):
    build = write_design(*plan_of(dense_network(16, 4)), tmp_path / "build")
    assert rates(build) == (CLOCK, CLOCK, BAUD)
    for board in BOARDS.values():
        found = rates(replace(build, design=build.design.made_for(Target.of_board(board, clock=30e6))))
        assert found == (30_000_000, board.oscillator, board.baud)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{", "Expecting property name"),
        ("[]", "list indices"),
        (target_text(Target()).replace("100000000.0", '"fast"'), "clock 'fast'"),
        (target_text(Target()).replace("100000000.0", "NaN"), "clock nan"),
        (target_text(Target()).replace('"part": null', '"part": "z80"'), "part 'z80'"),
        (target_text(Target()).replace('"part": null', '"part": "xc7a35t"'), "part 'xc7a35t' of family None"),
        (target_text(Target()).replace('"board": null', '"board": "ulx3s_85f"'), "board 'ulx3s_85f' with part None"),
        (target_text(Target()).replace('"version": 1', '"version": 2'), "format 'bitweir target', version 2"),
    ],
)
def test_a_damaged_target(tmp_path, text, why):
    (tmp_path / TARGET_FILE).write_text(text)
    with pytest.raises(FileError) as error:
        load_target(tmp_path / TARGET_FILE)
    assert f"is not a target of version 1 ({why}" in str(error.value)
    assert str(error.value).endswith("): make the folder again with bitweir generate.")


def test_an_edited_target_is_refused(folder, tmp_path):
    build = DesignFolder.open(folder)
    other = write_design(build.network, build.plan, tmp_path / "build").folder
    (other / TARGET_FILE).write_text(target_text(Target(clock=200e6)))
    result = CliRunner().invoke(main, ["report", str(other)])
    assert result.exit_code == 7 and result.stdout == ""
    assert "'target.json' is not what bitweir wrote there" in result.stderr


def test_without_one_nothing_is_taken_for_granted(tmp_path):
    assert load_target(tmp_path / TARGET_FILE) == Target(clock=100e6, part=None, family=None, board=None)
    assert Target.of(clock=1e6, family="generic").family is None
    assert Target.of(clock=1e6, family="gowin").usual_part is PARTS["gw2a-18"]
