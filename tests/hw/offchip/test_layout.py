"""The image of streamed weights: bit by bit where the layout says, and back."""

import re

import numpy as np
import pytest
from bitweir_hw.errors import FileError, PlanError
from bitweir_hw.offchip import BEAT_BYTES, ImageLayout, StreamedWeights, pack_image, unpack_image
from hypothesis import given
from hypothesis import strategies as st
from support import ROOT
from support.offchipbench import drawn_words, made_layout

PAGE = (ROOT / "docs" / "outside-memory.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)

SHAPES = st.lists(st.tuples(st.integers(1, 70), st.integers(1, 60)), min_size=1, max_size=4)


@given(shapes=SHAPES, beat_bytes=st.sampled_from(BEAT_BYTES), log_burst=st.integers(0, 6), seed=st.integers(0, 9))
def test_each_bit_is_where_the_layout_says(shapes, beat_bytes, log_burst, seed):
    layout = made_layout(shapes, beat_bytes=beat_bytes, burst_beats=1 << log_burst)
    words = drawn_words(layout, seed)
    image = pack_image(layout, words)
    assert image.dtype == np.uint8 and image.shape == (layout.bytes,)
    assert layout.bytes % layout.burst_bytes == 0 == layout.bases[0]
    number, count = int.from_bytes(image.tobytes(), "little"), 0
    for (width, depth), base, bits in zip(shapes, layout.bases, words, strict=True):
        assert base % layout.burst_bytes == 0
        part = number >> 8 * base
        for n in range(depth):
            assert [part >> n * width + k & 1 for k in range(width)] == bits[n].tolist()
        count += int(bits.sum())
    assert number.bit_count() == count
    back = unpack_image(layout, image)
    assert list(back) == [weights.name for weights in layout.streams]
    assert all(np.array_equal(found, bits) for found, bits in zip(back.values(), words, strict=True))


def test_the_page_shows_the_image():
    scope = {}
    exec(compile(EXAMPLES[0], "docs/outside-memory.md", "exec"), scope)  # noqa: S102
    layout = made_layout([(27, 40), (64, 9), (3, 1)], beat_bytes=8, burst_beats=4)
    words = drawn_words(layout, 5)
    assert np.array_equal(scope["image_of"](words, layout.burst_bytes), pack_image(layout, words))


def test_layers_do_not_overlap_and_bursts_stay_in_a_page():
    layout = made_layout([(64, 100), (27, 4001), (8, 1)], beat_bytes=8, burst_beats=64)
    assert layout.beats == (100, 1688, 1) and layout.bursts == (2, 27, 1)
    assert layout.bases == (0, 1024, 1024 + 27 * 512) and layout.bytes == 30 * 512
    for base, beats in zip(layout.bases, layout.beats, strict=True):
        for at in range(base, base + 8 * beats, layout.burst_bytes):
            last = min(at + layout.burst_bytes, base + 8 * beats) - 1
            assert at // 4096 == last // 4096


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"streams": ()}, "Streamed layers must be at least one, each of a name of its own, not []."),
        (
            {"streams": (StreamedWeights(name="a", width=1, depth=1),) * 2},
            "Streamed layers must be at least one, each of a name of its own, not ['a', 'a'].",
        ),
        ({"beat_bytes": 3}, "A beat of weights must be one of (2, 4, 8, 16, 32, 64) bytes, not 3."),
        (
            {"burst_beats": 512},
            "A burst of 8 bytes a beat must have a power of two of beats, at most 256, not 512.",
        ),
        (
            {"beat_bytes": 64, "burst_beats": 128},
            "A burst of 64 bytes a beat must have a power of two of beats, at most 64, not 128.",
        ),
        ({"burst_beats": 12}, "A burst of 8 bytes a beat must have a power of two of beats, at most 256, not 12."),
    ],
)
def test_layouts_that_cannot_be(change, text):
    usual = {"streams": (StreamedWeights(name="a", width=1, depth=1),), "beat_bytes": 8, "burst_beats": 16}
    with pytest.raises(PlanError, match=re.escape(text)):
        ImageLayout(**usual | change)


@pytest.mark.parametrize(("width", "depth", "what"), [(0, 1, "Bits of a word"), (1, 0, "Words")])
def test_streams_that_cannot_be(width, depth, what):
    with pytest.raises(PlanError, match=f"{what} of streamed layer a must be at least 1, not 0."):
        StreamedWeights(name="a", width=width, depth=depth)


def test_images_that_cannot_be():
    layout = made_layout([(3, 5)], beat_bytes=4, burst_beats=2)
    with pytest.raises(PlanError, match="must be 5 of 3 bits, not an array of \\(3, 5\\)"):
        pack_image(layout, [np.zeros((3, 5), bool)])
    with pytest.raises(PlanError, match="for 1 streamed layers, not for 2"):
        pack_image(layout, [np.zeros((5, 3), bool)] * 2)
    with pytest.raises(FileError, match="must have 8 bytes, not 7"):
        unpack_image(layout, np.zeros(7, np.uint8))
    damaged = pack_image(layout, drawn_words(layout, 0))
    damaged[7] |= 1
    with pytest.raises(FileError, match="bits behind the words of layer layer0"):
        unpack_image(layout, damaged)
