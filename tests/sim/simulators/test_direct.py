# amaranth: UnusedElaboratable=no
"""Designs that are translated directly: what Amaranth's simulator says, for all that Amaranth writes, in many lanes."""

from __future__ import annotations

import numpy as np
import pytest
from amaranth.back import rtlil
from amaranth.hdl import Array, Cat, Const, Module, Mux, Signal, Value, signed, unsigned
from amaranth.lib import stream, wiring
from amaranth.lib.memory import Memory
from amaranth.lib.wiring import In, Out
from bitweir_sim.cache import cache_folder
from bitweir_sim.simulators import backends
from bitweir_sim.simulators.amaranth import run_amaranth
from bitweir_sim.simulators.compiled import compile_design, compiler_missing
from bitweir_sim.simulators.direct.build import direct
from bitweir_sim.simulators.direct.rtlil import UnknownError
from bitweir_sim.simulators.pieces import MEMORIES
from bitweir_sim.trace import SimulationError
from hypothesis import given, settings
from hypothesis import strategies as st
from support.compiled import check_runs, equal_datapaths

pytestmark = pytest.mark.skipif(compiler_missing() is not None, reason=str(compiler_missing()))

WIDTHS = st.sampled_from([1, 2, 3, 5, 7, 8, 9, 13, 16, 17, 24, 31, 32, 33, 40, 57, 63, 64])
#: Operations on two values of up to 64 bits, whose results are cut to 64.
TWO = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a[:12] * b[:9], "&": lambda a, b: a & b,
    "|": lambda a, b: a | b, "^": lambda a, b: a ^ b, "==": lambda a, b: a == b, "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b, "<=": lambda a, b: a <= b, ">": lambda a, b: a > b, ">=": lambda a, b: a >= b,
    "<<": lambda a, b: (a[:20] << b[:4]), ">>": lambda a, b: a >> b[:6], "cat": lambda a, b: Cat(a, b),
    "bits": lambda a, b: a.bit_select(b[:3], 3), "words": lambda a, b: a.word_select(b[:2], 2),
    "array": lambda a, b: Array([a[0], b, a, b])[b[:2]],
    # A common bit in the middle, as of several sums in one chain of carries.
    "chain": lambda a, b: Cat(a[:3], b[0], a[3:6], a[0]) + Cat(b[:3], b[0], a[1:4], a[0]),
}  # fmt: skip
ONE = {
    "~": lambda a: ~a, "neg": lambda a: -a, "any": lambda a: a.any(), "all": lambda a: a.all(),
    "xor": lambda a: a.xor(), "bool": lambda a: ~a.bool(), "signed": lambda a: a.as_signed(),
    "unsigned": lambda a: a.as_unsigned(), "low": lambda a: a[: (len(a) + 1) // 2], "high": lambda a: a[len(a) // 2 :],
}  # fmt: skip


class Drawn(wiring.Component):
    """Lanes of drawn operations between drawn registers and memories, each on its own bits of the payload."""

    def __init__(self, steps: list, lanes: int, width: int, out: int) -> None:
        super().__init__({"i": In(stream.Signature(lanes * width)), "o": Out(stream.Signature(out))})
        self.steps, self.lanes, self.width, self.out = steps, lanes, width, out

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.d.comb += [self.i.ready.eq(1), self.o.valid.eq(1)]
        self.memories = 0
        results = [self.lane(m, lane) for lane in range(self.lanes)]
        # All bits of all lanes are seen.
        seen = Signal(self.out)
        total: Value = Const(0, self.out)
        for number, result in enumerate(Cat(*result) for result in results):
            for low in range(0, len(result), self.out):
                total ^= result[low : low + self.out].rotate_left(number)
        m.d.sync += seen.eq(total)
        m.d.comb += self.o.payload.eq(seen)
        return m

    def lane(self, m: Module, lane: int) -> list[Value]:
        given = self.i.payload[lane * self.width : (lane + 1) * self.width]
        values: list[Value] = [given[: (self.width + 1) // 2], given[self.width // 2 :], self.i.payload[:3]]
        for kind, a, b, c, width in self.steps:
            one, two, three = (values[index % len(values)] for index in (a, b, c))
            if kind in TWO:
                # Sums and comparisons of more than a word are left to CXXRTL.
                value = TWO[kind](one[:60], two[:60])
            elif kind in ONE:
                value = ONE[kind](one[:60])
            elif kind == "mux":
                value = Mux(three, one, two)
            elif kind in ("register", "wide"):
                shape = signed(width) if a % 2 else unsigned(width if kind == "register" else 3 * width)
                value = Signal(shape, init=lane * 5 + b & (1 << width - 1) - 1)
                with m.If(three[0]):
                    m.d.sync += value.eq(Cat(one, two))
                if c % 3 == 0:
                    value = value[: (len(value) + 1) // 2]
            elif kind == "switch":
                value = Signal(width)
                with m.Switch(three[:3]):
                    with m.Case("0-1" if len(three) > 2 else "-" * len(three[:3])):
                        m.d.comb += value.eq(one)
                    with m.Case("1" + "0" * (len(three[:3]) - 1)):
                        m.d.comb += value[: (width + 1) // 2].eq(two)
                    with m.Default():
                        m.d.comb += value.eq(Cat(two, one))
            else:
                value = self.memory(m, kind, one, two, three, width, lane)
            value = value[:64] if len(value) > 64 and kind != "wide" else value
            # Each value has a name, or expressions of expressions would grow beyond all bounds.
            named = Signal(value.shape())
            m.d.comb += named.eq(value)
            values.append(named)
        return values

    def memory(self, m: Module, kind: str, one: Value, two: Value, three: Value, width: int, lane: int) -> Value:
        width, depth = width * 2 if kind == "parts" else width, 5
        words = [(lane * 77 + 13 * word) % (1 << width) for word in range(depth)]
        memory = Memory(shape=width, depth=depth, init=words)
        self.memories += 1
        m.submodules[f"memory{self.memories}"] = memory
        write = memory.write_port(granularity=width // 2 if kind == "parts" else None)
        address = Signal(3)
        # An address out of range is not defined for a memory; 5 words need 3 bits.
        m.d.comb += address.eq(Mux(two[:3] > 4, 1, two[:3]))
        # A compiled design has some cycles in reset, in which no beat is valid; memories have no reset.
        m.d.comb += [write.addr.eq(address), write.data.eq(Cat(one, two))]
        m.d.comb += write.en.eq(Mux(self.i.valid, Cat(three[0], one[0]), 0))
        if kind == "read":
            read = memory.read_port(domain="comb")
        else:
            read = memory.read_port(transparent_for=[write] if kind == "seen" else [])
            m.d.comb += read.en.eq((one[-1] | (lane == 1)) & self.i.valid)
        m.d.comb += read.addr.eq(Mux(one[:3] > 4, 0, one[:3]))
        return read.data


KINDS = [*TWO, *ONE, "mux", "register", "register", "wide", "switch", "switch", "read", "held", "seen", "parts"]
NUMBERS = st.integers(0, 30)
STEPS = st.lists(st.tuples(st.sampled_from(KINDS), NUMBERS, NUMBERS, NUMBERS, WIDTHS), min_size=8, max_size=24)


def beats_of(component: Drawn, seed: int) -> list[int]:
    rng = np.random.default_rng(seed)
    bits = component.lanes * component.width
    beats = [int.from_bytes(rng.bytes(bits // 8 + 1), "little") % (1 << bits) for _ in range(40)]
    # Long runs of the same, in which units rest.
    beats[20:30] = [beats[20]] * 10
    return beats


def outputs(component: Drawn, seed: int, backend: str) -> list[int]:
    beats, limits = beats_of(component, seed), {"max_cycles": 40, "expected_outputs": 40}
    if backend == "amaranth":
        return run_amaranth(component, beats, **limits).o.integers()
    text = rtlil.convert(component, name="drawn")
    built = compile_design(text, top="drawn", optimise=0, backend=backend)
    assert not (built.folder / "direct.log").is_file()
    return built.run(beats, **limits).o.integers()


@settings(max_examples=6)
@given(STEPS, st.integers(1, 5), WIDTHS, WIDTHS, st.integers(0, 99))
def test_drawn_designs_are_what_amaranth_says(steps, lanes, width, out, seed):
    component = Drawn(steps, lanes, width + 2, out)
    assert outputs(component, seed, "direct") == outputs(component, seed, "amaranth")


def test_each_operation_in_lanes():
    steps = [(kind, 3 * n, 5 * n + 1, n + 2, (n * 7) % 40 + 1) for n, kind in enumerate([*KINDS, *KINDS])]
    component = Drawn(steps, 4, 33, 64)
    assert outputs(component, 4, "direct") == outputs(component, 4, "amaranth")


def units() -> dict[str, int]:
    return {path.parent.name: path.stat().st_mtime_ns for path in cache_folder().glob("unit-*/unit.o")}


def test_another_folding_rebuilds_what_changes(monkeypatch, tmp_path):
    monkeypatch.setenv("BITWEIR_CACHE_DIR", str(tmp_path / "cache"))
    network, pipeline, text = equal_datapaths(pe=4)
    names = [unit.name for unit in direct(text, "odd").units]
    # Equal blocks are one.
    assert len(set(names)) < len(names)
    check_runs(network, pipeline, compile_design(text, top="odd", optimise=0))
    first = units()
    assert len(first) == len(set(names))
    # Another folding of the first layer: its block, and what fits widths before or behind it.
    network, pipeline, text = equal_datapaths(pe=6)
    check_runs(network, pipeline, compile_design(text, top="odd", optimise=0))
    assert len(units()) - len(first) <= 3 and units().items() >= first.items()


@pytest.mark.parametrize("backend", ["direct", "cxxrtl"])
def test_the_level_of_users(monkeypatch, backend):
    """Where nothing is said, simulators are optimised; most tests build them without."""
    monkeypatch.delenv("BITWEIR_OPTIMISE", raising=False)
    network, pipeline, text = equal_datapaths()
    check_runs(network, pipeline, compile_design(text, top="odd", backend=backend))


def test_a_wrong_word_in_the_file_is_found(monkeypatch, tmp_path):
    monkeypatch.setenv("BITWEIR_CACHE_DIR", str(tmp_path / "cache"))
    network, pipeline, text = equal_datapaths(pe=4)
    built = compile_design(text, top="odd", optimise=0)
    file = built.folder / MEMORIES
    file.write_bytes(bytes(byte ^ 1 for byte in file.read_bytes()))
    with pytest.raises(SimulationError, match="differs"):
        check_runs(network, pipeline, built)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("cell $and ", "cell $pow ", "the cell \\$pow"),
        ("CLK_POLARITY 1", "CLK_POLARITY 0", "falling"),
        ("  process ", "  sequence ", "sequence"),
    ],
)
def test_what_is_not_known_is_refused(old, new, message):
    text = equal_datapaths(pe=4)[2]
    assert old in text
    with pytest.raises(UnknownError, match=message):
        direct(text.replace(old, new, 1), "odd")


def test_what_is_not_known_goes_through_cxxrtl(monkeypatch, tmp_path):
    def refuse(text, top):
        raise UnknownError("something new")

    monkeypatch.setenv("BITWEIR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(backends, "direct", refuse)
    network, pipeline, text = equal_datapaths(pe=4)
    built = compile_design(text, top="odd", optimise=0)
    assert (built.folder / "direct.log").read_text() == "something new\n"
    check_runs(network, pipeline, built)
