"""Parts: the listed ones, and one's own from a file; and that whatever knows families knows all of them."""

import json
from dataclasses import replace

import pytest
from bitweir import part_list
from bitweir.cli import main
from bitweir.design import write_design
from bitweir.part_list import find_part, list_parts, parts_schema, read_part
from bitweir.planning.limits import ROUTES
from bitweir.report import tables
from bitweir.report.collect import collect
from bitweir.report.roofline import ELEMENT_SITES
from bitweir.synthesis import flows
from bitweir.synthesis.measure import synthesise
from bitweir.target import TARGET_FILE, Target, load_target, target_text
from bitweir_hw.cost import estimate_pipeline
from bitweir_hw.cost.model import coefficients
from bitweir_hw.cost.speed import HIGHEST, delays
from bitweir_hw.errors import BitweirError, FileError, PlanError
from bitweir_hw.files import network_bytes
from bitweir_hw.parts import BLOCK_RAM, COUNTED_AS, PART_OF, PARTS, SPEEDS, FpgaPart
from bitweir_hw.plan import plan_from_foldings
from bitweir_hw.popcount import STYLE, Popcount
from bitweir_hw.resources import memories, multipliers
from bitweir_hw.resources.terms import CARRY_FROM
from click.testing import CliRunner
from support.families import FITTED
from support.samples import dense_network
from support.schemas import validate

from tools.calibrate_cost import drawn
from tools.parts_page import BOARDS_PAGE, PAGE, boards_page, page

OWN = """
name = "lfe5u-12"
family = "ecp5"
luts = 12_000
ffs = 12_000
block_rams = 32
dsps = 28
source = "the data sheet"
"""
PART = FpgaPart(
    name="lfe5u-12", family="ecp5", luts=12_000, ffs=12_000, block_rams=32, dsps=28, speed="ecp5",
    source="the data sheet",
)  # fmt: skip


@pytest.fixture
def own(tmp_path):
    (tmp_path / "my.toml").write_text(OWN)
    return tmp_path / "my.toml"


def test_a_part_from_a_file(own):
    assert read_part(own) == read_part(str(own)) == find_part(own) == find_part(str(own)) == PART
    assert find_part(PART) is PART and find_part("ecp5-85k") is PARTS["ecp5-85k"]
    with pytest.raises(PlanError, match="The part must be one of ecp5-25k, .*, not 'z80'"):
        find_part("z80")
    # As editors of Windows write it.
    own.write_bytes(b"\xef\xbb\xbf" + (OWN + "lut_rams = 5").encode())
    assert read_part(own) == replace(PART, lut_rams=5)
    own.write_text(OWN + "lut_rams = 0")
    with pytest.raises(FileError, match="must have 1 to 100,000,000 LUT RAMs, not 0"):
        read_part(own)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it lacks the field"),
        ("name = ", "Invalid value"),
        (b"\xff\xfe", "UTF-8"),
        (OWN + "luts = 3", "overwrite"),
        (OWN + "price = 3", "it has a field price"),
        (OWN.replace("12_000", '"many"'), "must be an integer, not a text"),
        (OWN.replace("12_000", "1e4"), "must be an integer, not a number"),
        (OWN.replace("12_000", "true"), "must be an integer, not true or false"),
        (OWN.replace("12_000", "0"), "must have 1 to 100,000,000 LUTs, not 0"),
        (OWN.replace("12_000", "9" * 5000), "limit"),
        (OWN.replace("32", "-1"), "block RAMs, not -1"),
        (OWN.replace('"ecp5"', '"z80"'), "The family of lfe5u-12 must be one of ecp5, "),
        (OWN.replace("lfe5u-12", "../etc"), "The name of a part must be 1 to 40 letters"),
        (OWN.replace("lfe5u-12", "a" * 41), "The name of a part must be 1 to 40 letters"),
        (OWN.replace("the data sheet", "a\\nb"), "one line"),
        (OWN + 'speed = "warp"', "The speed of lfe5u-12 must be one of ecp5, not 'warp'"),
        ("a = " + "[" * 20_000, ""),
        (OWN + "#" * 70_000, "more than 65,536 bytes"),
        (OWN.replace("lfe5u-12", "ecp5-85k"), "has the name of a listed part, ecp5-85k"),
    ],
)  # fmt: skip
def test_what_is_no_part(tmp_path, text, why):
    path = tmp_path / "my.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(FileError) as error:
        read_part(path)
    told = str(error.value)
    assert why in told and str(path) in told and "\n" not in told and told.endswith(".") and len(told) < 600
    assert error.value.exit_code == 7


def test_a_file_that_is_not_there(tmp_path):
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(FileError, match="Cannot read"):
            read_part(path)


def test_a_target_keeps_the_figures(tmp_path):
    target = Target.of(clock=50e6, part=PART)
    assert (target.part, target.family, target.usual_part) == ("lfe5u-12", "ecp5", PART)
    (tmp_path / TARGET_FILE).write_text(target_text(target))
    assert load_target(tmp_path / TARGET_FILE) == target
    # Nothing is added where nothing is to say.
    assert "custom" not in target_text(Target.of(clock=50e6, part="ecp5-25k"))
    for old, new in (
        ("12000", "-1"),
        ('"name": "lfe5u-12"', '"name": "z80"'),
        ('"luts"', '"lots"'),
        ("lfe5u-12", "ecp5-25k"),
    ):
        (tmp_path / TARGET_FILE).write_text(target_text(target).replace(old, new))
        with pytest.raises(FileError, match="is not a target of version 1"):
            load_target(tmp_path / TARGET_FILE)


