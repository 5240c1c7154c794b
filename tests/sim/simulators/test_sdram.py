"""The SDRAM controller against a chip that refuses what its data sheet does not allow."""

from dataclasses import replace
from random import Random

import pytest
from amaranth.sim import Simulator
from bitweir_hw.errors import PlanError
from bitweir_hw.offchip import SDRAM_PARTS, SdramController, SdramSpec, SdramWeightReader
from bitweir_sim.simulators.sdram import SdramChip, SdramError, SdramPins
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from support.buses import chip_edge, chip_of
from support.offchipbench import drawn_words, image_beats, made_layout, numbers

#: 200 us of power up are most of a simulation.
QUICK = {name: replace(part, power_up_us=2.0) for name, part in SDRAM_PARTS.items()}
PART = QUICK["ulx3s-32mb"]
CLOCKS = [25_000_000, 83_000_000, 100_000_000, 133_000_000, 142_800_000]


class Wires:
    """Delays what the chip drives, as a board's registers do."""

    def __init__(self, late):
        self.under_way = [0] * late

    def __call__(self, driven):
        self.under_way.append(driven)
        return self.under_way.pop(0)


@settings(max_examples=10, phases=[Phase.generate])
@given(
    name=st.sampled_from(list(QUICK)),
    clock=st.sampled_from(CLOCKS),
    log_burst=st.integers(0, 5),
    late=st.integers(0, 2),
    seed=st.integers(0, 999),
)
def test_what_is_written_is_read(name, clock, log_burst, late, seed):
    random, burst = Random(seed), 1 << log_burst
    layout = made_layout([(16, 8)], beat_bytes=2, burst_beats=burst)
    spec = SdramSpec(part=QUICK[name], clock=clock, layout=layout, late=late)
    dut, chip, wires = SdramController(spec), chip_of(spec), Wires(late)
    # Few rows, so that what is read was often written; single bits of addresses, so that none may be lost.
    blocks = [0, 1, 3, 4, 5] + [1 << bit for bit in range(24 - log_burst)]
    operations = []
    for _ in range(60):
        first = random.choice(blocks) * burst
        if random.random() < 0.5:
            operations.append((first + random.randrange(burst), random.getrandbits(16)))
        else:
            operations.append((first, None, random.randrange(burst)))
    memory, expected = {}, []

    async def bench(ctx):
        found, cycle, rest = [], 0, 60
        todo, offered = list(operations), None
        # What was written last gets there, too.
        while rest:
            rest = 60 if todo or offered or len(found) < len(expected) or cycle < 300 else rest - 1
            assert cycle < 20000, "nothing moves any more"
            if offered is None and todo and random.random() < 0.6:
                offered = todo.pop(0)
            is_write = offered is not None and offered[1] is not None
            ctx.set(dut.write.valid, is_write)
            ctx.set(dut.request.valid, offered is not None and not is_write)
            if is_write:
                ctx.set(dut.write.payload, {"beat": offered[0], "data": offered[1]})
            elif offered is not None:
                ctx.set(dut.request.payload, {"address": 2 * offered[0], "more": offered[2]})
            if offered is not None and ctx.get(dut.write.ready if is_write else dut.request.ready):
                if is_write:
                    memory[offered[0]] = offered[1]
                else:
                    beats = range(offered[0], offered[0] + offered[2] + 1)
                    expected.extend((memory.get(beat), beat == beats[-1]) for beat in beats)
                offered = None
            if ctx.get(dut.answer.valid):
                found.append((ctx.get(dut.answer.data), bool(ctx.get(dut.answer.last))))
                assert not ctx.get(dut.answer.error)
            driven = wires(chip_edge(ctx, dut.pins, chip, random))
            await ctx.tick()
            ctx.set(dut.pins.dq_i, driven)
            cycle += 1
        assert [last for _, last in found] == [last for _, last in expected]
        assert all(want is None or got == want for (got, _), (want, _) in zip(found, expected, strict=True))

    simulate(dut, bench)
    assert {spec.location(beat): content for beat, content in memory.items()} == chip.content
    assert chip.counts["mode"] == 1 and chip.counts["refresh"] >= 8


def simulate(dut, bench):
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


