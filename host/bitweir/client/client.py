"""The client: requests and answers over a link that may damage, lose and invent bytes (rules: `docs/link.md`).

The order of answers alone shows what is lost: an answer says that all requests before its own have been answered,
or never will be. When nothing comes, the client asks about no frames, with a new number each time; the first
answer shows what is lost, and only that is sent again. So an answer that arrives late still counts, and never twice.

An image of parameters or weights must arrive in order, each piece once: pieces are sent one by one, of two alternating
kinds, so that the device recognises a piece that it took although its answer was lost.
"""

from __future__ import annotations

import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import chain, cycle, takewhile

import numpy as np
from bitweir_hw.errors import LinkError
from bitweir_hw.link.protocol import ANSWER, HEADER, NUMBER_BITS, VERSION, Identity, Kind
from numpy.typing import NDArray

from .codec import DELIMITER, OLD_HELLO, Decoder, Packet, encode, old_version, wire_bytes
from .transport import Transport

__all__ = ["HOST_BUFFER", "Client", "frames_per_request"]

Octets = NDArray[np.uint8]

#: Maximum bytes of answers under way: serial ports of Linux hold 4,095.
HOST_BUFFER = 3072
#: Maximum number of requests under way.
_MAX_REQUESTS = 256
#: Bytes of frames in a request; longer requests would hardly use the wire better.
_ENOUGH_BYTES = 512
#: Bytes of an image in a request, while none is lost: so the wire waits for few answers.
_IMAGE_BYTES = 4096
#: With this many bytes of frames or more, 95 % of a request are frames.
_WORTHWHILE_BYTES = 352
#: Requests that should fit into the device together, so that one arrives while another is computed and answered.
_PARTS = 4
#: Times that an image is sent before it counts as wrong: a reset during a load spoils it.
_LOADS = 3
#: How many times as long as it states a device may take.
_TOLERANCE = 1.25
#: Each wait without an answer doubles the next one, up to this factor.
_LONGEST_WAIT = 8


@dataclass(frozen=True)
class _Sent:
    """A request under way.

    Parameters
    ----------
    kind : Kind
    frames : range
        The frames that it asks about; none for a hello.
    unit : int
        Bytes for each frame in the answer; 0 for requests without such, -1 where the answer is no longer wanted.
    room : int
        Bytes that the request takes in the device.
    wire, answer_wire : int
        Bytes that the request and its answer take on the wire.
    """

    kind: Kind
    frames: range
    unit: int
    room: int
    wire: int
    answer_wire: int

    def answered_by(self, packet: Packet) -> bool:
        """Whether the packet, which has the number of this request, is an answer to it."""
        if packet.kind != self.kind | ANSWER:
            return False
        if self.kind == Kind.HELLO:
            return len(packet.payload) == packet.count
        answers = len(self.frames) if self.unit else 0
        return self.unit >= 0 and packet.count == answers and len(packet.payload) == answers * self.unit

    def refused_by(self, packet: Packet) -> bool:
        """Whether the packet, which has the number of this request, is the answer of a device without parameters."""
        return self.unit > 0 and packet.kind == self.kind | ANSWER and packet.count == 0


@dataclass(frozen=True)
class _Job:
    """What one call asks for, and the answers until now.

    Parameters
    ----------
    kind : Kind
    frames : uint8 array, (N, frame bytes)
    answers : uint8 array, (N, unit bytes)
        Filled as answers come.
    todo : deque of range
        Frames that no request under way asks about.
    """

    kind: Kind
    frames: Octets
    answers: Octets
    todo: deque[range]


