"""Popcounts and dot products in mapped netlists, of each family in its own construction and in portable ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

from bitweir_hw.blocks.matvec.planes import planes_for
from bitweir_hw.popcount import STYLE, DotProduct, Popcount
from bitweir_hw.popcount.elements import ProcessingElements
from bitweir_sim.formal import Verdict

from .claim import Case, Claim
from .netlists import FAMILIES, mapped, part
from .popcounts import METHOD, TOOL, Shape, element_sums

__all__ = ["CLAIMS"]

#: Lanes of popcounts without registers; all of them are proved in a longer run.
LANES, ALL_LANES = (5, 16, 33, 64), (*range(1, 65), 100, 256, 1024)
#: Constructions that any family can have.
PORTABLE = ("tree", "fused", "xc7")


def shapes_of(style: str, lanes: Iterable[int], each: int = 0) -> list[Shape]:
    """Popcounts of so many lanes, with accumulators that are a little longer."""
    popcount = Popcount(style=style, levels_per_stage=each)
    return [Shape(DotProduct(simd=n), n.bit_length() + 2, popcount) for n in lanes]


def planes_of(style: str, lanes: Iterable[int]) -> list[Shape]:
    """Dot products of inputs of several bits, and of weights of several planes."""
    popcount = Popcount(style=style, levels_per_stage=2)
    dots = [
        dot
        for n in lanes
        for dot in (
            DotProduct(simd=n, bits=2),
            DotProduct(simd=n, planes=planes_for(-1, 1)),
            DotProduct(simd=n, bits=3, planes=planes_for(-4, 3)),
        )
    ]
    return [Shape(dot, dot.most.bit_length() + 2, popcount) for dot in dots]


def netlists(family: str, shapes: list[Shape], fault: str = "") -> Verdict:
    """Prove the elements of a netlist, one after the other; the first that is not proved, else the last.

    Parameters
    ----------
    fault : str
        Planted: see `netlists.mapped`.
    """
    elements = [ProcessingElements(pe=1, dot=shape.dot, width=shape.width, popcount=shape.popcount) for shape in shapes]
    circuit = mapped(family, elements, fault)
    for n, shape in enumerate(shapes):
        verdict = element_sums(part(circuit, n), shape)
        if verdict.status != "proved":
            break
    return verdict


def cases() -> Iterator[Case]:
    """Of each family."""
    yield Case(name="ecp5, 5 lanes", run=partial(netlists, "ecp5", shapes_of("ecp5", [5])), quick=True)
    for family in FAMILIES:
        style = STYLE[family]
        shapes = [*shapes_of(style, LANES), *shapes_of(style, [20], 1), *planes_of(style, [3])]
        yield Case(
            name=f"{family}, {', '.join(map(str, LANES))} lanes and planes of 3", run=partial(netlists, family, shapes)
        )
    for family in FAMILIES:
        for style in (STYLE[family], *(style for style in PORTABLE if style != STYLE[family])):
            for levels in (0, 1, 2) if style == STYLE[family] else (0,):
                yield Case(
                    name=f"{family}, {style}, {levels} levels a stage, all lanes to 64, and some more",
                    run=partial(netlists, family, shapes_of(style, ALL_LANES, levels)), thorough=True,
                )  # fmt: skip
        shapes = planes_of(STYLE[family], range(1, 17))
        yield Case(name=f"{family}, planes of up to 16 lanes", run=partial(netlists, family, shapes), thorough=True)


def faults() -> Iterator[Case]:
    """Cells that synthesis could have got wrong."""
    yield Case(
        name="ecp5, a carry cell is lost",
        run=partial(netlists, "ecp5", shapes_of("ecp5", [5]), "lost carry"), quick=True,
    )  # fmt: skip
    for family in FAMILIES[1:]:
        yield Case(
            name=f"{family}, an entry of a table",
            run=partial(netlists, family, shapes_of(STYLE[family], [5]), "table"),
        )


CLAIMS = (
    Claim(
        name="sums",
        says="In a mapped netlist, each step of an accumulator adds the dot product of the inputs and weights that "
        "came as many cycles before as the plan says, and begins with the preset.",
        parameters="ECP5, iCE40, Gowin and Xilinx 7, each in its own construction; popcounts of 5, 16, 33 and 64 "
        "lanes, and of 20 with registers; 3 lanes of several bits and planes; with `--all` all lanes from 1 to 64, "
        "100, 256 and 1,024, without registers, with one behind each level or each second one, and in each portable "
        "construction, and planes of 1 to 16 lanes",
        method=METHOD,
        tool=TOOL,
        fault="a carry cell that synthesis has lost, or an entry of a table",
        cases=cases,
        faults=faults,
    ),
)
