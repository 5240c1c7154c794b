"""Processing elements: the netlists of each family."""

from __future__ import annotations

import itertools
import json
import random
from dataclasses import dataclass
from pathlib import Path

import pytest
from amaranth.back import rtlil
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In
from bitweir.synthesis import flows
from bitweir_hw.popcount import STYLE, DotProduct, Plane, Popcount
from bitweir_hw.popcount.elements import ProcessingElements
from bitweir_hw.popcount.trees import best_count
from bitweir_hw.tools import run_yosys
from support.dot_products import BYTES, TERNARY, dot_value
from support.families import FITTED
from support.netlist_eval import Netlist


@dataclass(frozen=True)
class Shape:
    """One array of elements in a test of netlists."""

    pe: int
    dot: DotProduct
    width: int
    popcount: Popcount

    @property
    def stages(self) -> int:
        return self.dot.stages(self.popcount)


class Many(wiring.Component):
    """Arrays side by side, with ports of their own, so that one synthesis run serves many tests."""

    def __init__(self, shapes: list[Shape]) -> None:
        self.elements = [ProcessingElements(**vars(shape)) for shape in shapes]
        members = {}
        for n, element in enumerate(self.elements):
            for name, member in element.signature.members.items():
                members[f"{name}{n}"] = member
        super().__init__(members)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        for n, element in enumerate(self.elements):
            m.submodules += element
            for name, member in element.signature.members.items():
                inner, outer = getattr(element, name), getattr(self, f"{name}{n}")
                m.d.comb += inner.eq(outer) if member.flow == In else outer.eq(inner)
        return m


def synthesise(family: str, shapes: list[Shape], folder: Path) -> None:
    """Leave netlist.json of `Many` in the folder."""
    (folder / "design.il").write_text(rtlil.convert(Many(shapes), name="top"))
    run_yosys(flows.script(family, top="top"), folder)


def mismatches(netlist: Netlist, shapes: list[Shape]) -> list[int]:
    """For each array, vectors for which the netlist differs from Python, over three beats.

    Inputs and marks are there in their one cycle only, noise before and after.
    """
    rng = random.Random(1)
    vectors = netlist.vectors

    def join(rows: list[list[int]], bits: int) -> list[int]:
        return [sum(value << (p * bits) for p, value in enumerate(row)) for row in rows]

    def word(bits: int) -> int:
        return rng.choice((0, (1 << bits) - 1, 1 << rng.randrange(bits), rng.getrandbits(bits), rng.getrandbits(bits)))

    accs = [[[0] * shape.pe for _ in range(vectors)] for shape in shapes]
    for beat in range(3):
        for cycle in range(1 + max(shape.stages for shape in shapes)):
            for n, shape in enumerate(shapes):
                pe, dot, width = shape.pe, shape.dot, shape.width
                xs = [word(dot.simd * dot.bits) for _ in range(vectors)]
                size = dot.simd * len(dot.planes)
                ws = [[x % (1 << size) ^ word(size) for _ in range(pe)] for x in xs]
                presets = [[rng.getrandbits(width) for _ in range(pe)] for _ in range(vectors)]
                now = cycle == shape.stages
                if cycle == 0:
                    for p, v in itertools.product(range(pe), range(vectors)):
                        accs[n][v][p] += dot_value(dot, xs[v], ws[v][p])
                if now and beat == 0:
                    for p, v in itertools.product(range(pe), range(vectors)):
                        accs[n][v][p] += presets[v][p]
                inputs = {"x": xs, "w": join(ws, size), "preset": join(presets, width)}
                marks = {"valid": [now] * vectors, "first": [beat == 0 or not now] * vectors}
                for name, values in {**inputs, **marks}.items():
                    netlist.set(f"{name}{n}", values)
            netlist.tick()
    wrong = []
    for n, shape in enumerate(shapes):
        want = join([[acc % (1 << shape.width) for acc in row] for row in accs[n]], shape.width)
        wrong.append(sum(a != b for a, b in zip(netlist.get(f"acc{n}"), want, strict=True)))
    return wrong


