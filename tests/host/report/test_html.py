"""Reports as a page and as Markdown: complete, escaped, valid, and as a browser shows them."""

from __future__ import annotations

import html
import io
import json
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser

import jsonschema
import msgspec
import pytest
from bitweir.cli import main
from bitweir.design import write_design
from bitweir.folders import added_file
from bitweir.report import estimates
from bitweir.report.collect import collect, schema
from bitweir.report.html import page
from bitweir.report.markdown import markdown
from bitweir.report.report import Report
from bitweir.report.svg import element
from bitweir.report.tables import figures
from bitweir.report.terminal import render
from bitweir.synthesis.measure import VERSION
from bitweir.synthesis.results import Resources
from bitweir_hw.blocks import BLOCKS
from bitweir_hw.cost import Cost, estimate_pipeline, network_errors
from bitweir_hw.network import Dense, Network, check
from bitweir_hw.parts import PARTS
from bitweir_hw.plan import Folding, Plan
from click.testing import CliRunner
from rich.console import Console
from support.samples import every_kind
from support.schemas import validate
from support.strategies import identity_input

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_browser = pytest.mark.skipif(BROWSER is None, reason="Chromium is not installed")

NOTE = """A <script>alert("1")</script> & 'it' {{ 7 * 7 }} | <img src=x onerror=alert(1)> `code` *stars*"""
VOID = {"meta", "link", "br", "img", "input", "hr"}
RANKS = ("median", "most", "worst")
KEYS = ("lut", "ff", "carry", "bram", "lutram", "dsp", "sites")


def measured(build):
    """A measurement of so many cells for each block: 10, 20, 30 ..."""
    blocks = {
        block.name: dict.fromkeys(KEYS, 10 * number) | {"lanes": getattr(block, "lanes", 0)}
        for number, block in enumerate(build.pipeline.blocks, 1)
    }
    total = {key: sum(row[key] for row in blocks.values()) for key in (*KEYS, "lanes")}
    return {"version": VERSION, "family": "ecp5", "tool": "Yosys 0.0", "seconds": 1.5, "blocks": blocks, "total": total}


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    network, plan = every_kind(streams=2)
    folder = tmp_path_factory.mktemp("page") / "build"
    result = write_design(replace(network, notes=(NOTE, "Second.")), plan, folder)
    added_file(folder / "synthesis-ecp5.json", json.dumps(measured(result)).encode())
    return result


@pytest.fixture(scope="module")
def report(build):
    with pytest.MonkeyPatch.context() as patch:
        costs = {
            block.name: Cost(**dict.fromkeys(KEYS, 12 * number))
            for number, block in enumerate(build.pipeline.blocks, 1)
        }
        patch.setattr(estimates, "estimate_pipeline", lambda pipeline, family: (costs, sum(costs.values(), Cost())))
        return collect(build, clock=100e6)


@pytest.fixture(scope="module")
def text(report):
    return page(report)


