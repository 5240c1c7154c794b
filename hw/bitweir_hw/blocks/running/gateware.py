"""The largest element of each window along one axis."""

from __future__ import annotations

from dataclasses import dataclass

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ...gateware.counters import counter
from ...gateware.credits import CreditedOutput
from ...gateware.stages import delayed, held
from ...gateware.values import elements
from .spec import RunningMaxSpec

__all__ = ["RunningMax"]


@dataclass(frozen=True, kw_only=True)
class _Place:
    """What is known of the beat that is due. From registers.

    Parameters
    ----------
    fresh : Value
        No window that it belongs to has begun before its place.
    restarts : Value
        A window begins with its place, and perhaps another one ends.
    completes : Value
        A window ends with its place.
    least : list of Value
        Of each lane, whether the least is wanted.
    at, next_at : Value
        Address of its partial result, and of that of the next beat.
    """

    fresh: Value
    restarts: Value
    completes: Value
    least: list[Value]
    at: Value
    next_at: Value


class RunningMax(wiring.Component):
    """Combines the elements of each window along one axis, channel by channel, as they arrive.

    The partial result of a window waits in a memory, at one word for each word of a place. Where a place ends a window
    and begins the next one, its result leaves, and its own elements take the place of the partial result.

    | property          | formula                                                              |
    |-------------------|----------------------------------------------------------------------|
    | cycles a frame    | ``lines * places * words``                                           |
    | latency           | 1 cycle from the beat that completes a window, and ``spec.latency``  |
    | ready             | a place of ``fifo_depth`` is free, or the beat completes no window   |
    | memory            | ``words`` words of a result; one: a register                         |
    | resources         | for each lane and frame a comparator and two multiplexers, or a LUT  |

    Members
    -------
    i : In(stream.Signature(lanes * parallel_frames * lane_bits))
    o : Out(stream.Signature(lanes * parallel_frames * lane_bits))
        Elements of the same format.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, spec: RunningMaxSpec) -> None:
        self.spec = spec
        super().__init__({"i": In(stream.Signature(spec.i_bits)), "o": Out(stream.Signature(spec.o_bits))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        m.submodules.output = output = CreditedOutput(width=spec.o_bits, depth=spec.fifo_depth)
        wiring.connect(m, output.o, wiring.flipped(self.o))
        take = Signal()
        place = self._place(m, take)
        taken: Value = take
        kept = Signal(spec.o_bits)
        partial = Signal(spec.o_bits)
        least = [flag for flag in place.least for _ in range(spec.parallel_frames)]
        element: Value = self.i.payload
        wins: Value = Cat(
            place.fresh | self._wins(*values)
            for values in zip(elements(element, spec.lane_bits), elements(partial, spec.lane_bits), least, strict=True)
        )
        done: Value = take & place.completes
        old: Value = partial
        at, restarts = place.at, place.restarts
        if spec.split:
            taken, done = delayed(m, take, 1), delayed(m, done, 1)
            wins, element, old, at, restarts = (held(m, value) for value in (wins, element, old, at, restarts))
        if spec.is_or:
            shared = zip(element, partial, least, strict=True)
            combined: Value = Cat(
                Mux(flag, bit & (other | place.fresh), bit | (other & ~place.fresh)) for bit, other, flag in shared
            )
        else:
            pairs = zip(elements(element, spec.lane_bits), elements(old, spec.lane_bits), wins, strict=True)
            combined = Cat(Mux(win, new, other) for new, other, win in pairs)
        m.d.comb += [
            self.i.ready.eq(output.free | ~place.completes),
            take.eq(self.i.valid & (output.free | ~place.completes)),
            output.start.eq(self.i.valid & output.free & place.completes),
            kept.eq(Mux(restarts, element, combined)),
            partial.eq(self._partial(m, take, taken, at, place.next_at, kept)),
        ]
        later = spec.latency - spec.split
        m.d.comb += [
            output.done.eq(delayed(m, done, later)),
            output.result.eq(held(m, combined) if later else combined),
        ]
        return m

    def _wins(self, element: Value, partial: Value, least: Value) -> Value:
        """Whether an element takes the place of the partial result of its lane."""
        if self.spec.format is None:
            # Counted from the lowest number up.
            element, partial = (Cat(value[:-1], ~value[-1]) for value in (element, partial))
        # The sign of a difference is a carry and no more.
        return (partial - element)[-1] ^ least

    def _partial(self, m: Module, take: Value, taken: Value, at: Value, next_at: Value, kept: Value) -> Value:
        """The partial result of the beat that is due; `kept` takes the place of that of the beat `taken`."""
        spec = self.spec
        if spec.words == 1:
            register = Signal(spec.o_bits, name="register", reset_less=True)
            with m.If(taken):
                m.d.sync += register.eq(kept)
            return register
        m.submodules.memory = store = memory.Memory(
            shape=spec.o_bits, depth=spec.words, init=[], attrs={"ram_style": "block"} if spec.partial.block else {}
        )
        write, read = store.write_port(), store.read_port()
        m.d.comb += [
            write.en.eq(taken),
            write.addr.eq(at),
            write.data.eq(kept),
            # What the next beat needs is read as this one is taken, and stays until that is taken.
            read.en.eq(take),
            read.addr.eq(next_at),
        ]
        return read.data

    def _place(self, m: Module, take: Signal) -> _Place:
        """Count words and places; flags of a place are computed with the last word of the one before."""
        spec = self.spec
        before, stride = spec.pads[0], spec.stride
        at, last_word = counter(m, "word", take, spec.words)
        next_at, _ = counter(m, "next_word", take, spec.words, init=1 % spec.words)
        step = Signal()
        m.d.comb += step.eq(take & last_word)
        number, last = counter(m, "place", step, spec.places)
        phase, following = (Signal(range(stride), name=name, init=before) for name in ("phase", "next_phase"))
        m.d.comb += following.eq(Mux(last, before, Mux(phase == stride - 1, 0, phase + 1)))
        ends = spec.ends
        completes = Signal(init=int(ends[0]))
        begins = following == 0
        ended = following == (spec.kernel - 1) % stride
        if spec.places > 1 and (spec.places - 1 + before - spec.kernel + 1) % stride and ends[-1]:
            # The last window is cut off.
            ended |= number == spec.places - 2
        fresh = Signal(init=1)
        with m.If(step):
            m.d.sync += [
                phase.eq(following),
                completes.eq(Mux(last, int(ends[0]), ended)),
                fresh.eq(last if spec.overlaps else last | begins),
            ]
        restarts: Value = Const(0, 1)
        if spec.overlaps:
            # Where it is the first, it takes the place of all there is as it is.
            restarts = Const(1, 1)
            if stride > 1:
                restarts = Signal(name="restarts", init=before == 0)
                with m.If(step):
                    m.d.sync += restarts.eq(begins)
        return _Place(
            fresh=fresh, restarts=restarts, completes=completes, least=self._least(m, take), at=at, next_at=next_at
        )

    def _least(self, m: Module, take: Signal) -> list[Value]:
        """Of each lane, whether the least is wanted in the word that is due."""
        spec = self.spec
        if spec.least is None:
            return [Const(0, 1)] * spec.lanes
        word, _ = counter(m, "channel", take, len(spec.least), init=1 % len(spec.least))
        found: list[Value] = []
        for lane, column in enumerate(spec.least.T.tolist()):
            if len(set(column)) == 1:
                found.append(Const(int(column[0]), 1))
                continue
            flag = Signal(name=f"least_{lane}", init=int(column[0]))
            with m.If(take):
                m.d.sync += flag.eq(
                    Const(sum(one << n for n, one in enumerate(column)), len(column)).bit_select(word, 1)
                )
            found.append(flag)
        return found
