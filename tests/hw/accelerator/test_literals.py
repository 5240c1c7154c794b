# amaranth: UnusedElaboratable=no
"""What memories begin with, in RTLIL and in Verilog."""

import re
import shutil
import subprocess
from random import Random

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Cat, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import Out
from bitweir_hw.accelerator import component_rtlil, rtlil_to_verilog
from bitweir_hw.accelerator.literals import Contents, put_contents
from bitweir_hw.errors import ToolError
from bitweir_hw.gateware.store import Store
from bitweir_hw.memory import Layout
from bitweir_hw.tools import convert, run_yosys
from bitweir_hw.tools import yosys as yosys_tool

#: Depth, width, layout: words that stand alone, literals of several words with a rest, banks, few words, equal ones.
MEMORIES = [
    (600, 1, Layout(depth=600)),
    (1024, 1, Layout(depth=1024)),
    (70, 11, Layout(depth=70)),
    (9, 64, Layout(depth=9)),
    (9, 65, Layout(depth=9)),
    (3, 5, Layout(depth=3)),
    (90, 7, Layout(depth=32, banks=3, registers=1)),
    (90, 7, Layout(depth=32, banks=3, shared=True, registers=1)),
]


def store_of(depth, width, layout, *, written=False):
    draw = Random(depth * width)
    words = None if written else [draw.getrandbits(width) for _ in range(depth)]
    return Store(depth=depth, width=width, layout=layout, words=words, attrs={"rom_style": "block"})


@pytest.mark.parametrize("written", [False, True])
@pytest.mark.parametrize("memory", MEMORIES)
def test_rtlil_is_what_amaranth_writes(memory, written):
    store = store_of(*memory, written=written)
    assert convert(store, name="top") == rtlil.convert(store_of(*memory, written=written), name="top", emit_src=False)


def initial(folder, text, kind):
    """What Yosys reads: the contents of each memory, by module and name."""
    folder.mkdir()
    (folder / f"design.{kind}").write_text(text)
    read = "read_rtlil design.il" if kind == "il" else "read_verilog design.v"
    run_yosys(f"{read}\nproc\nmemory_collect\nwrite_rtlil out.il\n", folder)
    found = {}
    module = ""
    for line in (folder / "out.il").read_text().splitlines():
        if line.startswith("module "):
            module = line.split()[1]
        elif match := re.match(r"  cell \$mem_v2 (\S+)", line):
            memory = match[1]
        elif match := re.match(r"    parameter \\INIT (?:\d+'([01]+)|(\d+))$", line):
            # Plain integers have 32 bits.
            found[module, memory] = match[1] or f"{int(match[2]):032b}"
    return found


class AllMemories(wiring.Component):
    """A design with each of the memories."""

    seen: Out(1)

    def elaborate(self, platform):
        m = Module()
        words = []
        for number, memory in enumerate(MEMORIES):
            m.submodules[f"store_{number}"] = store = store_of(*memory)
            words.append(store.data)
        m.d.comb += self.seen.eq(Cat(words).xor())
        return m


def test_verilog_has_the_words_of_rtlil(tmp_path):
    text = component_rtlil(AllMemories(), name="top")
    expected = initial(tmp_path / "rtlil", text, "il")
    assert len(expected) == len(MEMORIES) + 2
    assert initial(tmp_path / "verilog", rtlil_to_verilog(text), "v") == expected


def test_simulators_start_with_the_words(tmp_path):
    compiler = shutil.which("iverilog")
    if compiler is None:
        pytest.skip("Icarus Verilog is not installed.")
    for number, (depth, width, layout) in enumerate(MEMORIES):
        if layout.banks > 1:
            continue
        store = store_of(depth, width, layout)
        bench = (
            "module bench; top dut(.clk(1'b0), .rst(1'b0), .address(0));\n"
            'initial #1 $writememb("words", dut.memory); endmodule\n'
        )
        source, program = tmp_path / f"{number}.v", tmp_path / f"{number}.vvp"
        source.write_text(rtlil_to_verilog(component_rtlil(store, name="top")) + bench)
        subprocess.run([compiler, "-g2005", "-s", "bench", "-o", program, source], check=True)
        subprocess.run(["vvp", program], cwd=tmp_path, check=True)
        lines = [line for line in (tmp_path / "words").read_text().splitlines() if not line.startswith("//")]
        assert [int(line, 2) for line in lines] == list(store.words)


@pytest.mark.parametrize("width", [1, 2, 3, 8, 16, 64, 65, 512])
def test_bytes_of_a_weight(width):
    size = 1 << 17
    draw = Random(width)
    words = -(-size // width)
    bits = f"{draw.getrandbits(words * width):0{words * width}b}"
    shell = f"module m(clk);\n  reg [{width - 1}:0] memory [{words - 1}:0];\nendmodule\n"
    text = put_contents(shell, [Contents("m", "memory", width, bits)])
    assert size / 4 < len(text) < size


def test_memories_must_be_there():
    with pytest.raises(AssertionError, match="^Module m must have the memories memory\\.$"):
        put_contents("module m(clk);\nendmodule\n", [Contents("m", "memory", 1, "0")])
    with pytest.raises(AssertionError, match="^There must be modules m\\.$"):
        put_contents("", [Contents("m", "memory", 1, "0")])


@pytest.mark.parametrize(
    ("code", "stderr", "told"),
    [
        (
            1,
            "Caused by:\n    thrown Wasm exception\n",
            "Yosys ended without a message, as it does where the design needs",
        ),
        (-9, "", "the system ended Yosys, as it does where memory is short: choose foldings with fewer lanes"),
        (1, "ERROR: Syntax error.\nthrown Wasm exception\n", "ERROR: Syntax error"),
        (3, "", r"exit code 3\."),
    ],
)
def test_limits_of_memory_are_named(monkeypatch, tmp_path, code, stderr, told):
    done = subprocess.CompletedProcess([], code, "", stderr)
    monkeypatch.setattr(yosys_tool.Tool, "run", lambda *_: done)
    with pytest.raises(ToolError, match=f"^Yosys failed: {told}"):
        run_yosys("help", tmp_path)