class Checker(HTMLParser):
    """Every element closed in its place, every id once, every table with heads."""

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.open, self.ids, self.tables, self.texts, self.tags = [], [], [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        given = dict(attributes)
        assert len(given) == len(attributes), f"an attribute twice in <{tag}>"
        self.tags.append((tag, given))
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "table":
            self.tables.append([])
        if tag == "tr":
            self.tables[-1].append([])
        if tag in ("td", "th"):
            assert tag == "td" or given.get("scope") in ("col", "row")
            self.tables[-1][-1].append("")
        if tag == "svg" and not given.get("aria-hidden"):
            assert given["role"] == "img" and given["aria-label"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("script", "style"):
            self.texts.append(data)
        if {"td", "th"} & set(self.open) and not {"title", "text"} & set(self.open):
            self.tables[-1][-1][-1] += data


# ---- the page


def test_valid(text):
    found = Checker(text)
    assert text.startswith("<!DOCTYPE html>") and not found.open
    assert len(set(found.ids)) == len(found.ids)
    links = {given["href"] for tag, given in found.tags if tag == "a"}
    assert {link.removeprefix("#") for link in links} <= set(found.ids)
    for table in found.tables:
        assert len({len(row) for row in table}) == 1, table
    assert ("html", {"lang": "en"}) in found.tags


def test_nothing_from_elsewhere(text):
    for _, given in Checker(text).tags:
        for name in ("src", "href", "data", "action", "poster", "xlink:href"):
            assert not re.match(r"(\w+:)?//", given.get(name, "")), given
    inside = "".join(re.findall(r"<(?:script|style)>(.*?)</(?:script|style)>", text, re.S))
    assert not re.search(r"https?:|url\(|@import|fetch\(|XMLHttpRequest|WebSocket", inside)
    assert text.count("<script") == 1


def test_every_block_stream_and_memory_is_there(report, text):
    tables = Checker(text).tables
    by_size = {table[0][0].strip(): [] for table in tables}
    for table in tables:
        by_size[table[0][0].strip()].append([row[0] for row in table[1:]])
    names = [block.name for block in report.blocks]
    blocks = by_size["Block"]
    # Work, resources, one frame; a row in all for each memory.
    assert [rows for rows in blocks if rows == [*names, "total"]] == [[*names, "total"]] * 2
    assert names in blocks
    assert [block.name for block in report.blocks for _ in block.memories] in blocks
    assert by_size["Stream"] == [[stream.name for stream in report.streams]]


def test_every_kind_has_a_colour(text):
    for colour in {block.group for block in BLOCKS}:
        assert f".k-{colour} " in text and f'class="node k-{colour}"' in text


def test_estimates_stand_beside_measurements(report, text):
    validate(report.to_dict(), schema())
    name = report.blocks[0].name
    assert report.errors["ecp5"].blocks[name].lut == pytest.approx(0.2)
    table = next(table for table in Checker(text).tables if "LUTestimated" in table[0])
    columns = [table[0].index(f"LUT{kind}") for kind in ("estimated", "measured", "error")]
    assert [table[1][column] for column in columns] == ["12", "10", "+20.0%"]
    assert table[-1][columns[2]] == "+20.0%"


def test_without_measurements(build, tmp_path):
    shutil.copytree(build.folder, tmp_path / "copy")
    (tmp_path / "copy" / "synthesis-ecp5.json").unlink()
    report = collect(replace(build, folder=tmp_path / "copy"), clock=100e6)
    validate(report.to_dict(), schema())
    assert report.synthesis == report.errors == {} and set(report.estimates) == {"ecp5"}
    assert report.roofline.sites_per_lane_from == "estimated"
    found = Checker(page(report))
    heads = [head for table in found.tables for head in table[0]]
    assert not found.open and "LUTestimated" in heads
    assert not [head for head in heads if head.endswith(("measured", "error"))]
    assert "measured" not in markdown(report)


def test_estimates_are_those_of_the_cost_model(build):
    found = estimates.estimates(build.pipeline, [PARTS["ice40-up5k"], PARTS["xc7z020"]])
    assert set(found) == {"ice40", "xilinx"}
    for family, each in found.items():
        assert set(each.blocks) == {block.name for block in build.pipeline.blocks}
        assert each.total == Resources(**{key: sum(getattr(row, key) for row in each.blocks.values()) for key in KEYS})
        assert each.total.ff == estimate_pipeline(build.pipeline, family)[1].ff > 0


def test_every_report_tells_how_far_estimates_are_off(report, text):
    console = Console(width=120, file=io.StringIO())
    for part in render(report):
        console.print(part)
    known = report.estimates["ecp5"].bands
    worst = known.total.lut.worst
    assert worst == network_errors("ecp5")["lut"][2] / 100
    table = next(table for table in Checker(text).tables if "LUTwithin" in table[0])
    assert [row[0] for row in table[1:]] == [*(block.name for block in report.blocks), "random designs"]
    assert table[-1][1] == " / ".join(f"{100 * getattr(known.total.lut, key):.1f}" for key in RANKS) + " %"
    assert f"{worst:.1%}" in console.file.getvalue()
    assert "Errors of the estimates for ecp5" in markdown(report)


def test_text_is_text(report, text):
    found = Checker(text)
    assert NOTE in found.texts
    assert not [given for tag, given in found.tags if tag in ("img", "iframe", "object", "embed")]
    assert not [name for _, given in found.tags for name in given if name.startswith("on")]
    hostile = msgspec.json.decode(json.dumps(report.to_dict()).replace("votes_fork", "<b>\\\"'&"), type=Report)
    found = Checker(page(hostile))
    assert "b" not in [tag for tag, _ in found.tags] and "<b>\"'&" in found.texts


def test_elements_are_escaped():
    assert element("text", "<&>", class_="a\"b'") == '<text class="a&#34;b&#39;">&lt;&amp;&gt;</text>'


def test_legal_names_may_be_anything_that_python_allows(tmp_path):
    layer = Dense(name="constructor", weights=every_kind()[0].layers[-1].branches[0][0].weights)
    network = check(Network(name="__proto__", input=identity_input(20), layers=(layer,)))
    plan = Plan(foldings=(Folding(simd=4, pe=1),))
    report = collect(write_design(network, plan, tmp_path / "build"), clock=1e6)
    text = page(report)
    assert "<h1>__proto__</h1>" in text and not Checker(text).open
    assert r"# \_\_proto\_\_" in markdown(report)


# ---- Markdown


def test_markdown(report):
    text = markdown(report)
    assert "<script" not in text and "<img" not in text and r"\`code\` \*stars\*" in text
    tables = re.findall(r"(?:^\|.*\|\n)+", text, re.M)
    assert len(tables) == 11
    for table in tables:
        rows = table.splitlines()
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1
        assert re.fullmatch(r"\|( (:---|---:) \|)+", rows[1])


@pytest.mark.parametrize("note", ["- a", "+ a", "12. a", "3) a", "---", "===", "# a", "> a", "| a |", "* a"])
def test_notes_are_no_markup(report, note):
    text = markdown(replace(report, network=replace(report.network, notes=(note,))))
    (line,) = text.split("## Notes\n\n")[1].split("\n\n")[0].splitlines()
    assert re.match(r"- (\d*\\|&gt;)", line)


def test_command(build, tmp_path):
    files = [tmp_path / "new" / "report.html", tmp_path / "report.md"]
    words = ["report", str(build.folder), "--html", str(files[0]), "--markdown", str(files[1]), "--part", "ecp5-25k"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    for file in files:
        assert f"Written: {file}" in result.stdout.replace("\n", "")
        assert "ecp5-25k: 24,288 LUTs" in file.read_text().replace("\\", "")


# ---- in a browser


def browse(folder, address, *options):
    """The document after scripts; nothing may have gone wrong in them."""
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        f"--user-data-dir={folder / 'profile'}", "--enable-logging=stderr", *options, "--dump-dom", address,
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert not [line for line in done.stderr.splitlines() if ":CONSOLE" in line]
    return done.stdout


@pytest.fixture(scope="module")
def file(text, tmp_path_factory):
    path = tmp_path_factory.mktemp("browser") / "report.html"
    path.write_text(text)
    return path


def order(dom):
    """The blocks as they stand in their table, and how that says that it is sorted."""
    found = Checker(dom)
    table = [given.get("id") for tag, given in found.tags if tag == "table"].index("blocks")
    rows = [row[0] for row in found.tables[table][1:]]
    assert rows.pop() == "total"
    return rows, {given["data-key"]: given["aria-sort"] for _, given in found.tags if "aria-sort" in given}


@needs_browser
def test_sorting(report, file):
    names = [block.name for block in report.blocks]
    assert order(browse(file.parent, file.as_uri())) == (names, {})
    for direction, sign in (("descending", -1), ("ascending", 1)):
        dom = browse(file.parent, f"{file.as_uri()}#sort=blocks.cycles.{direction}")
        by_cycles = sorted(report.blocks, key=lambda block: sign * block.cycles)
        assert order(dom) == ([block.name for block in by_cycles], {"cycles": direction})
    dom = browse(file.parent, f"{file.as_uri()}#sort=blocks.block.ascending")
    assert order(dom) == (sorted(names), {"block": "ascending"})


@needs_browser
@pytest.mark.parametrize("width", [360, 768, 1280])
def test_no_page_is_wider_than_its_window(text, tmp_path, width):
    # Windows have a least width; a frame has none.
    (tmp_path / "frame.html").write_text(
        f"""<!DOCTYPE html><title>frame</title>
<iframe style="width:{width}px;height:800px;border:0" srcdoc="{html.escape(text)}"></iframe>
<script>
addEventListener("load", function () {{
  var inside = document.querySelector("iframe").contentDocument.documentElement;
  document.title = "widths " + inside.dataset.scrollWidth + " " + inside.dataset.clientWidth;
  document.querySelector("iframe").remove();
}});
</script>"""
    )
    dom = browse(tmp_path, (tmp_path / "frame.html").as_uri(), "--window-size=1400,900")
    scroll, client = re.search(r"<title>widths (\d+) (\d+)</title>", dom).groups()
    assert scroll == client and width - 20 <= int(client) <= width


@needs_browser
def test_captions_are_not_cut_on_a_phone(text, tmp_path):
    """A table that is wider than the window scrolls in its own box, below a caption that fits the box."""
    (tmp_path / "frame.html").write_text(
        f"""<!DOCTYPE html><title>frame</title>
<iframe style="width:400px;height:800px;border:0" srcdoc="{html.escape(text)}"></iframe>
<script>
addEventListener("load", function () {{
  var boxes = Array.from(document.querySelector("iframe").contentDocument.querySelectorAll(".scroll"));
  var wide = boxes.filter(function (box) {{ return box.scrollWidth > box.clientWidth; }});
  var over = boxes.filter(function (box) {{
    var caption = box.querySelector("caption span");
    return caption && caption.getBoundingClientRect().right > box.getBoundingClientRect().right + 0.5;
  }});
  document.title = "boxes " + wide.length + " " + over.length;
  document.querySelector("iframe").remove();
}});
</script>"""
    )
    dom = browse(tmp_path, (tmp_path / "frame.html").as_uri(), "--window-size=1400,900")
    wide, over = map(int, re.search(r"<title>boxes (\d+) (\d+)</title>", dom).groups())
    assert wide > 5 and not over


def routed_result(build):
    """What `bitweir build` would leave, with made-up figures."""
    end = {"block": "conv", "layer": "conv", "register": "acc<b>"}
    row = dict.fromkeys(KEYS, 5)
    return {
        "board": "icebreaker", "part": "ice40-up5k", "device": "iCE40UP5K-SG48", "clock_mhz": 24.0, "fmax_mhz": 25.5,
        "link_clock_mhz": 12.0, "link_fmax_mhz": 43.2, "crossing_ns": 4.5,
        "margin": 0.05, "pll": None, "baud": 3_000_000, "seed": 3, "seeds": 4,
        "attempts": [{"clock_mhz": 24.0, "fmax_mhz": 25.5, "seed": 3}], "cycles_per_frame": 16.0, "latency_cycles": 48,
        "accelerator_fps": 1.5e6, "link_fps": 1000.0,
        "utilisation": {"ICESTORM_LC": {"used": 4000, "available": 5280}},
        "blocks": {**{block.name: row for block in build.pipeline.blocks}, "link": row},
        "path": {
            "ns": 39.2, "logic_ns": 9.2, "routing_ns": 30.0, "from": end, "to": end,
            "steps": [{"kind": "routing", "ns": 30.0, "block": "conv", "cell": "a<i>"}],
        },
        "tools": {"nextpnr": "0"}, "options": ["--up5k"], "seconds": {"synthesis": 1.0, "routing": 2.0},
    }  # fmt: skip


def test_what_was_routed_stands_in_every_report(build, tmp_path):
    shutil.copytree(build.folder, tmp_path / "copy")
    added_file(tmp_path / "copy" / "routed-icebreaker.json", json.dumps(routed_result(build)).encode())
    report = collect(replace(build, folder=tmp_path / "copy"), clock=100e6)
    validate(report.to_dict(), schema())
    with pytest.raises(jsonschema.ValidationError):
        validate(report.to_dict() | {"routed": {"icebreaker": {"board": 1}}}, schema())
    found = Checker(page(report))
    assert not found.open and {"b", "i"}.isdisjoint(tag for tag, _ in found.tags)
    console = Console(width=160, file=io.StringIO())
    for part in render(report):
        console.print(part)
    # The head tells what was routed, and no sentence says that nothing was measured.
    (fullest,) = (figure for figure in figures(report) if figure[0] == "Fullest")
    assert fullest[2].endswith("routed with the link on 1BitSquared iCEBreaker") == (report.part.name == "ice40-up5k")
    assert "There is no measurement yet" not in page(report)
    for told in ("25.5 MHz", "43.2 MHz", "39.20 ns", "4,000 of 5,280"):
        assert any(told in text for text in found.texts) and told in console.file.getvalue()
        assert told in markdown(report)


def test_a_report_shows_itself(report, text):
    assert report.frames_per_second == report.timing.frames_per_second
    assert report.html() == text and report.markdown() == markdown(report)
    lines = repr(report).splitlines()
    assert lines[0] == "Report of net"
    assert lines[1].startswith(f"Throughput: {report.frames_per_second:,.0f} frames/s at ")
    hostile = replace(report, network=replace(report.network, name="<script>&"))
    shown = hostile._repr_html_()
    assert "<caption>Report of &lt;script&gt;&amp;</caption>" in shown and "<script" not in shown
    rows = re.findall(r"<tr><th>(.*?)</th><td>(.*?)</td><td>(.*?)</td></tr>", shown)
    assert [f"{what}: {much} {unit}" for what, much, unit in rows] == lines[1:]
