"""When words of streamed layers come: exact for a given pattern of answers, a bound for what a memory promises."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from bitweir_hw.arithmetic import ceil_div
from bitweir_hw.offchip.requests import CYCLES_A_REQUEST
from bitweir_hw.offchip.spec import ReaderSpec
from numpy.typing import NDArray

from .machines import Credits, stepped

__all__ = ["Answers", "MemoryPattern", "MemoryService", "ReaderSteps", "reader_supplies"]


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
        self._buffers = [_Buffer(spec) for _ in range(layers)]
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
            moves = buffer.output.valid() and words.ready()
            words.step(moves, [gives[layer]])
            self._room[layer] += buffer.step(self._put == layer, moves)
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


class _Buffer:
    """Steps a `bitweir_hw.offchip.buffer.BeatBuffer`."""

    def __init__(self, spec: ReaderSpec) -> None:
        latency = 1 + spec.buffer_layout.registers
        self.output = Credits(latency, latency + 2)
        self._stored = 0

    def step(self, put: bool, gives: bool) -> bool:
        """End the cycle; returns whether it has freed a place."""
        reads = self._stored > 0 and self.output.free()
        self.output.step(reads, gives)
        self._stored += put - reads
        return reads


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

    def arrivals(self, spec: ReaderSpec, layer: int, bursts: int) -> NDArray[np.int64]:
        """By which cycle, from the first with `enable` on, each burst of a layer has come at the latest.

        Its words are taken as soon as they are offered; the other layers may do anything.

        When a layer gets space, at most `outstanding` bursts are under way. From then on, while it has space, each
        other layer is served at most once before it (round robin), so that its request r is one of the next ``N * r``
        of N layers. When these are complete follows from the promise, request by request (`_served`): all is sums and
        maxima of times, so that what comes sooner than promised makes nothing later. Burst r behind the one that got
        space at t is complete at ``t + served[r]``; which one began such a time is not known, so the bound is the
        maximum over all. Space for burst j is there when burst ``j - buffer_bursts`` is used, which takes a cycle for
        each beat or word. In network calculus this is a service curve for round robin with a feedback of the finite
        buffer (Le Boudec and Thiran, Network Calculus, Springer 2001, chapters 1.3 and 4.4).

        Parameters
        ----------
        spec : ReaderSpec
        layer : int
            Its index.
        bursts : int
            How many.
        """
        layout, words = spec.layout, spec.converters[layer]
        served = self._served(spec, bursts)
        use = max(layout.burst_beats, ceil_div(layout.burst_beats * layout.beat_bits, words.o_bits) + 1)
        spaces, found = np.zeros(bursts, np.int64), np.zeros(bursts, np.int64)
        used = np.zeros(bursts, np.int64)
        for number in range(bursts):
            before = number - spec.buffer_bursts
            spaces[number] = used[before] if before >= 0 else len(layout.streams) + 2
            found[number] = (spaces[: number + 1] + served[number::-1]).max()
            # To the buffer, out of it, and through what the converter has inside.
            used[number] = (
                max(found[number] + 6 + spec.buffer_layout.registers + words.latency, used[number - 1] if number else 0)
                + use
            )
        return found

    def _served(self, spec: ReaderSpec, bursts: int) -> NDArray[np.int64]:
        """Cycles until so many bursts of a layer are complete that has space all the time, at most."""
        layers, burst = len(spec.layout.streams), self.overhead + self.beat_cycles * spec.layout.burst_beats
        under_way = min(spec.outstanding, layers * spec.buffer_bursts)
        # Of bursts under way at the beginning at most two are not taken yet: they wait in a FIFO.
        taken = [2 * self.accept] * under_way
        done = [2 * self.accept + self.latency + burst * (number + 1) for number in range(under_way)]
        sent = 0
        for number in range(under_way, under_way + layers * bursts):
            # A place in that FIFO, and a place among those under way, are seen a cycle or two later.
            sent = max(sent + CYCLES_A_REQUEST, taken[number - 2] + 2)
            if number >= spec.outstanding:
                sent = max(sent, done[number - spec.outstanding] + 2 + CYCLES_A_REQUEST)
            taken.append(max(sent + 1, taken[-1]) + self.accept)
            done.append(max(taken[-1] + self.latency, done[-1]) + burst)
        return np.array(done[under_way + layers - 1 :: layers], np.int64)


class Answers(Protocol):
    """A memory, cycle by cycle: when it takes requests, and when their beats come."""

    def beat(self, cycle: int) -> bool:
        """Whether a beat comes in a cycle; asked once a cycle."""

    def step(self, cycle: int, request: tuple[int, int] | None, beat: bool) -> bool:
        """End a cycle; returns whether the request, of an address and beats, was taken."""


class MemoryPattern:
    """A memory whose answers come in given cycles: bursts in order, the first beat `latency` cycles behind its request.

    Parameters
    ----------
    latency : int
        Cycles from a request that is taken to its first beat, at least 1.
    waits : sequence of int
        Cycles before each beat, when it could come, over and over.
    refusals : sequence of bool
        Cycles from 0 on in which no request is taken; afterwards all are.
    """

    def __init__(self, *, latency: int, waits: Sequence[int] = (0,), refusals: Sequence[bool] = ()) -> None:
        self._latency, self._waits, self._refusals = latency, waits, refusals
        #: Beats that are left of each burst, and the cycle of its request.
        self._asked: deque[tuple[int, int]] = deque()
        self._sent, self._wait = 0, waits[0]

    def beat(self, cycle: int) -> bool:
        """Whether a beat comes in a cycle; asked once a cycle."""
        due = bool(self._asked) and cycle >= self._asked[0][1] + self._latency
        if due and self._wait:
            self._wait -= 1
            return False
        return due

    def step(self, cycle: int, request: tuple[int, int] | None, beat: bool) -> bool:
        """End a cycle; returns whether the request was taken."""
        if beat:
            left, since = self._asked.popleft()
            if left > 1:
                self._asked.appendleft((left - 1, since))
            self._sent += 1
            self._wait = self._waits[self._sent % len(self._waits)]
        taken = request is not None and not (cycle < len(self._refusals) and self._refusals[cycle])
        if request is not None and taken:
            self._asked.append((request[1], cycle))
        return taken


class _Shared:
    """A reader and its memory, stepped when all layers have said whether they take a word."""

    def __init__(self, spec: ReaderSpec, memory: Answers, enable: int) -> None:
        self._reader, self._memory, self._enable = ReaderSteps(spec), memory, enable
        self._layers = len(spec.layout.streams)
        self._gives: list[bool] = []

    def take(self, cycle: int, layer: int, ready: bool) -> bool:
        """Whether a layer gets a word; layers come in order."""
        assert layer == len(self._gives)
        moves = ready and self._reader.valid(layer)
        self._gives.append(moves)
        if len(self._gives) == self._layers:
            beat, request = self._memory.beat(cycle), self._reader.request()
            accepted = self._memory.step(cycle, request, beat)
            self._reader.step(enable=cycle >= self._enable, accepted=accepted, beat=beat, gives=self._gives)
            self._gives = []
        return moves


@dataclass(frozen=True)
class _LayerSource:
    """The words of one layer: its own supplier and source, as a reader begins once."""

    shared: _Shared
    layer: int

    def source(self) -> _LayerSource:
        return self

    def step(self, cycle: int, ready: bool) -> bool:
        return self.shared.take(cycle, self.layer, ready)

    def state(self) -> tuple[int, ...]:
        raise NotImplementedError("the state of a memory's pattern does not repeat")


def reader_supplies(spec: ReaderSpec, memory: Answers, *, enable: int = 0) -> dict[str, _LayerSource]:
    """How words come from a reader, for one `cycles.schedule`: exact for the pattern of the memory's answers.

    Parameters
    ----------
    spec : ReaderSpec
        For the layout of `bitweir_hw.accelerator.weight_layout`.
    memory : MemoryPattern or sdram.SdramPattern
        At its beginning.
    enable : int
        The first cycle with `enable`.
    """
    shared = _Shared(spec, memory, enable)
    return {weights.name: _LayerSource(shared, number) for number, weights in enumerate(spec.layout.streams)}
