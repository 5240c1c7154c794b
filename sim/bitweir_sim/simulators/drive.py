"""The source and the sink of a design's streams, cycle by cycle, for simulators that Python drives.

`shim.cpp` does the same for compiled simulation; every engine gives the same trace.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ..trace import Beats, SimulationError, Trace, Words, describe

__all__ = ["FEED", "Feed", "Monitor", "Run", "changed", "dropped", "is_port", "limits", "missing_outputs"]


def dropped(stream: str, beat: int, cycle: int) -> str:
    """The message for a `valid` that falls before its beat has moved (stream rule 2)."""
    return f"Stream {stream}, beat {beat}, cycle {cycle}: valid must stay until the beat moves, but fell."


def changed(stream: str, beat: int, cycle: int) -> str:
    """The message for a payload that changes before its beat has moved (stream rule 2)."""
    return f"Stream {stream}, beat {beat}, cycle {cycle}: the payload must stay until the beat moves, but changed."


def missing_outputs(cycles: int, found: int, expected: int, taken: int, offered: int) -> str:
    """The message for a run that reached its limit."""
    return (
        f"After {cycles} cycles {expected - found} of {expected} output beats are missing "
        f"({taken} of {offered} input beats were taken)."
    )


def limits(expected: Trace | None, outputs: int | None, max_cycles: int | None, drain: int) -> tuple[int | None, int]:
    """The number of output beats to wait for, and the limit of cycles: as given, or from the expected trace."""
    if expected is not None:
        outputs = len(expected.o) if outputs is None else outputs
        # Enough to distinguish a late beat from one that never comes.
        max_cycles = expected.cycles_run + drain + 1000 if max_cycles is None else max_cycles
    if max_cycles is None:
        raise ValueError("max_cycles must be given where no trace is expected.")
    return outputs, max_cycles


#: Before the name of a block, what traces call the stream over which its weights come.
FEED = "weights."


@dataclass(frozen=True, kw_only=True, eq=False)
class Feed:
    """What comes over a stream of weights: words from the first one on, over and over.

    Parameters
    ----------
    words : uint64 array (words, 64-bit words)
    stalls : uint8 array
        See `stall_pattern`.
    """

    words: Words
    stalls: NDArray[np.uint8]

    @property
    def width(self) -> int:
        """64-bit words of a word."""
        return int(self.words.shape[1])


def is_port(name: str) -> bool:
    """Whether a stream of a trace has ports in any case, and is no tap."""
    return name in ("i", "o") or name.startswith(FEED)


class _Fed:
    """A feed in a run."""

    def __init__(self, feed: Feed) -> None:
        self._words = Beats(np.zeros(len(feed.words), np.int64), feed.words).integers()
        self._stalls = feed.stalls.tobytes()
        self._moved, self._offering = 0, False

    def drive(self, cycle: int) -> int | None:
        """The word that is offered in this cycle, if any."""
        self._offering = self._offering or not (cycle < len(self._stalls) and self._stalls[cycle])
        return self._words[self._moved % len(self._words)] if self._offering else None

    def took(self) -> None:
        self._moved, self._offering = self._moved + 1, False


@dataclass
class Monitor:
    """Watches one stream: records its beats, checks stream rule 2, and compares with the expected beats."""

    name: str
    expected: Beats | None = None
    cycles: list[int] = field(default_factory=list)
    payloads: list[int] = field(default_factory=list)
    held: int | None = None

    def observe(self, cycle: int, valid: bool, ready: bool, payload: int) -> None:
        """Observe the stream in one cycle; the payload matters only if `valid`."""
        beat = len(self.cycles)
        if self.held is not None:
            if not valid:
                raise SimulationError(dropped(self.name, beat, cycle))
            if payload != self.held:
                raise SimulationError(changed(self.name, beat, cycle))
        self.held = payload if valid and not ready else None
        moves = valid and ready
        if moves:
            self.cycles.append(cycle)
            self.payloads.append(payload)
        if self.expected is not None:
            self._compare(beat, cycle, payload if moves else None)

    def _compare(self, beat: int, cycle: int, found: int | None) -> None:
        assert self.expected is not None
        due = beat < len(self.expected) and int(self.expected.cycles[beat]) == cycle
        if found is None and not due:
            return
        wanted = self.expected.payload(beat) if beat < len(self.expected) else None
        if found is not None and wanted is not None:
            found &= self.expected.mask(beat)
        if found is not None and due and (wanted is None or wanted == found):
            return
        difference = describe(
            self.name,
            beat,
            expected=(int(self.expected.cycles[beat]), wanted) if beat < len(self.expected) else None,
            found=None if found is None else (cycle, found),
        )
        raise SimulationError(f"The simulation differs: {difference}", difference=difference)

    def beats(self, words: int) -> Beats:
        """The recorded beats."""
        data = b"".join(payload.to_bytes(words * 8, "little") for payload in self.payloads)
        payloads = np.frombuffer(data, dtype="<u8").astype(np.uint64).reshape(-1, words)
        return Beats(np.array(self.cycles, dtype=np.int64), payloads)


class Run:
    """One run: gives what to apply in each cycle, takes what was observed, and decides when the run ends.

    Parameters
    ----------
    beats : uint64 array (beats, words)
    i_stalls, o_stalls : uint8 array
        See `stall_pattern`.
    expected_outputs : int or None
        The run ends `drain` cycles after this many output beats; None: at `max_cycles`.
    max_cycles : int
    drain : int
    taps : dict of str to int
        Number of 64-bit words of the payload of each recorded tap.
    o_words : int
    expected : Trace or None
        What every cycle is compared with.
    feeds : dict of str to Feed
        What comes over streams of weights, by the names of blocks.
    """

    def __init__(
        self,
        beats: Words,
        *,
        i_stalls: NDArray[np.uint8],
        o_stalls: NDArray[np.uint8],
        expected_outputs: int | None,
        max_cycles: int,
        drain: int,
        o_words: int,
        taps: dict[str, int],
        expected: Trace | None = None,
        feeds: Mapping[str, Feed] | None = None,
    ) -> None:
        self._fed = {FEED + name: _Fed(feed) for name, feed in (feeds or {}).items()}
        self._count = len(beats)
        self._beats = iter(Beats(np.zeros(len(beats), np.int64), beats).integers())
        self._words = {"i": beats.shape[1], "o": o_words, **taps}
        self._words |= {FEED + name: feed.width for name, feed in (feeds or {}).items()}
        self._i_stalls, self._o_stalls = i_stalls.tobytes(), o_stalls.tobytes()
        self._expected_outputs, self._max_cycles, self._drain = expected_outputs, max_cycles, drain
        wanted = expected.streams if expected else {}
        self.monitors = {name: Monitor(name, wanted.get(name)) for name in self._words}
        self.cycle = 0
        self._offered: int | None = None
        self._after = 0

    def running(self) -> bool:
        """Whether one more cycle is due.

        Raises
        ------
        SimulationError
            The limit is reached, and output beats are missing.
        """
        outputs = len(self.monitors["o"].cycles)
        if self._expected_outputs is not None and outputs >= self._expected_outputs:
            self._after += 1
            if self._after > self._drain:
                return False
        if self.cycle < self._max_cycles:
            return True
        if self._expected_outputs is not None and outputs < self._expected_outputs:
            taken = len(self.monitors["i"].cycles)
            raise SimulationError(missing_outputs(self.cycle, outputs, self._expected_outputs, taken, self._count))
        return False

    def drive(self) -> tuple[int | None, bool]:
        """Return the input beat that is offered in this cycle, if any, and whether the sink is ready."""
        if self._offered is None and not (self.cycle < len(self._i_stalls) and self._i_stalls[self.cycle]):
            self._offered = next(self._beats, None)
        return self._offered, not (self.cycle < len(self._o_stalls) and self._o_stalls[self.cycle])

    def feed(self, name: str) -> int | None:
        """Return the word that is offered on a stream of weights in this cycle, if any."""
        return self._fed[name].drive(self.cycle)

    def observe(self, name: str, valid: bool, ready: bool, payload: int) -> None:
        """Take what was observed on a stream in this cycle."""
        self.monitors[name].observe(self.cycle, valid, ready, payload)
        if name == "i" and valid and ready:
            self._offered = None
        elif name in self._fed and valid and ready:
            self._fed[name].took()

    def trace(self) -> Trace:
        """The beats until now."""
        streams = {name: monitor.beats(self._words[name]) for name, monitor in self.monitors.items()}
        return Trace(streams, self.cycle)
