"""Decoded signals, which are written into a waveform beside those of the design.

The design is sampled at each rising edge of its clock. What is decoded stands in the waveform from the edge before on,
so that the text of a cycle covers it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from typing import BinaryIO

from .header import Header, Variable
from .probes import Machine, Probe
from .texts import Beats

__all__ = ["CYCLE", "Decoder", "decoded_scope"]

#: The name of the number of a cycle after reset.
CYCLE = "cycle"
#: Bytes that are read at once.
_BLOCK = 1 << 20
#: What a stream does in a cycle, by its valid and ready, in the words of reports.
_STATES = {"11": "move", "10": "blocked", "01": "starved", "00": "idle"}
_NOTHING = "-"


def decoded_scope(name: str) -> str:
    """The scope of decoded signals of a design."""
    return f"{name}_decoded"


@dataclass(kw_only=True)
class _Signal:
    """A decoded signal: its name and mark, and the text that it has."""

    name: str
    id: str
    text: str | None = None

    def change(self, text: str, out: list[str]) -> None:
        """Note a new text."""
        if text != self.text:
            self.text = text
            out.append(f"s{text} {self.id}")


@dataclass(kw_only=True)
class _Stream:
    """A stream while a waveform is read."""

    probe: Probe
    signals: list[_Signal]
    valid: bytes
    ready: bytes | None
    payload: bytes
    width: int
    beat: int = 0
    moved: bool = False
    kept: dict[tuple[int, str], str] = field(default_factory=dict)

    @cached_property
    def marks(self) -> tuple[bytes, ...]:
        """Those of its signals."""
        return tuple(mark for mark in (self.valid, self.ready, self.payload) if mark)

    def sample(self, values: Mapping[bytes, str], reset: bool, out: list[str]) -> None:
        """Note what the stream does in a cycle, before the edge that ends it."""
        valid, ready = values.get(self.valid, "x"), values.get(self.ready, "x") if self.ready else "1"
        self.moved = False
        state = "reset" if reset else _STATES.get(valid + ready, "unknown")
        shown = [state, _NOTHING, _NOTHING]
        if reset:
            self.beat = 0
        elif valid == "1":
            shown[1] = self.probe.texts.place(self.beat)
            if isinstance(self.probe.texts, Beats):
                shown[2] = self._values(self.probe.texts, values.get(self.payload, "x"))
            self.moved = state == "move"
            self.beat += self.moved
        for signal, text in zip(self.signals, shown, strict=False):
            signal.change(text, out)

    def _values(self, texts: Beats, bits: str) -> str:
        key = (self.beat % texts.stream.vector_beats, bits)
        if key not in self.kept:
            if len(self.kept) > 1 << 12:
                self.kept.clear()
            fill = "0" if bits[0] in "01" else bits[0]
            self.kept[key] = texts.values(self.beat, bits.rjust(self.width, fill))
        return self.kept[key]


class Decoder:
    """Adds decoded signals to a waveform.

    Parameters
    ----------
    header : Header
        Of the waveform.
    name : str
        Of the design.
    top : str
        The path of the design in the waveform.
    probes : iterable of Probe
    machines : iterable of Machine
    """

    def __init__(
        self, header: Header, *, name: str, top: str, probes: Iterable[Probe], machines: Iterable[Machine]
    ) -> None:
        self._header, self._name = header, name
        variables = header.variables
        taken = {one.id for one in variables.values()}
        marks = (mark for number in count() if (mark := f"~{number}").encode() not in taken)
        self._clock = variables[f"{top}.clk"].id
        self._reset = variables.get(f"{top}.rst", Variable(id=b"", width=1)).id
        self._number = _Signal(name=CYCLE, id=next(marks))
        self._machines = [
            (_Signal(name=f"{one.name}_state", id=next(marks)), variables[one.path].id, one.states) for one in machines
        ]
        self._streams = [
            _Stream(
                probe=probe,
                signals=[_Signal(name=name, id=next(marks)) for name in probe.decoded],
                valid=variables[probe.valid].id,
                ready=variables[probe.ready].id if probe.ready else None,
                payload=variables[probe.payload].id,
                width=variables[probe.payload].width,
            )
            for probe in probes
        ]
        self._cycle = 0

    def definitions(self) -> Iterator[str]:
        """The definitions of the decoded signals."""
        yield f"$scope module {decoded_scope(self._name)} $end"
        yield f"$var wire 32 {self._number.id} {self._number.name} $end"
        for signal in self._signals():
            yield f"$var string 1 {signal.id} {signal.name} $end"
        yield "$upscope $end"

    def _signals(self) -> Iterator[_Signal]:
        yield from (signal for signal, _, _ in self._machines)
        for stream in self._streams:
            yield from stream.signals

    def write(self, source: BinaryIO, target: BinaryIO) -> None:
        """Copy the changes of a waveform, from behind its header on, with those of decoded signals among them."""
        scalars, vectors = self._watched()
        # Of signals that matter here: what they are, and which of them have changed since the last rising edge.
        values: dict[bytes, str] = {}
        changed: set[bytes] = set()
        # All since the last rising edge, where the texts of the cycle belong that is not over yet.
        held: list[bytes] = []
        for step in _steps(source):
            lines = step.split(b"\n")
            changes = {line[1:]: line[:1].decode() for line in scalars.intersection(lines)}
            for line in lines:
                if line[:1] == b"b":
                    bits, _, mark = line[1:].partition(b" ")
                    if mark in vectors:
                        changes[mark] = bits.decode()
            if changes.get(self._clock) == "1":
                self._finish(values, changed, held, target)
                held, changed = [], set()
            values |= changes
            changed |= changes.keys()
            held.append(b"#" + step.rstrip(b"\n") + b"\n")
        self._finish(values, changed, held, target)

    def _finish(self, values: dict[bytes, str], changed: set[bytes], held: list[bytes], target: BinaryIO) -> None:
        """Write what is held, with the texts of the cycle that is over behind what changed at its beginning."""
        if held:
            texts = "".join(f"{text}\n" for text in self._sample(values, changed))
            target.writelines([held[0], texts.encode(), *held[1:]])

    def _watched(self) -> tuple[set[bytes], set[bytes]]:
        """Lines of changes of one bit that matter here, and the marks of wider signals that do."""
        marks = {self._clock, self._reset} | {mark for _, mark, _ in self._machines}
        marks = marks.union(*(stream.marks for stream in self._streams))
        return {digit + mark for mark in marks for digit in (b"0", b"1", b"x", b"z", b"X", b"Z")}, marks

    def _sample(self, values: Mapping[bytes, str], changed: set[bytes]) -> list[str]:
        out: list[str] = []
        reset = values.get(self._reset) == "1"
        self._cycle = 0 if reset else self._cycle + 1
        number = "x" if reset else f"{self._cycle - 1:b}"
        if number != self._number.text:
            self._number.text = number
            out.append(f"b{number} {self._number.id}")
        for signal, mark, states in self._machines:
            bits = values.get(mark, "x")
            state = int(bits, 2) if set(bits) <= set("01") else len(states)
            signal.change(states[state] if state < len(states) else "unknown", out)
        for stream in self._streams:
            if stream.moved or not changed.isdisjoint((*stream.marks, self._reset)):
                stream.sample(values, reset, out)
        return out


def _steps(source: BinaryIO) -> Iterator[bytes]:
    """The changes of each time, which stands on the first line, without the number sign before it."""
    rest, begun = b"\n", False
    while block := source.read(_BLOCK):
        *whole, rest = (rest + block).split(b"\n#")
        for step in whole:
            # What comes before the first time is no change.
            if begun:
                yield step
            begun = True
    if begun:
        yield rest