@pytest.mark.parametrize("family", FITTED)
def test_netlists_of_each_family_count_right(family: str, tmp_path: Path) -> None:
    # Bits that wait for three stages would become shift registers on Xilinx.
    at_once, every, second = (Popcount(style=STYLE[family], levels_per_stage=each) for each in (0, 1, 2))
    shapes = [Shape(1, DotProduct(simd=simd), 11, at_once) for simd in (8, 33, 64)]
    shapes.append(Shape(2, DotProduct(simd=9), 7, every))
    # Bits and words.
    shapes.append(Shape(1, DotProduct(simd=6, bits=2, planes=TERNARY), 9, at_once))
    shapes.append(Shape(2, DotProduct(simd=3, bits=8, planes=BYTES[5:]), 15, second))
    synthesise(family, shapes, tmp_path)
    netlist = Netlist(tmp_path / "netlist.json", "top", 256)
    assert mismatches(netlist, shapes) == [0] * len(shapes)


def test_ecp5_cells_count_right_for_many_shapes(tmp_path: Path) -> None:
    shapes = [
        Shape(1 + n % 4, DotProduct(simd=simd), (11, 3, 7, 8)[n % 4], Popcount(style="ecp5", levels_per_stage=n % 3))
        for n, simd in enumerate((*range(1, 11), 15, 16, 17, 31, 32, 47, 65))
    ]
    synthesise("ecp5", shapes, tmp_path)
    netlist = Netlist(tmp_path / "netlist.json", "top", 64)
    assert mismatches(netlist, shapes) == [0] * len(shapes)


def test_ecp5_cells_add_right_for_many_dot_products(tmp_path: Path) -> None:
    kinds = [
        (Plane(xnor=True),),
        TERNARY,
        (Plane(),),
        (Plane(xnor=True), *TERNARY),
        BYTES[1:3],
        BYTES[6:7] + (Plane(),),
    ]
    shapes = [
        Shape(
            1 + n % 2,
            DotProduct(simd=simd, bits=bits, planes=planes),
            12,
            Popcount(style="ecp5", levels_per_stage=each),
        )
        for n, (bits, planes) in enumerate(itertools.product((1, 2, 3, 4), kinds))
        for simd, each in (((1, 0), (7, 1)) if n % 2 else ((5, 0), (2, 2)))
    ]
    synthesise("ecp5", shapes, tmp_path)
    netlist = Netlist(tmp_path / "netlist.json", "top", 64)
    assert mismatches(netlist, shapes) == [0] * len(shapes)


def test_a_lost_carry_cell_is_found(tmp_path: Path) -> None:
    # What abc9 does now and then to chains like these: one cell gone, its outputs 0.
    shape = Shape(1, DotProduct(simd=16), 8, Popcount(style="ecp5", levels_per_stage=0))
    synthesise("ecp5", [shape], tmp_path)
    text = (tmp_path / "netlist.json").read_text()
    names = [name for name, cell in json.loads(text)["modules"]["top"]["cells"].items() if cell["type"] == "CCU2C"]
    for name in names:
        damaged = json.loads(text)
        cells = damaged["modules"]["top"]["cells"]
        lost = cells.pop(name)["connections"]
        outputs = lost["S0"] + lost["S1"] + lost["COUT"]
        for cell in cells.values():
            for pin, bits in cell["connections"].items():
                cell["connections"][pin] = ["0" if bit in outputs else bit for bit in bits]
        (tmp_path / "damaged.json").write_text(json.dumps(damaged))
        assert mismatches(Netlist(tmp_path / "damaged.json", "top", 256), [shape]) != [0], name


def test_sites_are_what_the_plan_says(tmp_path: Path) -> None:
    # Accumulator: width and a separator. Chains: at most two positions each beyond the plan.
    shape = Shape(1, DotProduct(simd=64), 11, Popcount(style="ecp5", levels_per_stage=0))
    synthesise("ecp5", [shape], tmp_path)
    cells = json.loads((tmp_path / "stat.json").read_text())["design"]["num_cells_by_type"]
    planned = best_count("ecp5", 0, 64).cost + 11
    chains = 1 + 5  # the accumulator, and one for each level
    assert planned <= flows.sites("ecp5", cells) <= planned + 2 * chains
    classes = flows.classify("ecp5", cells)
    assert classes == {"lut": 0, "ff": 11, "carry": cells["CCU2C"], "bram": 0, "lutram": 0, "dsp": 0}
