"""Traces: what moved on the streams of a design, and in which cycle; the common result of all simulators.

Cycle 0 is the first clock cycle after reset. A payload is kept as 64-bit words, the lowest first.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from bitweir_hw.errors import BitweirError
from numpy.typing import NDArray

__all__ = [
    "Beats",
    "Difference",
    "SimulationError",
    "Trace",
    "as_words",
    "check_trace",
    "first_difference",
    "load_trace",
    "save_trace",
    "stall_pattern",
]

Words = NDArray[np.uint64]
Integers = NDArray[np.int64]
#: A stall pattern, a cycle each; see `stall_pattern`.
Stalls = Iterable[bool] | NDArray[np.bool_] | None


class SimulationError(BitweirError):
    """A design did not behave as expected; `trace` holds what was recorded until then."""

    exit_code = 9

    def __init__(self, message: str, *, trace: Trace | None = None, difference: Difference | None = None) -> None:
        super().__init__(message)
        self.trace = trace
        self.difference = difference


def as_words(beats: Words | Sequence[int], bits: int) -> Words:
    """Convert payloads to an array (beats, words) of uint64.

    Parameters
    ----------
    beats : sequence of int, or uint64 array (beats,) or (beats, words)
    bits : int
        The width of a payload.

    Raises
    ------
    ValueError
        An array has another number of words, or an integer has more bits.
    """
    words = max(1, -(-bits // 64))
    if isinstance(beats, np.ndarray):
        array = beats.reshape(len(beats), -1) if beats.size else beats.reshape(0, words)
        if array.shape[1] != words:
            raise ValueError(f"Beats of {bits} bits must have {words} words, not {array.shape[1]}.")
        return np.ascontiguousarray(array, dtype=np.uint64)
    data = b"".join(_checked(int(beat), bits).to_bytes(words * 8, "little") for beat in beats)
    return np.frombuffer(data, dtype="<u8").astype(np.uint64).reshape(-1, words)


def _checked(beat: int, bits: int) -> int:
    if beat < 0 or beat >> bits:
        raise ValueError(f"A payload must fit in {bits} bits, not be {beat}.")
    return beat


def stall_pattern(stalls: Stalls) -> NDArray[np.uint8]:
    """Convert a stall pattern to bytes, one for each cycle: 1 stalls. After its end nothing stalls."""
    if stalls is None:
        return np.zeros(0, dtype=np.uint8)
    array = stalls if isinstance(stalls, np.ndarray) else np.array(list(stalls), dtype=bool)
    return np.ascontiguousarray(array != 0, dtype=np.uint8)


@dataclass(frozen=True, eq=False)
class Beats:
    """The beats of one stream.

    Parameters
    ----------
    cycles : int64 array (beats,)
        The clock cycle of each beat.
    payloads : uint64 array (beats, words), or None
        The payload of each beat; None where only the cycles are known.
    masks : uint64 array (beats, words), or None
        In expected beats, the bits that matter; None for all. The others are 0 in `payloads`.
    """

    cycles: Integers
    payloads: Words | None = None
    masks: Words | None = None

    def __len__(self) -> int:
        return len(self.cycles)

    def payload(self, beat: int) -> int | None:
        """The payload of a beat as an integer; None if it is not known."""
        return None if self.payloads is None else _integer(self.payloads[beat])

    def mask(self, beat: int) -> int:
        """The bits of the payload of a beat that matter."""
        return -1 if self.masks is None else _integer(self.masks[beat])

    def integers(self) -> list[int]:
        """All payloads as integers."""
        if self.payloads is None:
            raise ValueError("The payloads of this stream are not known.")
        data = self.payloads.astype("<u8").tobytes()
        size = self.payloads.shape[1] * 8
        return [int.from_bytes(data[at : at + size], "little") for at in range(0, len(data), size)]


def _integer(words: Words) -> int:
    return int.from_bytes(words.astype("<u8").tobytes(), "little")


@dataclass(frozen=True, eq=False)
class Trace:
    """The beats of a run.

    Parameters
    ----------
    streams : dict of str to Beats
        Stream ``i``, stream ``o``, and each tap by its name.
    cycles_run : int
        The length of the run in cycles.
    toggles : dict of str to int
        Bits of registers that changed in the run, by block, where they were counted; under an empty name, those of
        what is around the blocks.
    """

    streams: dict[str, Beats]
    cycles_run: int
    toggles: dict[str, int] = field(default_factory=dict)

    def before(self, cycle: int) -> Trace:
        """The part of the trace before a cycle."""

        def cut(beats: Beats) -> Beats:
            count = int(np.searchsorted(beats.cycles, cycle))
            rest = (None if words is None else words[:count] for words in (beats.payloads, beats.masks))
            return Beats(beats.cycles[:count], *rest)

        return Trace({name: cut(beats) for name, beats in self.streams.items()}, min(cycle, self.cycles_run))

    @property
    def i(self) -> Beats:
        """The input beats."""
        return self.streams["i"]

    @property
    def o(self) -> Beats:
        """The output beats."""
        return self.streams["o"]


@dataclass(frozen=True)
class Difference:
    """The first difference between a run and the expected trace.

    Parameters
    ----------
    stream : str
    beat : int
        The number of the beat on its stream, from 0.
    cycle : int
    expected, found : str
        In words.
    """

    stream: str
    beat: int
    cycle: int
    expected: str
    found: str

    def __str__(self) -> str:
        return (
            f"stream {self.stream}, beat {self.beat}, cycle {self.cycle}: expected {self.expected}, found {self.found}."
        )


def _words(payload: int | None) -> str:
    return "a beat" if payload is None else f"{payload:#x}"


def describe(
    stream: str, beat: int, *, expected: tuple[int, int | None] | None, found: tuple[int, int | None] | None
) -> Difference:
    """Describe the difference in one beat; each side is (cycle, payload), or None if the beat never came."""
    if expected and found and expected[0] == found[0]:
        return Difference(stream, beat, found[0], _words(expected[1]), _words(found[1]))
    if found is None or (expected and expected[0] < found[0]):
        assert expected
        return Difference(stream, beat, expected[0], _words(expected[1]), "no beat")
    later = f"no beat before cycle {expected[0]}" if expected else "nothing left over"
    return Difference(stream, beat, found[0], later, _words(found[1]))


def first_difference(expected: Trace, found: Trace) -> Difference | None:
    """Return the earliest difference between two traces, in the streams of `expected`.

    Raises
    ------
    ValueError
        An expected stream was not recorded.
    """
    differences = []
    if absent := expected.streams.keys() - found.streams.keys():
        raise ValueError(f"Stream {min(absent)} was not recorded; there are {', '.join(found.streams)}.")
    for name, beats in found.streams.items():
        if name in expected.streams and (difference := _first_in_stream(name, expected.streams[name], beats)):
            differences.append(difference)
    return min(differences, key=lambda difference: difference.cycle, default=None)


def _first_in_stream(name: str, expected: Beats, found: Beats) -> Difference | None:
    common = min(len(expected), len(found))
    differs = expected.cycles[:common] != found.cycles[:common]
    if expected.payloads is not None and found.payloads is not None:
        wrong = expected.payloads[:common] ^ found.payloads[:common]
        if expected.masks is not None:
            wrong &= expected.masks[:common]
        differs = differs | wrong.any(axis=1)
    if differs.any():
        beat = int(differs.argmax())
    elif len(expected) != len(found):
        beat = common
    else:
        return None
    mask = expected.mask(beat) if beat < len(expected) else -1
    return describe(name, beat, expected=_beat(expected, beat, -1), found=_beat(found, beat, mask))


def _beat(beats: Beats, beat: int, mask: int) -> tuple[int, int | None] | None:
    if beat >= len(beats):
        return None
    payload = beats.payload(beat)
    return int(beats.cycles[beat]), None if payload is None else payload & mask


def check_trace(expected: Trace, found: Trace) -> None:
    """Compare two traces.

    Raises
    ------
    SimulationError
        They differ; names the first difference.
    """
    if difference := first_difference(expected, found):
        raise SimulationError(f"The simulation differs: {difference}", trace=found, difference=difference)


def save_trace(path: Path, trace: Trace, **more: NDArray[Any]) -> None:
    """Write a trace and further arrays to an npz file."""
    arrays: dict[str, NDArray[Any]] = {"cycles_run": np.array(trace.cycles_run), **more}
    for name, beats in trace.streams.items():
        arrays[f"cycles_{name}"] = beats.cycles
        for kind in ("payloads", "masks"):
            if (words := getattr(beats, kind)) is not None:
                arrays[f"{kind}_{name}"] = words
    with path.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]


def load_trace(arrays: Mapping[str, NDArray[Any]]) -> Trace:
    """Return the trace in the arrays of an npz file."""
    names = [name.removeprefix("cycles_") for name in arrays if name.startswith("cycles_") and name != "cycles_run"]
    streams = {
        name: Beats(arrays[f"cycles_{name}"], arrays.get(f"payloads_{name}"), arrays.get(f"masks_{name}"))
        for name in names
    }
    return Trace(streams, int(arrays["cycles_run"]))
