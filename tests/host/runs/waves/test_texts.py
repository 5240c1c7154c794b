"""What beats say in words, against their bits by hand."""

import pytest
from bitweir.runs.waves.texts import MOST, Beats
from bitweir_hw.blocks.pipeline import Stream
from bitweir_hw.network import BIPOLAR, Format


def texts(form, lane_bits, *, length=4, lanes=4, vectors=1, signed=False, frames=1):
    stream = Stream(
        name="s", layer="layer", length=length, vectors=vectors, lanes=lanes, lane_bits=lane_bits, signed=signed,
        parallel_frames=frames,
    )  # fmt: skip
    return Beats(stream=stream, form=form, first=5)


@pytest.mark.parametrize(
    ("found", "bits", "told"),
    [
        (texts(BIPOLAR, 1), "0011", "++--"),
        (texts(BIPOLAR, 1), "x01z", "z+-x"),
        (texts(Format(bits=1), 1), "0011", "1,1,0,0"),
        (texts(Format(bits=2, offset=-1), 2, lanes=2), "1000", "-1,1"),
        (texts(None, 3, lanes=2, signed=True), "100011", "3,-4"),
        (texts(None, 3, lanes=2, signed=True), "1x0011", "3,x"),
        # Lane 0 of both frames is lowest, then lane 1 of both.
        (texts(BIPOLAR, 1, lanes=2, frames=2), "0111", "++|+-"),
        (texts(BIPOLAR, 1, length=70, lanes=70), "1" * 70, "+" * MOST + "...+6"),
        (texts(Format(bits=8), 8, length=66, lanes=66), "00000000" * 66, ",".join("0" * MOST) + "...+2"),
    ],
)
def test_numbers(found, bits, told):
    assert found.values(0, bits) == told


def test_places():
    rows = texts(BIPOLAR, 1, length=10, lanes=4, vectors=3)
    assert [rows.place(beat) for beat in (0, 2, 4, 9)] == ["f5.p0.c0-3", "f5.p0.c8-9", "f5.p1.c4-7", "f6.p0.c0-3"]
    # The last beat of a vector is padded.
    assert rows.values(2, "1101") == "+-"
    assert texts(BIPOLAR, 1, frames=2).place(1) == "f7-8"
    assert texts(BIPOLAR, 1, lanes=1).place(3) == "f5.c3"