def test_commands_take_it(tmp_path, own):
    """A design for it is planned, and its report goes by it without the file."""
    (tmp_path / "net.npz").write_bytes(network_bytes(dense_network(64, 16, 4)))
    words = ["generate", tmp_path / "net.npz", "-o", tmp_path / "out", "--part", own, "--goal", "area", "--fps", "1e5"]
    result = CliRunner().invoke(main, [*map(str, words), "--json"])
    assert result.exit_code == 0, result.output
    search = json.loads(result.stdout)["search"]
    assert (search["part"], search["part_sites"], search["part_block_rams"]) == ("lfe5u-12", 12_000, 32)
    own.unlink()
    result = CliRunner().invoke(main, ["report", str(tmp_path / "out"), "--json"])
    part = json.loads(result.stdout)["part"]
    assert (part["name"], part["luts"], part["source"], part["listed"]) == ("lfe5u-12", 12_000, "the data sheet", False)
    for words, code, told in (
        (["--part", str(own)], 7, "Cannot read"),
        (["--part", "z80"], 2, "'z80' is not one of ecp5-25k, "),
    ):
        result = CliRunner().invoke(main, ["report", str(tmp_path / "out"), *words])
        assert result.exit_code == code and told in " ".join(result.stderr.split())


def test_the_list():
    result = CliRunner().invoke(main, ["parts", "--json"])
    tree = json.loads(result.stdout)
    validate(tree, parts_schema())
    assert tree == list_parts().to_dict()
    assert {part["name"] for part in tree["parts"]} == set(PARTS)
    shown = CliRunner().invoke(main, ["parts"]).stdout
    assert all(name in shown for name in PARTS)


def test_a_family_is_missing_nowhere():
    """Whatever knows families knows all; what is measured or fitted, those that count as themselves."""
    one_each = {
        "parts.BLOCK_RAM": BLOCK_RAM, "parts.COUNTED_AS": COUNTED_AS, "parts.SPEEDS": SPEEDS, "parts.PART_OF": PART_OF,
        "popcount.STYLE": set(STYLE) - {"generic"}, "planning.limits.ROUTES": ROUTES,
        "synthesis.flows.FAMILIES": flows.FAMILIES, "synthesis.flows: cells": flows._PREFIXES,
        "synthesis.flows: scripts": set(flows._SYNTHESIS) - set(PARTS), "cost: drawn": coefficients()["drawn"],
        "calibrate_cost.drawn.PARTS": drawn.PARTS, "calibrate_cost.drawn.TITLES": drawn.TITLES,
        "parts of": {part.family for part in PARTS.values()},
    }  # fmt: skip
    for where, families in one_each.items():
        assert set(families) == set(BLOCK_RAM), where
    counted = {
        "cost: coefficients": coefficients()["coefficients"], "cost: errors": coefficients()["errors"],
        "resources.memories": memories._BLOCKS, "resources.multipliers": multipliers._SIZES,
        "resources.terms.CARRY_FROM": CARRY_FROM, "report.roofline.ELEMENT_SITES": ELEMENT_SITES,
    }  # fmt: skip
    for where, families in counted.items():
        assert set(families) == set(COUNTED_AS.values()) == set(FITTED), where


@pytest.mark.parametrize(
    "family", ["gw5a", *(pytest.param(name, marks=pytest.mark.long) for name in ("nexus", "ultrascale"))]
)
def test_what_synthesis_makes_of_a_family_that_counts_as_another_one(family, tmp_path):
    """Block RAM is counted exactly; the rest within what drawn accelerators showed, and something for small ones."""
    network = dense_network(64, 32, 10)
    plan = plan_from_foldings(network, "16x8:block,8x5:block", popcount=Popcount(style=STYLE[family]))
    build = write_design(network, plan, tmp_path / "build", target=Target.of(clock=50e6, family=family))
    found, guess = synthesise(build, family).total, estimate_pipeline(build.pipeline, family)[1]
    assert found.bram == guess.bram > 0
    for key in ("ff", "sites"):
        assert getattr(guess, key) == pytest.approx(getattr(found, key), rel=0.25), key
    report = collect(build)
    assert report.estimates[family].bands.counted_as == COUNTED_AS[family]
    assert f"{family} is counted as {COUNTED_AS[family]}, as nothing was fitted to it" in tables.totals(report).remark


def test_every_listed_part_says_where_its_figures_are_from():
    for part in PARTS.values():
        assert part.source and part.luts > 1000 and delays(part) and HIGHEST[part.speed] > 0
    assert set(HIGHEST) == {speed for speeds in SPEEDS.values() for speed in speeds}


@pytest.mark.parametrize("change", [{"name": ""}, {"name": 3}, {"luts": True}, {"dsps": -1}, {"source": "a\nb"}])
def test_a_part_in_python_is_checked(change):
    with pytest.raises(BitweirError):
        FpgaPart(**{"name": "a", "family": "ecp5", "luts": 1, "ffs": 1, "block_rams": 1} | change)
    assert part_list.PARTS is PARTS


def test_the_page_lists_the_parts():
    """Run ``python -m tools.parts_page`` where it does not."""
    for path, made in ((PAGE, page), (BOARDS_PAGE, boards_page)):
        text = path.read_text()
        assert text == made(text)
