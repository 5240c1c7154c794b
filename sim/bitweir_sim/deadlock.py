"""A certificate that an accelerator never jams, and its checker, which shares nothing with the timing or the sizing.

A certificate tells the state of all blocks between two frames. The checker replays one frame from reset to that state,
and one more from it, and finds it again, with each beat of the input taken and each of the output given. So by
induction it is found behind each frame, for ever.

The replay knows no time: a block acts as soon as it may, in any order. That says enough of all times and stalls, as
each stream has one block that gives and one that takes: what a block may do, it may still do after any other block has
done something, with the same result. So all runs of the same input reach the same end, and none stops before it
(confluence of persistent systems: Keller, "A fundamental theorem of asynchronous parallel computation", 1975; for
streams: Kahn, 1974). A stall, a latency or a slow memory delays what a block does, and changes nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from bitweir_hw.blocks import Buffered, Collect, Level
from bitweir_hw.blocks.pipeline import Node, Pipeline
from bitweir_hw.errors import PlanError

__all__ = ["Certificate", "JamError", "certificate", "check_certificate", "too_large"]

#: Beats of a frame on all streams, above which a replay takes minutes.
LARGEST = 3_000_000


class JamError(PlanError):
    """The accelerator jams."""


@dataclass(frozen=True)
class Certificate:
    """The state between two frames.

    Parameters
    ----------
    state : tuple of tuple of int
        Of each block, in the order of the pipeline.
    """

    state: tuple[tuple[int, ...], ...]


class _Buffer:
    """`machines.Buffered` without time: words held, steps made, slots in use, and results that may leave."""

    def __init__(self, machine: Buffered) -> None:
        self.machine, self.rows = machine, machine.programme.tolist()
        self.held, self.ahead, self.row, self.made = 0, -machine.start, 0, 0
        self.slots = self.came = self.left = 0

    def takes(self, input: int) -> bool:
        return self.held < self.machine.room

    def take(self, input: int) -> None:
        self.held, self.ahead = self.held + 1, self.ahead + 1
        self._go()

    def gives(self, output: int) -> bool:
        return self.came >= self.machine.batch or self.left > 0

    def give(self, output: int) -> None:
        # The slots of a batch are free again together.
        batch = self.machine.batch
        if not self.left:
            self.came, self.left = self.came - batch, batch
        self.left -= 1
        if not self.left:
            self.slots -= batch
            self._go()

    def _go(self) -> None:
        """Make all steps that can be made, whole runs of equal ones at once."""
        while self.ahead >= 0:
            steps, result, arrive, depart = self.rows[self.row]
            many = steps - self.made
            if arrive:
                many = min(many, self.ahead // arrive + 1)
            if result:
                many = min(many, self.machine.depth - self.slots)
            if not many:
                return
            self.held, self.ahead, self.made = self.held - many * depart, self.ahead - many * arrive, self.made + many
            self.slots, self.came = self.slots + many * result, self.came + many * result
            if self.made == steps:
                self.made, self.row = 0, (self.row + 1) % len(self.rows)

    def state(self) -> tuple[int, ...]:
        return self.held, self.ahead, self.row, self.made, self.slots, self.came, self.left


class _Collector:
    """`machines.Collect` without time."""

    def __init__(self, machine: Collect) -> None:
        self.depth, self.completes = machine.depth, machine.completes.tolist()
        self.beat = self.slots = 0

    def takes(self, input: int) -> bool:
        return self.slots < self.depth or not self.completes[self.beat]

    def take(self, input: int) -> None:
        self.slots += self.completes[self.beat]
        self.beat = (self.beat + 1) % len(self.completes)

    def gives(self, output: int) -> bool:
        return self.slots > 0

    def give(self, output: int) -> None:
        self.slots -= 1

    def state(self) -> tuple[int, ...]:
        return self.beat, self.slots


class _Levels:
    """`machines.Level` without time."""

    def __init__(self, machine: Level) -> None:
        self.machine, self.amounts = machine, machine.amounts.tolist()
        self.turns = None if machine.turns is None else machine.turns.tolist()
        self.levels, self.beat = [0] * machine.outputs, 0

    def takes(self, input: int) -> bool:
        return max(self.levels) <= self.machine.room and (self.turns is None or self.turns[self.beat] == input)

    def take(self, input: int) -> None:
        self.levels = [level + self.amounts[self.beat] for level in self.levels]
        self.beat = (self.beat + 1) % len(self.amounts)

    def gives(self, output: int) -> bool:
        return self.levels[output] >= self.machine.leave

    def give(self, output: int) -> None:
        self.levels[output] -= self.machine.leave

    def state(self) -> tuple[int, ...]:
        return (*self.levels, self.beat)


_Block = _Buffer | _Collector | _Levels


def _block(node: Node) -> _Block:
    match node.block.machine:
        case Buffered() as machine:
            return _Buffer(machine)
        case Collect() as machine:
            return _Collector(machine)
        case Level() as machine:
            return _Levels(machine)


class _Replay:
    """A pipeline without time; the source has given so many beats, and the sink has taken so many."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline, self.blocks = pipeline, [_block(node) for node in pipeline.nodes]
        self.maker = {
            stream: (at, n) for at, node in enumerate(pipeline.nodes) for n, stream in enumerate(node.outputs)
        }
        self.taker = {stream: at for at, node in enumerate(pipeline.nodes) for stream in node.inputs}
        self.source = self.sink = 0

    def frame(self) -> None:
        """Offer a frame, and let all blocks act until none can."""
        self.source += self.pipeline.input.beats
        waiting = set(range(len(self.blocks) + 1))
        while waiting:
            # The last one is the sink.
            at = waiting.pop()
            for stream in self._acts(at):
                made = self.maker.get(stream)
                waiting |= {at, *([made[0]] if made else [])}
                waiting |= {self.taker.get(out, len(self.blocks)) for out in self._outputs(at)}

    def _outputs(self, at: int) -> Iterable[int]:
        return self.pipeline.nodes[at].outputs if at < len(self.blocks) else ()

    def _acts(self, at: int) -> list[int]:
        """Let a block take what it can, once from each input; returns the streams on which a beat has moved."""
        if at == len(self.blocks):
            streams = [len(self.pipeline.streams) - 1]
            moved = [stream for stream in streams if self._offered(stream)]
            self.sink += len(moved)
        else:
            block, inputs = self.blocks[at], self.pipeline.nodes[at].inputs
            ready = [n for n in range(len(inputs)) if block.takes(n)]
            # A beat of all that are ready, or of none.
            moved = [inputs[n] for n in ready] if all(self._offered(inputs[n]) for n in ready) else []
            if moved:
                block.take(ready[0])
        for stream in moved:
            if stream in self.maker:
                maker, output = self.maker[stream]
                self.blocks[maker].give(output)
            else:
                self.source -= 1
        return moved

    def _offered(self, stream: int) -> bool:
        if stream not in self.maker:
            return self.source > 0
        maker, output = self.maker[stream]
        return self.blocks[maker].gives(output)

    def whole(self, frames: int) -> bool:
        """Whether so many frames have come in and gone out, to the beat."""
        return not self.source and self.sink == frames * self.pipeline.output.beats

    def state(self) -> tuple[tuple[int, ...], ...]:
        return tuple(block.state() for block in self.blocks)


