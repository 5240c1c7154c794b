"""Identities of devices: what no accelerator can be is refused before anything is made of it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from bitweir_hw.errors import LinkError
from bitweir_hw.link.protocol import Identity
from hypothesis import given
from hypothesis import strategies as st

SOUND = Identity(
    output_lanes=1, capacity=4096, clock=12_000_000, cycles=384, latency=400, vectors=8, length=8, lanes=4, lane_bits=2,
    score_bits=9, classes=10, digest=bytes(16), plan=bytes(8), loads=True, parameters=7,
)  # fmt: skip


def refused(identity: Identity, told: str) -> None:
    with pytest.raises(LinkError, match=f"^{re.escape(told)}$"):
        Identity.from_bytes(identity.to_bytes())


def test_sound_ones_come_through():
    assert Identity.from_bytes(SOUND.to_bytes()) == SOUND


@pytest.mark.parametrize(
    ("field", "value", "limits"),
    [
        ("clock", 0, "1 to 10,000,000,000"),
        ("cycles", 0, "1 to 4,294,967,295"),
        ("vectors", (1 << 32) - 1, "1 to 67,108,864"),
        ("length", 0, "1 to 67,108,864"),
        ("lanes", 1 << 30, "1 to 1,048,576"),
        ("lane_bits", 255, "1 to 64"),
        ("score_bits", 200, "1 to 64"),
        ("classes", 0, "1 to 65,535"),
        ("output_lanes", 0, "1 to 65,535"),
        ("capacity", (1 << 32) - 1, "12 to 268,435,456"),
    ],
)
def test_numbers_that_no_accelerator_has(field, value, limits):
    told = f"What answers says that its {field} is {value:,}, not {limits}: it is not an accelerator, or it is damaged."
    refused(replace(SOUND, **{field: value}), told)


def test_frames_that_no_accelerator_has():
    told = (
        "What answers says that a frame has 536,870,912 bytes, more than 268,435,456: it is not an accelerator, or it "
        "is "
        "damaged."
    )
    refused(replace(SOUND, vectors=1 << 26, length=1, lanes=1, lane_bits=64), told)


def test_times_that_nobody_waits_for():
    told = (
        "What answers says that a frame takes 4,294,967,295 cycles at 1 Hz, more than 3,600 s: it is not an "
        "accelerator, or it is damaged."
    )
    refused(replace(SOUND, cycles=(1 << 32) - 1, clock=1), told)


@given(st.data())
def test_any_bytes_make_an_identity_of_moderate_size_or_an_error(data):
    """Of whatever 72 or so bytes come, nothing that is derived takes much memory."""
    head = SOUND.to_bytes()[:6]
    body = data.draw(st.binary(min_size=Identity.SIZE - 6, max_size=Identity.SIZE - 6))
    try:
        identity = Identity.from_bytes(head + body)
    except LinkError:
        return
    assert identity.frame_bytes <= 1 << 28
    assert identity.scores_bytes + identity.class_bytes <= 8 * (1 << 16) + 2
    assert identity.latency <= 3600 * identity.clock
