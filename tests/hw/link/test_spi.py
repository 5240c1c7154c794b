# amaranth: UnusedElaboratable=no
"""The SPI peripheral against a controller whose edges come at any time, and whose pins are skewed."""

import math
from dataclasses import dataclass, field

import numpy as np
import pytest
from amaranth.sim import Simulator
from bitweir_hw.errors import LinkError
from bitweir_hw.link.spi import SpiPeripheral, check_rate, highest_rate
from hypothesis import given, settings
from hypothesis import strategies as st

#: Cycles by which a pin may be early or late, as if a synchroniser had seen it an edge later.
SKEW = 0.25


@dataclass
class Wires:
    """Levels of SCK, CS and COPI by their changes, in cycles, and when the controller samples CIPO."""

    period: float
    rng: np.random.Generator
    now: float = 10.0
    changes: list = field(default_factory=list)
    samples: list = field(default_factory=list)

    def change(self, pin, level):
        self.changes.append((self.now + self.rng.uniform(-SKEW, SKEW), pin, level))

    def another(self, bits):
        """The controller speaks with another peripheral on the same wires."""
        for bit in bits:
            self.change("copi", bit)
            for level in (1, 0):
                self.now += self.period / 2
                self.change("sck", level)

    def transfer(self, data, gap, bits=8):
        """Bytes while CS is low, of the last one so many bits, and then CS is high for some cycles."""
        self.change("cs", 0)
        for at, byte in enumerate(data):
            for place in range(8 if at < len(data) - 1 else bits):
                self.change("copi", byte >> 7 - place & 1)
                self.now += self.period / 2
                self.change("sck", 1)
                self.samples.append((self.now, at, place))
                self.now += self.period / 2
                self.change("sck", 0)
        self.now += self.period / 2
        self.change("cs", 1)
        self.now += gap

    def levels(self):
        """Of each cycle: what its edge samples."""
        cycles = math.ceil(self.now) + 20
        pins = {"sck": np.zeros(cycles, int), "cs": np.ones(cycles, int), "copi": np.zeros(cycles, int)}
        for when, pin, level in self.changes:
            pins[pin][max(math.ceil(when), 0) :] = level
        return pins


def run(wires, offered=(), pauses=(), takes=lambda cycle: True):
    """Bytes that came, those that the controller saw, how many errors there were, how many of `offered` were taken."""
    dut, pins = SpiPeripheral(), wires.levels()
    got, cipo, errors, taken = [], [], 0, 0

    async def bench(ctx):
        nonlocal errors, taken
        wait = pauses[0] if pauses else 0
        for cycle in range(len(pins["cs"])):
            for pin, levels in pins.items():
                ctx.set(getattr(dut, pin), int(levels[cycle]))
            ctx.set(dut.o.ready, takes(cycle))
            ctx.set(dut.i.valid, taken < len(offered) and not wait)
            ctx.set(dut.i.payload, offered[taken] if taken < len(offered) else 0x55)
            cipo.append(ctx.get(dut.cipo))
            errors += ctx.get(dut.error)
            if ctx.get(dut.o.valid) and takes(cycle):
                got.append(ctx.get(dut.o.payload))
            if ctx.get(dut.i.valid) and ctx.get(dut.i.ready):
                taken += 1
                wait = pauses[taken] if taken < len(pauses) else 0
            elif wait:
                wait -= 1
            await ctx.tick()

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    return bytes(got), seen(wires, cipo), errors, taken


def seen(wires, cipo):
    """The bytes on CIPO, which must hold from three cycles after a rise of SCK to two after the next one."""
    whole, byte = [], []
    for when, _, place in wires.samples:
        # What is told before an edge is the level since the one before.
        early = math.ceil(when - (wires.period - 3 - 2 * SKEW)) if place and wires.period > 4 else math.ceil(when)
        held = set(cipo[early : math.ceil(when + 2 - 2 * SKEW) + 1])
        assert len(held) == 1
        byte = [*byte, *held] if place else [*held]
        if len(byte) == 8:
            whole.append(int("".join(map(str, byte)), 2))
    return bytes(whole)


