"""Processing elements: values and timing of the portable styles."""

from __future__ import annotations

import itertools
import random

from amaranth.sim import Simulator
from bitweir_hw.popcount import DotProduct, Plane, Popcount
from bitweir_hw.popcount.elements import ProcessingElements
from hypothesis import given, settings
from hypothesis import strategies as st
from support.dot_products import BYTES, TERNARY, dot_value

PORTABLE = ("tree", "fused", "xc7")


def stream_of(dot: DotProduct, x: int, parallel_frames: int, v: int) -> int:
    """The inputs of one stream of many."""
    full = (1 << dot.bits) - 1
    return sum((x >> (s * parallel_frames + v) * dot.bits & full) << s * dot.bits for s in range(dot.simd))


def check_elements(
    *, pe: int, dot: DotProduct, width: int, popcount: Popcount, parallel_frames: int, beats: int, seed: int
) -> None:
    """Drive random and extreme words with gaps; compare all accumulators in every cycle."""
    rng = random.Random(seed)
    dut = ProcessingElements(pe=pe, dot=dot, width=width, popcount=popcount, parallel_frames=parallel_frames)
    stages = dot.stages(popcount)
    simd, size = dot.simd * dot.bits * parallel_frames, dot.simd * len(dot.planes)

    def word(bits: int) -> int:
        return rng.choice((0, (1 << bits) - 1, rng.getrandbits(bits), rng.getrandbits(bits)))

    def weights(x: int) -> int:
        # With single bits, all products alike are the extremes.
        return x ^ word(simd) if dot.plain and parallel_frames == 1 else word(size)

    xs = [word(simd) for _ in range(beats)]
    ws = [[weights(x) for _ in range(pe)] for x in xs]
    valid = [rng.random() < 0.7 for _ in xs]
    first = [n == 0 or rng.random() < 0.4 for n in range(beats)]
    preset = [[rng.randrange(1 << width) for _ in range(pe)] for _ in xs]
    known = False
    accs = [0] * (pe * parallel_frames)

    def join(values: list[int], bits: int) -> int:
        return sum(value << (p * bits) for p, value in enumerate(values))

    async def bench(ctx):  # type: ignore[no-untyped-def]
        nonlocal known
        for cycle in range(beats + stages + 1):
            # x and w belong to a beat whose mark comes `stages` cycles later; noise after the last.
            ctx.set(dut.x, xs[cycle] if cycle < beats else word(simd))
            ctx.set(dut.w, join(ws[cycle], size) if cycle < beats else rng.getrandbits(pe * size))
            beat = cycle - stages
            now = 0 <= beat < beats
            ctx.set(dut.valid, now and valid[beat])
            ctx.set(dut.first, first[beat] if now else rng.getrandbits(1))
            ctx.set(dut.preset, join(preset[beat], width) if now else rng.getrandbits(pe * width))
            await ctx.tick()
            if now and valid[beat]:
                known = known or first[beat]
                for p, v in itertools.product(range(pe), range(parallel_frames)):
                    total = dot_value(dot, stream_of(dot, xs[beat], parallel_frames, v), ws[beat][p])
                    at = p * parallel_frames + v
                    accs[at] = ((preset[beat][p] if first[beat] else accs[at]) + total) % (1 << width)
            if known:
                assert ctx.get(dut.acc) == join(accs, width), f"after cycle {cycle}"

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


@settings(deadline=None, max_examples=40)
@given(
    style=st.sampled_from(PORTABLE),
    levels=st.integers(0, 3),
    pe=st.integers(1, 5),
    simd=st.integers(1, 70),
    width=st.integers(1, 14),
    seed=st.integers(0, 2**32),
)
def test_accumulators_hold_the_count_in_every_cycle(
    style: str, levels: int, pe: int, simd: int, width: int, seed: int
) -> None:
    popcount = Popcount(style=style, levels_per_stage=levels)
    dot = DotProduct(simd=simd)
    check_elements(pe=pe, dot=dot, width=width, popcount=popcount, parallel_frames=1, beats=25, seed=seed)


@st.composite
def dot_products(draw: st.DrawFn) -> DotProduct:
    """Any planes in any order, mostly those of weights."""
    plane = st.builds(Plane, exponent=st.integers(0, 9), xnor=st.booleans()) | st.builds(
        Plane, exponent=st.integers(0, 9), negative=st.booleans()
    )
    anything = st.lists(plane, min_size=1, max_size=4).map(tuple)
    planes = draw(st.sampled_from([(Plane(xnor=True),), TERNARY, BYTES, BYTES[:3]]) | anything)
    return DotProduct(simd=draw(st.integers(1, 20)), bits=draw(st.integers(1, 8)), planes=planes)


@settings(deadline=None, max_examples=60)
@given(
    style=st.sampled_from(PORTABLE),
    levels=st.integers(0, 3),
    pe=st.integers(1, 3),
    dot=dot_products(),
    width=st.integers(1, 24),
    parallel_frames=st.integers(1, 3),
    seed=st.integers(0, 2**32),
)
def test_accumulators_hold_any_dot_product_in_every_cycle(
    style: str, levels: int, pe: int, dot: DotProduct, width: int, parallel_frames: int, seed: int
) -> None:
    popcount = Popcount(style=style, levels_per_stage=levels)
    check_elements(pe=pe, dot=dot, width=width, popcount=popcount, parallel_frames=parallel_frames, beats=12, seed=seed)
