"""An image over a stream of bytes into an SDRAM chip, and its words out of it."""

from dataclasses import replace
from random import Random

import pytest
from amaranth.sim import Simulator
from bitweir_hw.offchip import SDRAM_PARTS, SdramSpec, SdramWeightReader, image_with_crc, pack_image
from hypothesis import given, settings
from hypothesis import strategies as st
from support.buses import SdramMemory
from support.offchipbench import drawn_words, image_beats, made_layout, numbers

PART = replace(SDRAM_PARTS["ulx3s-32mb"], power_up_us=2.0)


def load(layout, contents, *, seed, expected=None, cycles=6000, checksum=None, forgets=None):
    """Send images; what the reader tells at the end, what its chip holds, and the words that came.

    The reader takes any image, or that with a checksum. The chip may hold a bit of a beat wrong.
    """
    spec = SdramSpec(part=PART, clock=100_000_000, layout=layout)
    dut, random = SdramWeightReader(spec, loads=True, expected=checksum), Random(seed)
    memory = SdramMemory(dut, spec, [], random)
    if forgets is not None:
        memory.chip.content = Forgets(spec.location(forgets // 16), 1 << forgets % 16)
    todo = [(byte, n == 0) for content in contents for n, byte in enumerate(content)]
    ports = [getattr(dut.weights, weights.name) for weights in layout.streams]
    found, told = [[] for _ in ports], {}

    async def bench(ctx):
        offered = None
        for _ in range(cycles):
            if offered is None and todo and random.random() < 0.8:
                offered = todo.pop(0)
            ctx.set(dut.load.valid, offered is not None)
            if offered is not None:
                ctx.set(dut.load.payload, {"data": offered[0], "first": offered[1]})
                if ctx.get(dut.load.ready):
                    offered = None
            for words, port in zip(found, ports, strict=True):
                takes = random.random() < 0.7
                ctx.set(port.ready, takes)
                if takes and ctx.get(port.valid):
                    # Before the image is there, there are no words.
                    assert ctx.get(dut.loaded) and not ctx.get(dut.load_failed)
                    words.append(ctx.get(port.payload))
            memory.end(ctx, 0)
            await ctx.tick()
            memory.after(ctx)
            if expected and all(len(words) >= len(want) for words, want in zip(found, expected, strict=True)):
                break
        names = ("loaded", "load_failed", "load_settled", "load_checksum", "error")
        told.update({name: ctx.get(getattr(dut, name)) for name in names})
        told["left"] = len(todo)

    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    content = memory.chip.content
    image = [content.get(spec.location(beat)) for beat in range(layout.bytes // 2)]
    return told, image, found


class Forgets(dict):
    """The content of a chip in which one bit of a place comes out wrong."""

    def __init__(self, place, bit):
        self.place, self.bit = place, bit

    def get(self, place, default=None):
        return super().get(place, default) ^ (self.bit if place == self.place else 0)


@settings(max_examples=4)
@given(
    shapes=st.lists(st.tuples(st.integers(1, 40), st.integers(1, 12)), min_size=1, max_size=2),
    burst=st.sampled_from([2, 8]),
    seed=st.integers(0, 99),
    data=st.data(),
)
def test_an_image_that_comes_whole_is_read(shapes, burst, seed, data):
    layout = made_layout(shapes, beat_bytes=2, burst_beats=burst)
    words = drawn_words(layout, seed)
    image = image_with_crc(pack_image(layout, words).tobytes())
    # Before the right one: pieces of it, and images with an error in them.
    wrong = bytearray(image)
    at = data.draw(st.integers(0, 8 * len(image) - 1))
    wrong[at // 8] ^= 1 << at % 8
    before = data.draw(st.lists(st.sampled_from([image[: len(image) // 2], image[:-1], bytes(wrong)]), max_size=2))
    expected = numbers(layout, words, [2 * depth for _, depth in shapes])
    # What comes behind it changes nothing.
    told, beats, found = load(layout, [*before, image, bytes(wrong)], seed=seed, expected=expected)
    assert (told["loaded"], told["load_failed"], told["error"]) == (1, 0, 0)
    assert told["load_checksum"] == int.from_bytes(image[-4:], "little")
    assert beats == image_beats(layout, words)
    for came, want in zip(found, expected, strict=True):
        assert came[: len(want)] == want


@pytest.mark.parametrize("bit", [0, 77, 8 * 41])
def test_a_damaged_image_gives_no_word(bit):
    layout = made_layout([(20, 7), (9, 11)], beat_bytes=2, burst_beats=4)
    image = bytearray(image_with_crc(pack_image(layout, drawn_words(layout, 1)).tobytes()))
    image[bit // 8] ^= 1 << bit % 8
    told, _, found = load(layout, [bytes(image)], seed=1, cycles=1500)
    assert found == [[], []] and told["left"] == 0
    assert (told["loaded"], told["load_failed"], told["load_settled"]) == (0, 1, 1)


@pytest.mark.parametrize("bit", [0, 16 * 7 + 15, 16 * 16 + 3])
def test_an_image_that_the_memory_holds_wrong_gives_no_word(bit):
    layout = made_layout([(20, 7), (9, 11)], beat_bytes=2, burst_beats=4)
    image = image_with_crc(pack_image(layout, drawn_words(layout, 1)).tobytes())
    told, _, found = load(layout, [image], seed=1, cycles=1500, forgets=bit)
    assert found == [[], []] and told["left"] == 0
    assert (told["loaded"], told["load_failed"], told["load_settled"]) == (0, 1, 1)


def test_another_image_than_the_one_that_is_expected_gives_no_word():
    layout = made_layout([(20, 7), (9, 11)], beat_bytes=2, burst_beats=4)
    words = drawn_words(layout, 1)
    right, other = (image_with_crc(pack_image(layout, some).tobytes()) for some in (words, drawn_words(layout, 2)))
    checksum = int.from_bytes(right[-4:], "little")
    told, _, found = load(layout, [other], seed=1, cycles=1500, checksum=checksum)
    assert found == [[], []] and (told["loaded"], told["load_failed"], told["load_settled"]) == (0, 1, 1)
    expected = numbers(layout, words, [7, 11])
    told, _, found = load(layout, [other, right], seed=1, checksum=checksum, expected=expected)
    assert (told["loaded"], told["load_failed"], told["load_checksum"]) == (1, 0, checksum)
    assert [came[: len(want)] for came, want in zip(found, expected, strict=True)] == expected


def test_a_cut_image_gives_no_word():
    layout = made_layout([(20, 7), (9, 11)], beat_bytes=2, burst_beats=4)
    image = image_with_crc(pack_image(layout, drawn_words(layout, 1)).tobytes())
    told, _, found = load(layout, [image[:-1]], seed=1, cycles=1500)
    assert found == [[], []] and (told["loaded"], told["load_failed"], told["load_settled"]) == (0, 0, 1)