def too_large(pipeline: Pipeline) -> str | None:
    """Why a pipeline gets no certificate, as a sentence; None where it gets one."""
    beats = sum(stream.beats for stream in pipeline.streams)
    if beats <= LARGEST:
        return None
    return f"A frame has {beats:,} beats on all streams, more than {LARGEST:,}: too many for a certificate."


def certificate(pipeline: Pipeline) -> Certificate:
    """The certificate of a pipeline, with the depths that its FIFOs have.

    Raises
    ------
    JamError
        It jams.
    PlanError
        It is too large for a replay.
    """
    states = list(_replayed(pipeline))
    if states[0] != states[1]:
        raise PlanError("The state behind the first frame is not the one behind the second.")
    return Certificate(states[0])


def check_certificate(pipeline: Pipeline, found: Certificate) -> None:
    """Check that a certificate is one of this pipeline.

    Raises
    ------
    JamError
        The pipeline jams.
    PlanError
        It is not, or the pipeline is too large for a replay.
    """
    for frame, state in enumerate(_replayed(pipeline), start=1):
        if state != found.state:
            raise PlanError(f"The certificate does not tell the state behind frame {frame}.")


def _replayed(pipeline: Pipeline) -> Iterator[tuple[tuple[int, ...], ...]]:
    """The states behind the first two frames, each of which has come in and gone out."""
    if told := too_large(pipeline):
        raise PlanError(told)
    replay = _Replay(pipeline)
    for frame in (1, 2):
        replay.frame()
        if not replay.whole(frame):
            raise JamError(f"The accelerator jams in frame {frame}: not all beats of its result come.")
        yield replay.state()
