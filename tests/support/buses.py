"""Memories on buses for Amaranth's simulator, which hold their masters to the rules.

In each cycle `begin` shows what the memory does, `end` notes what moved, and `after` is called behind the clock.
"""

from types import SimpleNamespace

from amaranth.hdl import Const
from bitweir_sim.simulators.sdram import SdramChip, SdramPins

__all__ = ["AxiMemory", "SdramMemory", "WishboneMemory", "chip_edge", "chip_of"]


class AxiMemory:
    """A memory on AXI4 that holds its master to the rules of the channels AR and R.

    Parameters
    ----------
    random : random.Random
        Draws who waits, and how long.
    outstanding : int
        Bursts that may be under way.
    error_at : int or None
        The beat that fails.
    """

    def __init__(self, dut, layout, content, base, random, *, outstanding=8, error_at=None, response=2):
        self.outstanding = outstanding
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
            assert len(self.asked) < self.outstanding
            at = (address["addr"] - self.base) // size
            assert at >= 0 and at + beats <= len(self.content)
            self.asked.append((at, beats))

    def after(self, ctx):
        pass


class WishboneMemory:
    """A slave that holds its master to the rules of classic cycles with registered feedback.

    Parameters
    ----------
    random : random.Random
        Draws how long it waits.
    share : float
        Cycles in which it does not acknowledge.
    error_at : int or None
        The beat that fails.
    """

    def __init__(self, dut, layout, content, base, random, *, share=0.4, error_at=None):
        self.dut, self.layout, self.content, self.random = dut, layout, content, random
        self.first = base // layout.beat_bytes
        self.share, self.error_at = share, error_at
        # Wishbone has no request that waits on its own.
        self.request, self.accepted = SimpleNamespace(payload=Const(0, 1), valid=Const(0, 1)), False
        self.sent, self.bursts, self.held, self.following = 0, [], None, None
        self.ended = False

    def begin(self, ctx, cycle):
        dut = self.dut
        cyc, stb = ctx.get(dut.wb_cyc), ctx.get(dut.wb_stb)
        shown = [ctx.get(getattr(dut, f"wb_{name}")) for name in ("adr", "sel", "we", "cti", "bte")]
        assert cyc == stb
        assert self.held is None or (cyc and shown == self.held), "a beat changed while it waited"
        adr, sel, we, cti, bte = shown
        acknowledges = cyc and self.random.random() >= self.share
        fails = bool(acknowledges) and self.sent == self.error_at
        # An acknowledgement without a cycle means nothing.
        ctx.set(dut.wb_ack, not fails if cyc and acknowledges else not cyc and cycle % 2)
        ctx.set(dut.wb_err, fails if cyc else cycle % 3 == 0)
        ctx.set(dut.wb_dat_r, self.content[adr - self.first] if acknowledges and not fails else 0x5A)
        self.held = shown if cyc and not acknowledges else None
        self.ended = not cyc
        if cyc:
            assert (sel, we, bte) == ((1 << self.layout.beat_bytes) - 1, 0, 0) and cti in (2, 7)
            assert self.following is None or adr == self.following, "an address that does not follow"
        else:
            assert self.following is None, "a burst without an end"
        if acknowledges:
            if self.following is None:
                self.bursts.append(0)
            self.bursts[-1] += 1
            self.sent += 1
            self.following = adr + 1 if cti == 2 and not fails else None

    def end(self, ctx, cycle):
        pass

    def after(self, ctx):
        pass


def chip_of(spec):
    """The chip of an `SdramSpec`."""
    return SdramChip(spec.part, spec.clock, late_refreshes=spec.refresh_delay * 1e9 / spec.clock)


def chip_edge(ctx, pins, chip, noise):
    """The chip's edge at the end of this cycle; what is on its data pins then."""
    names = ("cke", "cs_n", "ras_n", "cas_n", "we_n", "ba", "a", "dqm")
    seen = {name: ctx.get(getattr(pins, name)) for name in names}
    driven = chip.edge(SdramPins(**seen, dq=ctx.get(pins.dq_o) if ctx.get(pins.dq_oe) else None))
    return noise.getrandbits(16) if driven is None else driven


class SdramMemory:
    """A chip with an image in it."""

    def __init__(self, dut, spec, content, random):
        self.pins, self.chip, self.random = dut.pins, chip_of(spec), random
        for beat, word in enumerate(content):
            self.chip.content[spec.location(beat)] = word

    def begin(self, ctx, cycle):
        pass

    def end(self, ctx, cycle):
        self.driven = chip_edge(ctx, self.pins, self.chip, self.random)

    def after(self, ctx):
        ctx.set(self.pins.dq_i, self.driven)