def read_words(dut, chip, expected, stalls=(0.0,), *, limit=40000, seed=1):
    """Let the reader run until all words have come; cycles from the first word on, and beats that were read in them."""
    random = Random(seed)
    layout = dut.spec.layout
    streams = [getattr(dut.weights, weights.name) for weights in layout.streams]
    found, begins = [[] for _ in streams], []

    async def bench(ctx):
        cycle = 0
        ctx.set(dut.enable, 1)
        while any(len(words) < len(want) for words, want in zip(found, expected, strict=True)):
            assert cycle < limit, "nothing moves any more"
            for number, port in enumerate(streams):
                takes = len(found[number]) < len(expected[number]) and random.random() >= stalls[number % len(stalls)]
                ctx.set(port.ready, takes)
                if takes and ctx.get(port.valid):
                    found[number].append(ctx.get(port.payload))
            driven = chip_edge(ctx, dut.pins, chip, random)
            await ctx.tick()
            ctx.set(dut.pins.dq_i, driven)
            cycle += 1
            if not begins and any(found):
                begins.append((cycle, chip.counts["read"]))
        begins.append((cycle, chip.counts["read"]))
        assert not ctx.get(dut.error)

    simulate(dut, bench)
    assert found == expected
    (first, before), (last, after) = begins
    return last - first, after - before


def filled(spec, words):
    """A chip with an image in it."""
    chip = chip_of(spec)
    for beat, content in enumerate(image_beats(spec.layout, words)):
        chip.content[spec.location(beat)] = content
    return chip