class Client:
    """The host's end of a link.

    Parameters
    ----------
    transport : Transport
        The transport, which the client closes.
    margin : float
        Seconds that answers may take in addition to the time on the wire and in the accelerator.
    rounds : int
        The client gives up after this many waits in a row without an answer about frames.

    Attributes
    ----------
    identity : Identity
        Of the device.
    lost : int
        The number of lost requests.

    Raises
    ------
    LinkError
        No accelerator answers, or its answers are not understood.
    """

    identity: Identity

    def __init__(self, transport: Transport, *, margin: float = 0.1, rounds: int = 8) -> None:
        self.transport = transport
        self.margin, self.rounds = margin, rounds
        self.lost = 0
        self._known: Identity | None = None
        self._decoder = Decoder()
        self._came: deque[Packet] = deque()
        # In the order in which they were sent, by number.
        self._under_way: dict[int, _Sent] = {}
        # What an earlier program asked for must not look like an answer to this one: no number ever comes twice.
        self._number = secrets.randbits(NUMBER_BITS)
        self._deadline = 0.0
        self._silent = 0
        self._at_rest = False
        self.ask(Kind.HELLO, np.zeros((0, 0), np.uint8), 0)

    def close(self) -> None:
        """Close the transport; a second call does nothing."""
        self.transport.close()

    def ask(
        self, kind: Kind, frames: Octets, unit: int, *, progress: Callable[[float], None] = lambda share: None
    ) -> Octets:
        """Ask about frames, or load parameters; afterwards the device is known to be the same as before.

        Parameters
        ----------
        kind : Kind
        frames : uint8 array, (N, frame bytes)
            Or pieces of an image of parameters, as many as the device has room for, for one request.
        unit : int
            Bytes for each frame in the answer.
        progress : callable
            Takes the share of frames that are answered, as answers come.

        Returns
        -------
        uint8 array, (N, unit)

        Raises
        ------
        LinkError
            The device has no room for a frame, or has no parameters; it does not answer; or another device
            answers.
        """
        todo: deque[range] = deque()
        if len(frames):
            assert self._known
            step = len(frames) if kind.loads else frames_per_request(self._known.capacity, frames.shape[1], unit)
            todo.extend(range(at, min(at + step, len(frames))) for at in range(0, len(frames), step))
        if not self._at_rest:
            # Requests of an interrupted call still take room in the device, but their answers are not wanted.
            self.transport.write(DELIMITER)
            self._under_way = {number: self._forgotten(sent) for number, sent in self._under_way.items()}
        self._at_rest, self._silent = False, 0
        job = _Job(kind, frames, np.zeros((len(frames), unit), np.uint8), todo)
        while not self._finished(job):
            waiting = [*job.todo, *(sent.frames for sent in self._under_way.values() if sent.frames)]
            if len(frames):
                progress(max(0.0, 1 - sum(map(len, waiting)) / len(frames)))
        self._at_rest = True
        return job.answers

    def load(self, image: bytes, *, progress: Callable[[float], None] = lambda share: None) -> None:
        """Load parameters into RAM, or weights into the memory outside the chip.

        Parameters
        ----------
        image : bytes
            As `bitweir_hw.accelerator.parameters.parameter_image` or `bitweir_hw.offchip.image_with_crc` makes it.
        progress : callable
            Takes the share that is loaded.

        Raises
        ------
        LinkError
            The image is damaged, or for another accelerator; and what `ask` raises.
        """
        size = self.identity.frame_bytes
        pieces = np.frombuffer(image + bytes(-len(image) % size), np.uint8).reshape(-1, size)
        for _ in range(_LOADS):
            kinds = chain([Kind.LOAD], cycle([Kind.LOAD_ODD, Kind.LOAD_EVEN]))
            at, lost = 0, self.lost
            while at < len(pieces):
                # On a bad link, short packets get through where long ones do not.
                enough = _IMAGE_BYTES if self.lost == lost else _ENOUGH_BYTES
                step = max(1, min(self.identity.capacity - HEADER.size, enough) // size)
                self.ask(next(kinds), pieces[at : at + step], 0)
                at += step
                progress(min(at / len(pieces), 1.0))
            found = self.identity.parameters
            # Weights are in place only with a checksum that is not that of none.
            if image.endswith(found.to_bytes(4, "little")) and (found or not self.identity.weights):
                return
        what = "weights" if self.identity.weights else "parameters"
        raise LinkError(
            f"The image of {what} is damaged, or was made for another accelerator: the device does not accept it."
        )

    @staticmethod
    def _forgotten(sent: _Sent) -> _Sent:
        return _Sent(sent.kind, range(0), -1, sent.room, sent.wire, sent.answer_wire)

    # ---- sending

    def _fill(self, job: _Job) -> None:
        """Send as much as the device and the buffers of the host have room for, and a hello at the end."""
        while job.todo and self._send(job.kind, job.todo[0], job):
            job.todo.popleft()
        behind = takewhile(lambda one: not one.frames, reversed(self._under_way.values()))
        if not job.todo and not any(one.kind == Kind.HELLO for one in behind):
            self._send(Kind.HELLO, range(0), job)

    def _send(self, kind: Kind, frames: range, job: _Job, *, probe: bool = False) -> bool:
        """Send a request if there is room for it, if nothing else is under way, or if it is a probe."""
        payload = job.frames[frames.start : frames.stop].tobytes()
        unit = 0 if probe else job.answers.shape[1]
        answer = wire_bytes(Identity.SIZE if kind == Kind.HELLO else len(frames) * unit)
        sent = _Sent(kind, frames, unit, HEADER.size + len(payload), wire_bytes(len(payload)), answer)
        if self._under_way and not probe and not self._has_room(sent):
            return False
        data = encode(Packet(kind, self._number, len(frames), payload))
        # Ends any noise that came while nothing was sent.
        fresh = DELIMITER * 2 if probe or not self._under_way else b""
        self.transport.write(fresh + data)
        self._under_way[self._number] = sent
        self._number = (self._number + 1) % (1 << NUMBER_BITS)
        self._wait_anew()
        return True

    def _has_room(self, new: _Sent) -> bool:
        assert self._known or new.kind == Kind.HELLO
        sent = [*self._under_way.values(), new]
        capacity = self._known.capacity if self._known else HEADER.size
        return (
            len(sent) <= _MAX_REQUESTS
            and sum(one.room for one in sent) <= capacity
            and sum(one.answer_wire for one in sent) <= HOST_BUFFER
        )

    # ---- waiting

    def _wait_anew(self) -> None:
        """Set the deadline, from now on, to the time that all requests under way may take."""
        sent = self._under_way.values()
        seconds = sum(one.wire + one.answer_wire for one in sent) * self.transport.seconds_per_byte
        if self._known:
            cycles = sum(len(one.frames) for one in sent) * self._known.cycles + self._known.latency
            seconds += cycles / self._known.clock
        factor = min(1 << self._silent, _LONGEST_WAIT)
        self._deadline = self.transport.now() + (self.margin + _TOLERANCE * seconds) * factor

    def _receive(self) -> Packet | None:
        """Return the next packet; None after the deadline."""
        while not self._came:
            data = self.transport.read(max(0.0, self._deadline - self.transport.now()))
            self._came.extend(self._decoder.feed(data))
            # Checked only after reading: perhaps this program slept, and not the device.
            if not self._came and self.transport.now() >= self._deadline:
                return None
        return self._came.popleft()

    # ---- answers

    def _finished(self, job: _Job) -> bool:
        """Send what can be sent and wait for one packet; returns whether it completes the job."""
        self._fill(job)
        packet = self._receive()
        if packet is None:
            self._fruitless("does not answer")
            # The shortest request, with the shortest answer, is the most likely to get through.
            self._send(Kind.CLASSES, range(0), job, probe=True)
            if not self._known:
                self.transport.write(OLD_HELLO)
            return False
        if not self._known and (version := old_version(packet)):
            raise LinkError(
                f"The device at {self.transport} speaks version {version} of the protocol, this host version "
                f"{VERSION}: build its bitstream again."
            )
        sent = self._under_way.get(packet.number)
        if sent and sent.refused_by(packet):
            raise LinkError(self._nothing_loaded())
        if sent is None or not sent.answered_by(packet):
            return False
        lost = self._settle(packet.number, job)
        if sent.frames:
            job.answers[sent.frames.start : sent.frames.stop] = np.frombuffer(packet.payload, np.uint8).reshape(
                len(sent.frames), sent.unit
            )
            self._silent = 0
        elif lost:
            self._fruitless("takes no frames")
        if sent.kind == Kind.HELLO:
            self._recognise(packet.payload, loads=job.kind.loads)
        self._wait_anew()
        asked = any(one.frames for one in self._under_way.values())
        return sent.kind == Kind.HELLO and not job.todo and not asked

    def _settle(self, number: int, job: _Job) -> int:
        """Remove an answered request, and those before it, which are lost; returns how many frames these asked about.

        Lost requests are sent again in halves: on a bad link, short packets get through where long ones do not.
        """
        lost: list[range] = []
        for earlier in list(self._under_way):
            sent = self._under_way.pop(earlier)
            if earlier == number:
                break
            self.lost += 1
            # The device may have taken a piece of an image; then it must see the same one again.
            middle = len(sent.frames) if sent.kind.loads else (len(sent.frames) + 1) // 2
            lost += [half for half in (sent.frames[:middle], sent.frames[middle:]) if half]
        job.todo.extendleft(reversed(lost))
        return sum(map(len, lost))

    def _recognise(self, payload: bytes, *, loads: bool) -> None:
        """Check that the identity is the same as before the job; only its parameters change, if the job loads some."""
        identity = Identity.from_bytes(payload)
        known = self._known
        if known and replace(identity, parameters=known.parameters) != known:
            raise LinkError(
                f"A different accelerator answers than before: one of network {identity.digest.hex()}, "
                f"not {known.digest.hex()}."
            )
        if known and identity != known and not loads:
            if identity.weights:
                raise LinkError(self._nothing_loaded())
            raise LinkError(f"The device at {self.transport} holds other parameters than before.")
        self._known = self.identity = identity

    def _nothing_loaded(self) -> str:
        """Why there are no answers about frames, and what to do."""
        if self._known and self._known.weights:
            return (
                f"The device at {self.transport} has no weights in its memory: name its build folder (--network, in "
                "Python network=), from which they are loaded, or load its weights.bin with bitweir load."
            )
        return f"The device at {self.transport} has no parameters: load some with bitweir load."

    def _fruitless(self, problem: str) -> None:
        self._silent += 1
        if self._silent > self.rounds:
            raise LinkError(
                f"The device at {self.transport} {problem}: {self._silent} attempts in a row had no answer."
            )


def frames_per_request(capacity: int, frame_bytes: int, unit: int) -> int:
    """The number of frames in a request, so that most of the wire carries frames and several requests are under way.

    Parameters
    ----------
    capacity : int
        Bytes of requests that the device can hold.
    frame_bytes, unit : int
        Bytes of a frame, and for each in the answer.

    Raises
    ------
    LinkError
        The device has no room for one frame.
    """
    if HEADER.size + frame_bytes > capacity:
        raise LinkError(
            f"The device has room for {capacity:,} bytes, but a request of one frame takes "
            f"{HEADER.size + frame_bytes:,}."
        )
    wanted = max(capacity // _PARTS - HEADER.size, min(capacity // 2 - HEADER.size, _WORTHWHILE_BYTES))
    by_room = min(wanted, _ENOUGH_BYTES) // frame_bytes
    by_answers = HOST_BUFFER // _PARTS // unit
    return max(1, min(by_room, by_answers, (1 << 16) - 1))