def unescaped(data):
    """Bytes of the device, as docs/link.md has them."""
    told = bytes(byte for byte in data if byte)
    return told.replace(b"\xdb\xdc", b"\0").replace(b"\xdb\xdd", b"\xdb")


TRANSFER = st.tuples(
    st.binary(min_size=1, max_size=6), st.sampled_from([4, 5.5, 20, 60]), st.sampled_from([8, 8, 8, 3])
)


@settings(max_examples=15)
@given(
    transfers=st.lists(TRANSFER, min_size=1, max_size=5),
    period=st.sampled_from([4, 4.1, 5.37, 7.9, 16]),
    start=st.floats(10, 11),
    offered=st.lists(st.sampled_from([0, 0xDB, 0xDC, 1, 0x80, 0xFF, 0xA5]), max_size=10),
    pauses=st.lists(st.sampled_from([0, 0, 5, 100, 300]), max_size=10),
    seed=st.integers(0, 99),
)
def test_bytes_both_ways(transfers, period, start, offered, pauses, seed):
    wires = Wires(period=period, rng=np.random.default_rng(seed), now=start)
    for data, gap, bits in transfers:
        wires.transfer(data, gap, bits)
        if gap == 60:
            wires.another([1, 0, 1] * 5)
            wires.now += 4
    # What is to be seen of the end.
    wires.transfer(bytes(25 if len(pauses) < 4 else 2), 0)
    got, answers, errors, taken = run(wires, offered, pauses)
    sent = [data[: len(data) - (bits < 8)] for data, _, bits in transfers]
    assert got == b"".join(sent) + bytes(25 if len(pauses) < 4 else 2)
    assert errors == sum(bits < 8 for _, _, bits in transfers)
    found = unescaped(answers)
    # The last that was taken may not have been sent whole.
    assert found in (bytes(offered[:taken]), bytes(offered[: max(taken - 1, 0)]))
    if len(pauses) < 4 and sum(pauses) < 400:
        assert found == bytes(offered)


@settings(max_examples=10)
@given(st.integers(0, 999), st.sampled_from([4, 6.2]))
def test_what_is_cut_off_is_sent_again(seed, period):
    rng = np.random.default_rng(seed)
    wires, offered = Wires(period=period, rng=rng), bytes(rng.integers(0, 256, 12).tolist())
    for _ in range(16):
        # Some bytes are cut off twice, also while nothing is behind them.
        wires.transfer(bytes(int(rng.integers(2, 4))), 3, int(rng.integers(1, 8)))
    wires.transfer(bytes(26), 0)
    _, answers, errors, taken = run(wires, offered, pauses=rng.integers(0, 99, 12).tolist())
    assert (unescaped(answers), taken, errors) == (offered, len(offered), 16)


def test_a_stream_leaves_no_gap():
    wires, offered = Wires(period=4, rng=np.random.default_rng(1)), bytes(range(1, 40))
    wires.transfer(bytes(40), 4)
    assert run(wires, offered)[1] == b"\0" + offered


def test_a_byte_waits_and_the_next_one_is_lost():
    wires = Wires(period=8, rng=np.random.default_rng(1))
    wires.transfer(b"\x01\x02\x03", 4)
    got, _, errors, _ = run(wires, takes=lambda cycle: cycle > 170)
    assert (got, errors) == (b"\x01\x03", 1)


@pytest.mark.parametrize(
    ("clock", "most"),
    [(12_000_000, 3_000_000), (40_000_000, 10_000_000), (48_000_000, 11_428_571), (100_000_000, 18_181_818)],
)
def test_rates(clock, most):
    assert highest_rate(clock) == most
    # A period has four cycles, and three and 25 ns.
    assert clock / most >= 4 and 1 / most >= 3 / clock + 25e-9 - 1e-15
    check_rate(clock, most)
    for rate in (0, most + 1):
        with pytest.raises(LinkError) as failure:
            check_rate(clock, rate)
        assert str(failure.value) == (
            f"The rate of SCK must be between 1 and {most} Hz, as the link's clock has {clock} Hz, not {rate}."
        )