@pytest.mark.parametrize(
    ("clock", "burst", "shapes", "share"),
    [
        (100_000_000, 64, [(32, 900)], 0.96),
        (142_800_000, 128, [(16, 1500), (64, 700), (24, 400)], 0.96),
        (142_800_000, 16, [(16, 1500), (64, 300), (24, 400)], 0.85),
    ],
)
def test_share_of_the_bandwidth(clock, burst, shapes, share):
    layout = made_layout(shapes, beat_bytes=2, burst_beats=burst)
    words = drawn_words(layout, 3)
    spec = SdramSpec(part=PART, clock=clock, layout=layout)
    dut = SdramWeightReader(spec)
    # As many beats of each, so that all want words until the end.
    beats = 3000 // len(shapes)
    counts = [beats * 16 // width for width, _ in shapes]
    chip = filled(spec, words)
    cycles, reads = read_words(dut, chip, numbers(layout, words, counts))
    # Refreshes come in equal distances, but for what one may be late.
    settled = chip.now * clock / 1e9 - cycles
    refreshes = chip.counts["refresh"] - PART.power_up_refreshes
    assert cycles // spec.refresh_cycles - 1 <= refreshes <= (cycles + settled) // spec.refresh_cycles
    assert share <= reads / cycles <= share + 0.02
    assert 2 * clock * reads / cycles >= spec.least_rate


@pytest.mark.parametrize(("clock", "burst"), [(50_000_000, 64), (100_000_000, 128), (142_800_000, 32)])
def test_least_rate(clock, burst):
    """A layer of one burst, so that each burst lies in the bank of the one before it."""
    layout = made_layout([(16, burst)], beat_bytes=2, burst_beats=burst)
    words = drawn_words(layout, 3)
    spec = SdramSpec(part=PART, clock=clock, layout=layout)
    cycles, reads = read_words(SdramWeightReader(spec), filled(spec, words), numbers(layout, words, [1500]))
    # It counts some cycles between bursts that this order does not need.
    assert spec.least_rate <= 2 * clock * reads / cycles <= spec.least_rate * 1.15


def test_a_clock_too_slow_for_refreshes_between_bursts():
    layout = made_layout([(16, 300)], beat_bytes=2, burst_beats=128)
    told = r"must be about \d+ MHz or more, so that it is refreshed between bursts of 128 beats, not 25\."
    with pytest.raises(PlanError, match=told):
        SdramSpec(part=PART, clock=25_000_000, layout=layout)
    SdramSpec(part=PART, clock=40_000_000, layout=layout)


@settings(max_examples=5)
@given(
    shapes=st.lists(st.tuples(st.integers(1, 90), st.integers(1, 60)), min_size=1, max_size=4),
    log_burst=st.integers(1, 6),
    clock=st.sampled_from(CLOCKS),
    seed=st.integers(0, 99),
)
def test_words_from_a_chip(shapes, log_burst, clock, seed):
    layout = made_layout(shapes, beat_bytes=2, burst_beats=1 << log_burst)
    words = drawn_words(layout, seed)
    spec = SdramSpec(part=PART, clock=clock, layout=layout)
    expected = numbers(layout, words, [2 * depth for _, depth in shapes])
    read_words(SdramWeightReader(spec), filled(spec, words), expected, [0.5, 0.0, 0.9], seed=seed)


def test_power_up_takes_as_long_as_the_data_sheet_says():
    layout = made_layout([(16, 8)], beat_bytes=2, burst_beats=8)
    words = drawn_words(layout, 1)
    spec = SdramSpec(part=SDRAM_PARTS["ulx3s-32mb"], clock=25_000_000, layout=layout)
    chip = filled(spec, words)
    read_words(SdramWeightReader(spec), chip, numbers(layout, words, [8]))
    assert chip.now > 200_000


# The chip itself: what it must refuse. Commands by name, with the bank, the address and how many cycles later.
COMMANDS = {
    "mode": (0, 0, 0), "refresh": (0, 0, 1), "precharge": (0, 1, 0), "activate": (0, 1, 1), "write": (1, 0, 0),
    "read": (1, 0, 1), "stop": (1, 1, 0),
}  # fmt: skip
UP = [("precharge", 0, 1 << 10, 4)] + [("refresh", 0, 0, 12)] * 8 + [("mode", 0, 0x20, 4)]


def play(script, *, clock=100_000_000, up=True, part=PART):
    chip = SdramChip(part, clock, late_refreshes=1000)
    driven = []

    def go(pins):
        driven.append(chip.edge(pins))

    # Of all that comes before the mode is set, data is masked.
    for _ in range(int(part.power_up_us * clock / 1e6) + 1 if up else 0):
        go(SdramPins(dqm=3))
    for name, bank, address, later, *data in (UP if up else []) + script:
        ras_n, cas_n, we_n = COMMANDS[name]
        masked = 3 if chip.counts["mode"] == 0 else 0
        dq, dqm = (*data, None, None)[:2]
        go(
            SdramPins(
                ras_n=ras_n, cas_n=cas_n, we_n=we_n, ba=bank, a=address, dq=dq, dqm=masked if dqm is None else dqm
            )
        )
        for _ in range(later - 1):
            go(SdramPins(dqm=3 if chip.counts["mode"] == 0 else 0))
    return chip, driven


GOOD = [("activate", 1, 7, 3), ("write", 1, 5, 1, 0xBEEF), ("read", 1, 5 | 1 << 10, 3), ("activate", 2, 3, 3)]


def test_a_chip_reads_what_was_written():
    chip, driven = play(GOOD[:2] + [("read", 1, 5, 4)])
    assert chip.content == {(1, 7, 5): 0xBEEF}
    # Sampled two edges behind the command: driven behind the first of them.
    assert driven[-4:] == [None, 0xBEEF, None, None]
    _, slow = play(UP_SLOW + GOOD[:2] + [("read", 1, 5, 4)])
    assert slow[-4:] == [None, None, 0xBEEF, None]
    chip, driven = play(GOOD[:2] + [("write", 1, 5, 1, 0x1234, 1), ("read", 1, 5, 4)])
    assert chip.content == {(1, 7, 5): 0x12EF} and driven[-3] == 0x12EF


UP_SLOW = [("mode", 0, 0x30, 4)]

BAD = {
    "tRCD": [("activate", 1, 7, 2), ("read", 1, 5, 1)],
    "tRAS: 30.0 ns in place of 45": [("activate", 1, 7, 3), ("precharge", 1, 0, 1)],
    "tRAS before a bank closes itself": [("activate", 1, 7, 3), ("read", 1, 5 | 1 << 10, 1)],
    "tWR": [("activate", 1, 7, 5), ("write", 1, 5, 1, 1), ("precharge", 1, 0, 1)],
    "tRP": [("activate", 1, 7, 5), ("precharge", 1, 0, 2), ("activate", 1, 7, 1)],
    "tRP: 20.0": [("activate", 1, 7, 5), ("read", 1, 5 | 1 << 10, 3), ("activate", 1, 7, 1)],
    "tRRD": [("activate", 1, 7, 1), ("activate", 2, 7, 1)],
    "a row of the bank is open": [("activate", 1, 7, 9), ("activate", 1, 8, 1)],
    "no row of the bank is open": [("read", 1, 5, 1)],
    "a command before a refresh or the mode is done": [("refresh", 0, 0, 6), ("activate", 1, 5, 1)],
    "a row is open at": [("activate", 1, 7, 9), ("refresh", 0, 0, 1)],
    "a row is open for too long": [("activate", 1, 7, 10_001), ("read", 1, 7, 1)],
    "both sides drive": [("activate", 1, 7, 3), ("read", 1, 5, 2), ("write", 1, 5, 1, 1)],
    "right behind data": [("activate", 1, 7, 3), ("read", 1, 5, 3), ("write", 1, 5, 1, 1)],
    "a write without data": [("activate", 1, 7, 3), ("write", 1, 5, 1)],
    "driven with a read": [("activate", 1, 7, 3), ("read", 1, 5, 1, 1)],
    "no column": [("activate", 1, 7, 3), ("read", 1, 1 << 9, 1)],
    "needs no end": [("stop", 0, 0, 1)],
    "no mode for bursts of one beat": [("mode", 0, 0x21, 1)],
    "a bank that closes itself is precharged": [
        ("activate", 1, 7, 5), ("write", 1, 5 | 1 << 10, 1, 1), ("precharge", 1, 0, 1),
    ],
    "too late": [("refresh", 0, 0, 1000)],
}  # fmt: skip


@pytest.mark.parametrize("what", BAD)
def test_what_a_chip_refuses(what):
    script = BAD[what]
    # A row that is open for long also needs refreshes: they are not what is refused here.
    with pytest.raises(SdramError, match="too late" if "too long" in what else what):
        play(script)
    # All but the last command is good.
    if what != "too late" and "too long" not in what:
        play(script[:-1])


def test_a_chip_refuses_what_breaks_trc_alone():
    slow = replace(PART, t_rc=100)
    script = [("activate", 1, 7, 5), ("precharge", 1, 0, 4), ("activate", 1, 7, 1)]
    play(script)
    with pytest.raises(SdramError, match="tRC: 90.0 ns in place of 100"):
        play(script, part=slow)


def test_what_a_chip_refuses_at_first():
    with pytest.raises(SdramError, match="DQM is low before the mode is set"):
        play([], up=False)[0].edge(SdramPins())
    early = [("precharge", 0, 1 << 10, 1)]
    with pytest.raises(SdramError, match="power up"):
        play(early, up=False)
    with pytest.raises(SdramError, match="a CAS latency of 2 needs 10 ns"):
        play([], clock=133_000_000)
    fresh = SdramChip(PART, 100_000_000, late_refreshes=1000)
    for _ in range(200):
        fresh.edge(SdramPins(dqm=3))
    with pytest.raises(SdramError, match="the first command must precharge all"):
        fresh.edge(SdramPins(ras_n=0, cas_n=0, dqm=3))
    with pytest.raises(SdramError, match="CKE is low"):
        fresh.edge(SdramPins(cke=0, dqm=3))


def test_chips_and_images_that_cannot_be():
    layout = made_layout([(16, 8)], beat_bytes=2, burst_beats=8)
    with pytest.raises(PlanError, match="The clock of ulx3s-32mb must be at most 142 MHz, not 150."):
        SdramSpec(part=PART, clock=150_000_000, layout=layout)
    with pytest.raises(PlanError, match="must be of at most 512 beats of 2 bytes, not 8 of 4"):
        SdramSpec(part=PART, clock=100_000_000, layout=made_layout([(16, 8)], beat_bytes=4, burst_beats=8))
    with pytest.raises(PlanError, match="An image in ulx3s-32mb must have at most 33554432 bytes, not 33554448."):
        large = made_layout([(16, 1 << 24), (1, 1)], beat_bytes=2, burst_beats=8)
        SdramSpec(part=PART, clock=100_000_000, layout=large)
    slow = "must be about 67 MHz or more, so that it is refreshed between bursts of 256 beats, not 25."
    with pytest.raises(PlanError, match=slow):
        SdramSpec(part=PART, clock=25_000_000, layout=made_layout([(16, 8)], beat_bytes=2, burst_beats=256))


@pytest.mark.parametrize("clock", CLOCKS)
def test_each_row_is_refreshed_in_time(clock):
    layout = made_layout([(16, 8)], beat_bytes=2, burst_beats=64)
    spec = SdramSpec(part=PART, clock=clock, layout=layout)
    # All rows, though the first is refreshed in time and the last one late.
    assert 8192 * spec.refresh_cycles + spec.refresh_delay <= 0.064 * clock
    assert 8192 * (spec.refresh_cycles + 1) + spec.refresh_delay > 0.064 * clock


def test_each_beat_has_a_place_of_its_own():
    for burst in (1, 8, 256):
        layout = made_layout([(16, 8)], beat_bytes=2, burst_beats=burst)
        spec = SdramSpec(part=PART, clock=100_000_000, layout=layout)
        beats = [*range(3000), *range((1 << 24) - 3000, 1 << 24)]
        places = [spec.location(beat) for beat in beats]
        assert len(set(places)) == len(beats)
        assert all(bank < 4 and row < 8192 and column < 512 for bank, row, column in places)
        # A burst lies in one row, and the next one in another bank.
        for (bank, row, _), (other, same, _), beat in zip(places, places[1:], beats, strict=False):
            if beat == 2999:
                continue
            if (beat + 1) % burst:
                assert (other, same) == (bank, row)
            else:
                assert other == (bank + 1) % 4
