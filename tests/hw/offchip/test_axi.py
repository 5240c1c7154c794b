"""Weights over AXI4: what the master may do, and what it makes of the answers."""

from random import Random
from types import SimpleNamespace

import pytest
from bitweir_hw.errors import PlanError
from bitweir_hw.offchip import AxiWeightReader, ReaderSpec
from hypothesis import given, settings
from hypothesis import strategies as st
from support.offchipbench import drawn_words, drive_reader, image_beats, made_layout, numbers


class AxiMemory:
    """A memory on AXI4 that holds its master to the rules of the channels AR and R.

    Parameters
    ----------
    random : random.Random
        Draws who waits, and how long.
    error_at : int or None
        The beat that fails.
    """

    def __init__(self, dut, layout, content, base, random, *, error_at=None, response=2):
        self.dut, self.layout, self.content, self.base, self.random = dut, layout, content, base, random
        self.error_at, self.response = error_at, response
        self.asked, self.sent, self.offers = [], 0, False
        self.request = SimpleNamespace(payload=dut.m_axi_araddr, valid=dut.m_axi_arvalid)
        self.accepted, self.held = False, None

    def _address(self, ctx):
        names = ("id", "addr", "len", "size", "burst", "lock", "cache", "prot", "qos")
        return {name: ctx.get(getattr(self.dut, f"m_axi_ar{name}")) for name in names}

    def begin(self, ctx, cycle):
        dut = self.dut
        ctx.set(dut.m_axi_arready, self.random.random() < 0.6)
        # Once it is valid, a beat stays until it moves.
        self.offers = self.offers or (bool(self.asked) and self.random.random() < 0.7)
        at, left = self.asked[0] if self.offers else (0, 0)
        ctx.set(dut.m_axi_rvalid, self.offers)
        ctx.set(dut.m_axi_rdata, self.content[at] if self.offers else 0x5A)
        ctx.set(dut.m_axi_rlast, left == 1 if self.offers else 1)
        failed = self.offers and self.sent == self.error_at
        ctx.set(dut.m_axi_rresp, self.response if failed else 0 if self.offers else 3)

    def end(self, ctx, cycle):
        dut, valid = self.dut, ctx.get(self.dut.m_axi_arvalid)
        address = self._address(ctx)
        assert self.held is None or (valid and address == self.held), "AR changed while it was valid"
        self.accepted = bool(valid and ctx.get(dut.m_axi_arready))
        self.held = address if valid and not self.accepted else None
        if self.offers and ctx.get(dut.m_axi_rready):
            at, left = self.asked.pop(0)
            if left > 1:
                self.asked.insert(0, (at + 1, left - 1))
            self.sent, self.offers = self.sent + 1, False
        if self.accepted:
            size, beats = 1 << address["size"], address["len"] + 1
            assert size == self.layout.beat_bytes and address["burst"] == 1 and beats <= 256
            assert (address["id"], address["lock"], address["qos"]) == (0, 0, 0)
            last = address["addr"] + size * beats - 1
            assert address["addr"] % size == 0 and address["addr"] // 4096 == last // 4096
            assert len(self.asked) < dut.spec.outstanding
            at = (address["addr"] - self.base) // size
            assert at >= 0 and at + beats <= len(self.content)
            self.asked.append((at, beats))


@settings(max_examples=5)
@given(
    shapes=st.lists(st.tuples(st.integers(1, 600), st.integers(1, 30)), min_size=1, max_size=3),
    beat_bytes=st.sampled_from([4, 8, 16, 32, 64]),
    log_burst=st.integers(0, 6),
    seed=st.integers(0, 999),
)
def test_a_master_that_keeps_the_rules(shapes, beat_bytes, log_burst, seed):
    random = Random(seed)
    layout = made_layout(shapes, beat_bytes=beat_bytes, burst_beats=1 << log_burst)
    words = drawn_words(layout, 3)
    dut = AxiWeightReader(ReaderSpec(layout=layout, address_bits=32, outstanding=3))
    base = layout.burst_bytes * random.randrange((1 << 32) // layout.burst_bytes - sum(layout.bursts))
    memory = AxiMemory(dut, layout, image_beats(layout, words), base, random)
    expected = numbers(layout, words, [depth + 3 for _, depth in shapes])
    stalls = [[random.random() < 0.3 for _ in range(300)] for _ in shapes]
    drive_reader(dut, layout, memory, expected, stalls, base=base)


@pytest.mark.parametrize("response", [1, 2, 3])
@settings(max_examples=2)
@given(seed=st.integers(0, 999), error_at=st.integers(0, 30))
def test_a_beat_that_fails_ends_it(response, seed, error_at):
    layout = made_layout([(33, 20), (8, 50)], beat_bytes=4, burst_beats=4)
    words = drawn_words(layout, 3)
    dut = AxiWeightReader(ReaderSpec(layout=layout))
    memory = AxiMemory(dut, layout, image_beats(layout, words), 0, Random(seed), error_at=error_at, response=response)
    expected, seen = numbers(layout, words, [100, 400]), []

    def each(ctx, cycle, sinks):
        for sink, want in zip(sinks, expected, strict=True):
            assert sink.beats == want[: len(sink.beats)]
        seen.append((memory.sent > error_at, bool(ctx.get(dut.error)), sum(len(sink.beats) for sink in sinks)))

    with pytest.raises(AssertionError, match="nothing moves any more"):
        drive_reader(dut, layout, memory, expected, [(), ()], base=0, each=each, limit=200)
    # The flag follows the beat, and stays.
    failed = [sent for sent, *_ in seen]
    assert seen[-1][:2] == (True, True) and [error for _, error, _ in seen][1:] == failed[:-1]


@pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
def test_a_bus_that_cannot_be():
    layout = made_layout([(32, 8)], beat_bytes=2, burst_beats=4)
    with pytest.raises(PlanError, match="AXI4 must have at least 4 bytes a beat, not 2."):
        AxiWeightReader(ReaderSpec(layout=layout))
