"""What the host does with packets, without bytes and time: the same steps as `bitweir.client.client.Client`.

`tests/host/client/test_link_model.py` runs both side by side on drawn faults, packet by packet, so that they stay the
same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from bitweir_hw.link.protocol import CHECK_BYTES, HEADER, Identity, Kind

__all__ = ["Answer", "Host", "Job", "Request", "Sent", "Sizes"]

Span = tuple[int, int]


class Request(NamedTuple):
    """A request on its way: `frames` are the contents of its frames."""

    kind: int
    number: int
    frames: tuple[int, ...]


class Answer(NamedTuple):
    """An answer on its way, of the device with the identity `device`; for each frame the content that it is about."""

    kind: int
    number: int
    frames: tuple[int, ...]
    device: int


class Sent(NamedTuple):
    """A request under way: its frames, and how many it has room for; `wanted` until its call is interrupted."""

    number: int
    kind: int
    span: Span
    held: int
    wanted: bool = True

    @property
    def asks(self) -> int:
        """The number of its frames."""
        return self.span[1] - self.span[0]


class Job(NamedTuple):
    """A call: the contents of its frames, and how many of them a request has at most."""

    frames: tuple[int, ...]
    step: int = 1


@dataclass(frozen=True)
class Sizes:
    """What requests and answers take, in bytes.

    Parameters
    ----------
    capacity, frame_bytes, unit : int
        Of the device, of a frame, and for each frame in an answer.
    buffer, most : int
        Bytes of answers and number of requests that may be under way.
    """

    capacity: int
    frame_bytes: int = 3
    unit: int = 1
    buffer: int = 3072
    most: int = 256

    def room(self, frames: int) -> int:
        """Bytes that a request takes in the device."""
        return HEADER.size + frames * self.frame_bytes

    def answer(self, kind: int, frames: int) -> int:
        """Bytes that an answer takes on the wire, at most."""
        packet = HEADER.size + (Identity.SIZE if kind == Kind.HELLO else frames * self.unit) + CHECK_BYTES
        return packet + packet // 254 + 2


class Host(NamedTuple):
    """The state of a client.

    Parameters
    ----------
    jobs : int
        The call it is in, or that it has finished.
    todo : tuple of Span
        Frames that no request under way asks about.
    sent : tuple of Sent
        Requests under way, in their order.
    number : int
        Of the next request.
    answers : tuple of (int, int) or None
        For each frame of the call, the content and the device of its answer.
    known : int
        The device that answered a hello before; -1 before the first.
    silent : int
        Attempts in a row without an answer about frames.
    over, failed : bool
        The call has ended, or there was an error.
    """

    jobs: int
    todo: tuple[Span, ...]
    sent: tuple[Sent, ...]
    number: int
    answers: tuple[tuple[int, int] | None, ...]
    known: int = -1
    silent: int = 0
    over: bool = False
    failed: bool = False

    def begin(self, jobs: int, job: Job) -> Host:
        """Begin a call; if the one before was interrupted, its answers are not wanted any more."""
        size = len(job.frames)
        todo = tuple((at, min(at + job.step, size)) for at in range(0, size, job.step))
        sent = self.sent if self.over else tuple(one._replace(span=(0, 0), wanted=False) for one in self.sent)
        return self._replace(jobs=jobs, todo=todo, sent=sent, answers=(None,) * size, silent=0, over=False)

    def fill(self, job: Job, sizes: Sizes, numbers: int) -> tuple[Host, tuple[Request, ...]]:
        """Send as much as there is room for, and a hello at the end."""
        host, out = self, []
        while host.todo and host._may_send(Kind.CLASSES, host.todo[0], sizes):
            host, request = host._send(Kind.CLASSES, host.todo[0], job, numbers)
            host = host._replace(todo=host.todo[1:])
            out.append(request)
        if not host.todo and not host._ends_with_hello() and host._may_send(Kind.HELLO, (0, 0), sizes):
            host, request = host._send(Kind.HELLO, (0, 0), job, numbers)
            out.append(request)
        return host, tuple(out)

    def probe(self, job: Job, numbers: int) -> tuple[Host, Request]:
        """Ask about no frames: nothing came for too long."""
        return self._replace(silent=self.silent + 1)._send(Kind.CLASSES, (0, 0), job, numbers)

    def receive(self, packet: Answer) -> Host:
        """Take an answer, or drop it."""
        found = next((at for at, one in enumerate(self.sent) if one.number == packet.number), None)
        if found is None:
            return self
        sent = self.sent[found]
        if packet.kind != sent.kind:
            return self
        if sent.kind != Kind.HELLO and not (sent.wanted and len(packet.frames) == sent.asks):
            return self
        lost = self._lost(found)
        host = self._replace(sent=self.sent[found + 1 :], todo=lost + self.todo)
        host = host._replace(silent=0 if sent.asks else host.silent + bool(lost))
        if sent.asks:
            own = tuple((content, packet.device) for content in packet.frames)
            host = host._replace(answers=host.answers[: sent.span[0]] + own + host.answers[sent.span[1] :])
        if sent.kind != Kind.HELLO:
            return host
        if host.known not in (-1, packet.device):
            return host._replace(failed=True)
        return host._replace(known=packet.device, over=not host.todo and not any(one.asks for one in host.sent))

    def _lost(self, found: int) -> tuple[Span, ...]:
        """What was sent before an answered request and is not answered, in halves."""
        halves = []
        for one in self.sent[:found]:
            (start, stop), middle = one.span, one.span[0] + (one.asks + 1) // 2
            halves += [half for half in ((start, middle), (middle, stop)) if half[0] < half[1]]
        return tuple(halves)

    def _ends_with_hello(self) -> bool:
        for one in reversed(self.sent):
            if one.asks:
                return False
            if one.kind == Kind.HELLO:
                return True
        return False

    def _may_send(self, kind: int, span: Span, sizes: Sizes) -> bool:
        if not self.sent:
            return True
        sent = [*self.sent, Sent(-1, kind, span, span[1] - span[0])]
        capacity = sizes.capacity if self.known >= 0 else HEADER.size
        return (
            len(sent) <= sizes.most
            and sum(sizes.room(one.held) for one in sent) <= capacity
            and sum(sizes.answer(one.kind, one.held) for one in sent) <= sizes.buffer
        )

    def _send(self, kind: int, span: Span, job: Job, numbers: int) -> tuple[Host, Request]:
        request = Request(kind, self.number, job.frames[span[0] : span[1]])
        sent = (*self.sent, Sent(self.number, kind, span, span[1] - span[0]))
        return self._replace(sent=sent, number=(self.number + 1) % numbers), request
