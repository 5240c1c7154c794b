"""The host, two wires and a device, and what may happen to them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from bitweir_hw.link.protocol import NUMBER_BITS

from .host import Answer, Host, Job, Request, Sizes

__all__ = ["Faults", "State", "System"]

#: The number of a packet that no request under way has, and no later one will have.
_STALE = -1


class State(NamedTuple):
    """The state of all.

    Parameters
    ----------
    host : Host
    up, down : tuple
        Packets on the wires, the first to arrive first.
    device : tuple of Request
        Taken and not answered.
    late_up, late_down : tuple
        Copies that something holds back, for however long.
    which : int
        The device that is there.
    """

    host: Host
    up: tuple[Request, ...] = ()
    down: tuple[Answer, ...] = ()
    device: tuple[Request, ...] = ()
    late_up: tuple[Request, ...] = ()
    late_down: tuple[Answer, ...] = ()
    which: int = 0


@dataclass(frozen=True)
class Faults:
    """What may go wrong; a damaged packet is a lost one, as its checksum is wrong.

    Parameters
    ----------
    lose, reset, exchange, restart, interrupt : bool
        Packets are lost; the device is reset, once replaced by another one; the host's program ends, and another one
        begins; a call is interrupted, and the next one begins.
    late : int
        Copies of packets that may be held back at once on each way: these come twice, or late and out of order.
    hasty : bool
        The host asks again although the answer is only slow.
    """

    lose: bool = False
    reset: bool = False
    exchange: bool = False
    restart: bool = False
    interrupt: bool = False
    late: int = 0
    hasty: bool = False


@dataclass(frozen=True)
class System:
    """All that is fixed.

    Parameters
    ----------
    jobs : tuple of Job
        The calls, one after the other; before the first one, the client connects.
    sizes : Sizes
    numbers : int
        Numbers that requests have, round and round.
    most : int
        Packets on a wire at most: the host does not ask again too early while there are as many, nor does another
        program begin; and the device waits with an answer while there are more.
    rounds : int
        Attempts in a row without an answer that go wrong at most. A client gives up after so many, with an error; here,
        what goes wrong ends before.
    """

    jobs: tuple[Job, ...]
    sizes: Sizes
    numbers: int = 1 << NUMBER_BITS
    most: int = 3
    rounds: int = 2

    @property
    def fresh(self) -> bool:
        """Whether no number ever comes twice; then a state tells only which of the numbers are under way."""
        return self.numbers == 1 << NUMBER_BITS

    def job(self, host: Host) -> Job:
        """The call that the host is in; the first one connects."""
        return self.jobs[host.jobs - 1] if host.jobs else Job(())

    def start(self, number: int = 0) -> State:
        """A program begins, and sends its first hello."""
        return self._filled(State(Host(0, (), (), number, (), over=True).begin(0, Job(()))))

    def finished(self, state: State) -> bool:
        """Whether all calls have ended, or there was an error."""
        return state.host.failed or (state.host.over and state.host.jobs == len(self.jobs))

    def wrong(self, state: State) -> str:
        """What is wrong with the answers that the host has; empty if nothing is."""
        host, frames = state.host, self.job(state.host).frames
        for at, answer in enumerate(host.answers):
            if answer and answer[0] != frames[at]:
                return f"frame {frames[at]} has the answer to frame {answer[0]}"
            if answer and host.over and answer[1] != host.known:
                return f"frame {frames[at]} has an answer of another device"
            if host.over and not answer:
                return f"frame {frames[at]} has no answer"
        return ""

    def steps(self, state: State) -> Iterator[tuple[str, State]]:
        """What may happen without a fault."""
        host = state.host
        if host.failed:
            return
        if state.up:
            yield "arrive", self.arrive(state)
        if state.device and len(state.down) <= self.most:
            yield "answer", self.answer(state)
        if state.down:
            yield "receive", self.receive(state)
        if host.over:
            if host.jobs < len(self.jobs):
                yield "call", self._call(state)
        elif not (state.up or state.device or state.down):
            yield "timeout", self.timeout(state)

    def faults(self, state: State, faults: Faults) -> Iterator[tuple[str, State]]:
        """What may go wrong."""
        host = state.host
        if host.failed or host.silent > self.rounds:
            return
        if faults.hasty and not host.over and len(state.up) < self.most:
            yield "timeout too early", self.timeout(state)
        if faults.lose:
            for name in ("up", "down", "late_up", "late_down"):
                wire = getattr(state, name)
                for at in range(len(wire)):
                    yield f"lose {name} {at}", state._replace(**{name: wire[:at] + wire[at + 1 :]})
        if faults.late:
            yield from self._late(state, faults.late)
        if faults.reset and state.device:
            yield "reset", state._replace(device=())
        if faults.exchange and not state.which:
            yield "exchange", state._replace(device=(), which=1)
        room = len(state.up) + len(state.device) < self.most
        if faults.restart and host.jobs and room:
            for number in [host.number] if self.fresh else range(self.numbers):
                yield f"restart {number}", self.restart(state, number)
        if faults.interrupt and not host.over and host.jobs < len(self.jobs) and room:
            yield "interrupt", self._call(state)

    def canonical(self, state: State) -> State:
        """The state with the numbers that matter, if none ever comes twice: those under way, counted from 0.

        All other numbers are those of packets that the host drops, now and in all time to come. So such answers do
        nothing, and of such requests only their size counts.
        """
        if not self.fresh:
            return state
        host = state.host
        rank = {one.number: at for at, one in enumerate(host.sent)}
        sent = tuple(one._replace(number=at) for at, one in enumerate(host.sent))
        # More attempts than may go wrong are all the same.
        silent = min(host.silent, self.rounds + 1)

        def requests(wire: tuple[Request, ...]) -> tuple[Request, ...]:
            return tuple(
                one._replace(number=rank[one.number])
                if one.number in rank
                else Request(one.kind, _STALE, (0,) * len(one.frames))
                for one in wire
            )

        def answers(wire: tuple[Answer, ...]) -> tuple[Answer, ...]:
            return tuple(one._replace(number=rank[one.number]) for one in wire if one.number in rank)

        return State(
            host._replace(sent=sent, number=len(sent), silent=silent), requests(state.up), answers(state.down),
            requests(state.device), tuple(sorted(requests(state.late_up))), tuple(sorted(answers(state.late_down))),
            state.which,
        )  # fmt: skip

    # ---- single steps

    def arrive(self, state: State) -> State:
        """A request arrives: the device takes it, if it has room."""
        first, *rest = state.up
        held = sum(self.sizes.room(len(one.frames)) for one in state.device)
        fits = held + self.sizes.room(len(first.frames)) <= self.sizes.capacity
        return state._replace(up=tuple(rest), device=(*state.device, first) if fits else state.device)

    def answer(self, state: State) -> State:
        """The device answers the request that it took first."""
        first, *rest = state.device
        answer = Answer(first.kind, first.number, first.frames, state.which)
        return state._replace(device=tuple(rest), down=(*state.down, answer))

    def receive(self, state: State) -> State:
        """An answer comes; the host sends what there is room for then."""
        first, *rest = state.down
        state = state._replace(down=tuple(rest))
        return state if state.host.over else self._filled(state._replace(host=state.host.receive(first)))

    def timeout(self, state: State) -> State:
        """The host has waited for too long."""
        host, request = state.host.probe(self.job(state.host), self.numbers)
        return self._filled(state._replace(host=host, up=(*state.up, request)))

    def restart(self, state: State, number: int) -> State:
        """Another program begins, with the calls from the first one on; it knows no device."""
        begun = self.start(number)
        return state._replace(host=begun.host, up=state.up + begun.up)

    def _call(self, state: State) -> State:
        jobs = state.host.jobs + 1
        return self._filled(state._replace(host=state.host.begin(jobs, self.jobs[jobs - 1])))

    def _filled(self, state: State) -> State:
        if state.host.over or state.host.failed:
            return state
        host, out = state.host.fill(self.job(state.host), self.sizes, self.numbers)
        return state._replace(host=host, up=state.up + out)

    def _late(self, state: State, most: int) -> Iterator[tuple[str, State]]:
        """Copies that are held back, and come before or behind all that is on the wire."""
        for name in ("up", "down"):
            wire, late = getattr(state, name), getattr(state, f"late_{name}")
            if len(late) < most:
                for at, one in enumerate(wire):
                    held: dict[str, Any] = {f"late_{name}": (*late, one)}
                    yield f"hold {name} {at}", state._replace(**held)
            if len(wire) <= self.most:
                for at, one in enumerate(late):
                    for place, after in (("first", (one, *wire)), ("last", (*wire, one))):
                        changes: dict[str, Any] = {name: after, f"late_{name}": late[:at] + late[at + 1 :]}
                        yield f"release {name} {at} {place}", state._replace(**changes)
