"""When words of streamed layers come: exact for a given pattern of answers, a bound for what a memory promises."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from bitweir_hw.offchip.requests import CYCLES_A_REQUEST
from bitweir_hw.offchip.spec import ReaderSpec

from .machines import stepped

__all__ = ["MemoryService", "ReaderSteps"]


class ReaderSteps:
    """Steps a `bitweir_hw.offchip.reader.WeightReader` cycle by cycle, without values, as the gateware does.

    Parameters
    ----------
    spec : ReaderSpec
    """

    def __init__(self, spec: ReaderSpec) -> None:
        self._spec, self._layout = spec, spec.layout
        layers = len(self._layout.streams)
        self._state, self._wait = "WAIT", 0
        self._buffers = [stepped(buffer) for buffer in spec.buffers]
        self._converters = [stepped(words) for words in spec.converters]
        self._room = [spec.buffer_beats - self._layout.burst_beats] * layers
        self._next = [0] * layers
        self._last = -1
        self._chosen = 0
        #: Requests that wait at the output, and bursts whose beats have not all come: (layer, burst, beats).
        self._requests: deque[tuple[int, int, int]] = deque()
        self._pending: deque[tuple[int, int, int]] = deque()
        self._come, self._put = 0, -1

    def request(self) -> tuple[int, int] | None:
        """The address behind the base in bytes, and the beats, of the burst that it asks for in this cycle, or None."""
        if not self._requests:
            return None
        layer, burst, beats = self._requests[0]
        return self._layout.bases[layer] + burst * self._layout.burst_bytes, beats

    def ends(self) -> bool:
        """Whether the beat that may come in this cycle is the last of its burst."""
        return bool(self._pending) and self._come == self._pending[0][2] - 1

    def valid(self, layer: int) -> bool:
        """Whether it offers a word to a layer in this cycle."""
        return self._converters[layer].valid(0)

    def step(self, *, enable: bool, accepted: bool, beat: bool, gives: Sequence[bool]) -> None:
        """End the cycle.

        Parameters
        ----------
        enable, accepted, beat : bool
            Whether `enable` is set, the request has moved, and a beat has come.
        gives : sequence of bool
            Whether each layer has taken a word.
        """
        asks = [layer for layer, room in enumerate(self._room) if room >= 0]
        sent = self._schedule(enable, asks)
        if accepted:
            self._requests.popleft()
        for layer, (buffer, words) in enumerate(zip(self._buffers, self._converters, strict=True)):
            moves = buffer.valid(0) and words.ready()
            words.step(moves, [gives[layer]])
            buffer.step(self._put == layer, [moves])
            self._room[layer] += moves
        self._put = -1
        if beat:
            layer, _, beats = self._pending[0]
            self._put, self._come = layer, self._come + 1
            if self._come == beats:
                self._pending.popleft()
                self._come = 0
        if sent:
            layer, burst, beats = sent
            self._requests.append(sent)
            self._pending.append(sent)
            self._room[layer] -= beats
            self._next[layer] = (burst + 1) % self._layout.bursts[layer]

    def _schedule(self, enable: bool, asks: list[int]) -> tuple[int, int, int] | None:
        """A cycle of the machine that asks for bursts; what it asks for at the end of it."""
        if self._state == "WAIT":
            if enable:
                self._state, self._wait = "BEGIN", len(self._room)
        elif self._state == "BEGIN":
            self._wait -= 1
            if not self._wait:
                self._state = "CHOOSE"
        elif self._state == "CHOOSE":
            if asks and len(self._pending) < self._spec.outstanding:
                self._chosen = next((layer for layer in asks if layer > self._last), asks[0])
                self._state, self._wait = "SEND", CYCLES_A_REQUEST - 2
        elif self._wait:
            self._wait -= 1
        elif len(self._requests) < 2:
            layer, burst = self._chosen, self._next[self._chosen]
            self._last, self._state = layer, "CHOOSE"
            size = self._layout.burst_beats
            return layer, burst, min(size, self._layout.beats[layer] - burst * size)
        return None


@dataclass(frozen=True, kw_only=True)
class MemoryService:
    """What a memory promises at least.

    A request is taken at most `accept` cycles after it is offered, or after the one before it was taken. A burst is
    complete at most ``overhead + beat_cycles * beats`` cycles after `latency` cycles from when it was taken, or after
    the burst before it was complete, whichever is later.

    Parameters
    ----------
    accept, latency, overhead, beat_cycles : int
        Cycles.
    """

    accept: int = 1
    latency: int
    overhead: int = 0
    beat_cycles: int = 1

    def burst_cycles(self, spec: ReaderSpec) -> int:
        """Cycles of a whole burst."""
        return self.overhead + self.beat_cycles * spec.layout.burst_beats

    def arrivals(self, spec: ReaderSpec, layer: int, bursts: int) -> list[int]:
        """By which cycle, from the first with `enable` on, each burst of a layer has come at the latest.

        Its words are taken as soon as they are offered; the other layers may do anything.

        While a layer has space, each other one is served at most once before it (round robin). A service takes the
        longest of a burst, the reader's cycles between requests, and the time of a burst under way, divided by how
        many may be under way: S. So in a time in which layer n has space, its request r is sent at most
        ``A + N * S * r`` cycles behind the beginning: N layers, and A for what is under way then. The burst is complete
        when those before it are, at most `outstanding`. Space for burst j is there when burst ``j - buffer_bursts``
        is used. This is the bound by which network calculus describes round robin (Le Boudec and Thiran, Network
        Calculus, Springer 2001, chapter 1.4), with the finite buffer as feedback.

        Parameters
        ----------
        spec : ReaderSpec
        layer : int
            Its index.
        bursts : int
            How many.
        """
        layout = spec.layout
        layers, burst = len(layout.streams), self.burst_cycles(spec)
        send = CYCLES_A_REQUEST + self.accept
        # A cycle to notice that a burst is complete, and one for a request to pass the register.
        travel = self.accept + self.latency + burst + 2
        service = max(burst, send, -(-(travel + send) // spec.outstanding))
        # Whatever is under way when the layer gets space: all bursts that may be, and a request that is being made.
        begin = travel + send + spec.outstanding * burst
        complete = travel + 2 * self.accept + spec.outstanding * burst
        # A word may be narrower than a beat: then words leave one a cycle.
        words = spec.converters[layer]
        drain = max(layout.burst_beats, -(-layout.burst_beats * layout.beat_bits // words.o_bits) + 1)
        drain += words.latency + 6

        found: list[int] = []
        latest = 0
        for number in range(bursts):
            space = layers + 2 if number < spec.buffer_bursts else found[number - spec.buffer_bursts] + drain
            latest = max(space, latest) + layers * service
            found.append(latest + begin + complete)
        return found
