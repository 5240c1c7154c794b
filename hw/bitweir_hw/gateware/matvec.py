"""The matrix-vector-threshold unit: M neurons by K inputs, folded to P elements of S inputs."""

from __future__ import annotations

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ..blocks import MatVecSpec
from .credits import CreditedOutput
from .fifo import following
from .pe import ProcessingElements
from .rom import Rom

__all__ = ["MatVec"]


class MatVec(wiring.Component):
    """Multiplies each vector with the weights; hands on thresholded bits or accumulators.

    Input beats are words of S bits, output beats P neurons. A vector is kept in a buffer and
    replayed for each group of P neurons, while the next one loads beside it. The datapath never
    stalls: the last word of a group is issued only when the output has a place for the result.

    | property          | formula                                                                |
    |-------------------|------------------------------------------------------------------------|
    | cycles a vector   | ``neuron_folds * synapse_folds`` = ceil(M/P) * ceil(K/S)               |
    | latency           | input beat, 1 cycle, issue, ``spec.latency``, write, 1 cycle, output   |
    | weight memory     | ``cycles`` words of P*S bits                                           |
    | input buffer      | ``buffer_words`` words of S bits                                       |
    | popcount          | P times S lanes, see `pe`                                              |

    The input may carry anything in the lanes that pad the last word of a vector.

    Members
    -------
    i : In(stream.Signature(S))
    o : Out(stream.Signature(P * o_lane_bits))
        The last beat of a vector is padded with zeros.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, spec: MatVecSpec) -> None:
        self.spec = spec
        super().__init__({"i": In(stream.Signature(spec.i_bits)), "o": Out(stream.Signature(spec.o_bits))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        stages = spec.popcount.stages(spec.simd)
        m.submodules.elements = elements = ProcessingElements(
            pe=spec.pe, simd=spec.simd, width=spec.acc_bits, popcount=spec.popcount
        )
        m.submodules.output = output = CreditedOutput(width=spec.o_bits, depth=spec.fifo_depth)
        wiring.connect(m, output.o, wiring.flipped(self.o))

        # Issue: which word of which group, and whether it may go.
        word = Signal(range(spec.synapse_folds))
        group = Signal(range(spec.neuron_folds))
        issue, first, last = Signal(), Signal(), Signal()
        first_group, last_group = Signal(), Signal()
        arrived = self._buffer(m, elements.x, issue, last, first_group, last_group)
        m.d.comb += [
            first.eq(word == 0),
            last.eq(word == spec.synapse_folds - 1),
            first_group.eq(group == 0),
            last_group.eq(group == spec.neuron_folds - 1),
            # A word must have arrived for the first group; the other groups replay it.
            issue.eq((arrived | ~first_group) & (output.free | ~last)),
            output.start.eq(issue & last),
        ]
        with m.If(issue):
            m.d.sync += word.eq(following(word, spec.synapse_folds))
            with m.If(last):
                m.d.sync += group.eq(following(group, spec.neuron_folds))

        m.submodules.weights = weights = Rom(words=spec.weight_words(), width=spec.lanes)
        m.d.comb += [weights.step.eq(issue), elements.w.eq(weights.data)]

        # What is known of a word at its issue travels beside its popcount.
        marks = [Cat(issue, first, last, last_group)]
        for stage in range(1 + stages):
            marks.append(Signal(4, name=f"marks_{stage}"))
            m.d.sync += marks[-1].eq(marks[-2])
        valid, first, last, last_group = marks[-1]
        m.submodules.presets = presets = Rom(words=spec.preset_words(), width=spec.pe * spec.acc_bits)
        m.d.comb += [
            # One cycle ahead: the memory answers in the next.
            presets.step.eq(marks[-2][0] & marks[-2][1]),
            elements.valid.eq(valid),
            elements.first.eq(first),
            elements.preset.eq(presets.data),
        ]

        done, ends = Signal(), Signal()
        m.d.sync += [done.eq(valid & last), ends.eq(last_group)]
        m.d.comb += [output.done.eq(done), output.result.eq(self._result(elements.acc, ends))]
        return m

    def _result(self, acc: Signal, ends: Signal) -> Value:
        """The output beat; `ends` marks the last one of a vector."""
        spec = self.spec
        accumulators = [acc.word_select(p, spec.acc_bits) for p in range(spec.pe)]
        if spec.threshold:
            return Cat(~value[-1] for value in accumulators)
        values = [Cat(Const(int(spec.odd), 1), value) for value in accumulators]
        for p in range(spec.rows - (spec.neuron_folds - 1) * spec.pe, spec.pe):
            values[p] = Mux(ends, 0, values[p])
        return Cat(*values)

    def _buffer(
        self, m: Module, x: Signal, issue: Signal, last: Signal, first_group: Signal, last_group: Signal
    ) -> Signal:
        """Build the input buffer; `x` becomes the word issued one cycle before.

        Returns
        -------
        Signal
            The next word has arrived.
        """
        spec = self.spec
        words, length = spec.buffer_words, spec.synapse_folds
        m.submodules.buffer = store = memory.Memory(shape=spec.simd, depth=words, init=[])
        write, read = store.write_port(), store.read_port()
        held, unread = Signal(range(words + 1)), Signal(range(words + 1))
        w_at, r_at, base = Signal(range(words)), Signal(range(words)), Signal(range(words))
        w_word = Signal(range(length))
        take, arrived = Signal(), Signal()
        kept = spec.columns - (length - 1) * spec.simd
        m.d.comb += [
            arrived.eq(unread != 0),
            self.i.ready.eq(held != words),
            take.eq(self.i.valid & self.i.ready),
            write.en.eq(take),
            write.addr.eq(w_at),
            # Padding must not count, whatever the stream carries there.
            write.data.eq(Mux(w_word == length - 1, self.i.payload[:kept], self.i.payload)),
            read.en.eq(1),
            read.addr.eq(r_at),
            x.eq(read.data),
        ]
        with m.If(take):
            m.d.sync += [w_at.eq(following(w_at, words)), w_word.eq(following(w_word, length))]
        with m.If(issue):
            with m.If(last & ~last_group):
                m.d.sync += r_at.eq(base)
            with m.Else():
                m.d.sync += r_at.eq(following(r_at, words))
            with m.If(last & last_group):
                m.d.sync += base.eq(Mux(base == 0, length % words, 0))
        # A word is new in the first group and free again after the last.
        m.d.sync += [
            held.eq(held + take - (issue & last_group)),
            unread.eq(unread + take - (issue & first_group)),
        ]
        return arrived
