"""The matrix-vector-threshold unit: M neurons by K inputs, folded to P elements of S inputs."""

from __future__ import annotations

from collections.abc import Sequence

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import memory, stream, wiring
from amaranth.lib.wiring import In, Out

from ...gateware.credits import CreditedOutput
from ...gateware.fifo import wrap_increment
from ...gateware.loading import chain_ports, pass_on
from ...gateware.rom import ClassRom, Rom
from ...memory import is_block
from ...popcount.elements import ProcessingElements
from .spec import MatVecSpec

__all__ = ["MatVec"]


class MatVec(wiring.Component):
    """Multiplies each vector with the weights; hands on thresholded bits or accumulators.

    Input beats are words of S elements, output beats P neurons. A vector is kept in a buffer and
    replayed for each group of P neurons, while the next one loads beside it. The datapath never
    stalls: the last word of a group is issued only when the output has a place for the result.
    The G vectors of a pixel differ in nothing but their weights and presets, which follow each other
    in their memories. V frames go side by side through V copies of the datapath.

    | property          | formula                                                                |
    |-------------------|------------------------------------------------------------------------|
    | cycles a vector   | ``fold`` = ``neuron_folds * synapse_folds`` = ceil(M/P) * ceil(K/S)    |
    | latency           | input beat, 1 cycle, issue, ``spec.latency``, write, 1 cycle, output   |
    | registers         | one behind the memories, where one of them is block RAM                |
    | weight memory     | ``G * fold`` words of P*S times the planes of a weight                 |
    | preset memory     | ``classes * G * neuron_folds`` words of P accumulators                 |
    | input buffer      | ``buffer_words`` words of Q*S*B*V bits                                 |
    | sums              | P*V dot products of S lanes, see `pe`                                  |

    A beat has a word of each of the Q parts of a vector; a word of S elements goes to the P/Q elements of its part.

    The input may carry anything in the lanes that pad the last word of a vector. Where `spec.runtime_loadable` says so,
    weights and presets come through a chain of bytes, weights first; see `loading`.

    Members
    -------
    i : In(stream.Signature(Q * S * V * B))
        Lane s of frame v has the bits from ``(s * V + v) * B`` on; lanes are those of the vector, in its order.
    o : Out(stream.Signature(P * V * o_lane_bits))
        Element p of frame v likewise; the last beat of a vector is padded with zeros.
    load : In(loading.CHAIN)
    on : Out(loading.CHAIN)
        Where they are loaded.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(self, spec: MatVecSpec) -> None:
        self.spec = spec
        ports = {"i": In(stream.Signature(spec.i_bits)), "o": Out(stream.Signature(spec.o_bits))}
        super().__init__({**ports, **(chain_ports() if spec.runtime_loadable else {})})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        m.submodules.elements = elements = ProcessingElements(
            pe=spec.pe, dot=spec.dot, width=spec.acc_bits, popcount=spec.popcount,
            parallel_frames=spec.parallel_frames, parts=spec.parts,
        )  # fmt: skip
        m.submodules.output = output = CreditedOutput(width=spec.o_bits, depth=spec.fifo_depth)
        wiring.connect(m, output.o, wiring.flipped(self.o))

        # Issue: which word of which group, and whether it may go.
        word = Signal(range(spec.synapse_folds))
        group = Signal(range(spec.neuron_folds))
        issue, first, last = Signal(), Signal(), Signal()
        first_group, last_group = Signal(), Signal()
        x = Signal(spec.i_bits)
        arrived = self._buffer(m, x, issue, last, first_group, last_group)
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
            m.d.sync += word.eq(wrap_increment(word, spec.synapse_folds))
            with m.If(last):
                m.d.sync += group.eq(wrap_increment(group, spec.neuron_folds))

        loaded = spec.runtime_loadable is not None
        words: Sequence[int] = range(spec.sources[0].depth) if loaded else spec.weight_words()
        m.submodules.weights = weights = Rom(words=words, width=spec.weight_width, style=spec.memory, loaded=loaded)
        m.d.comb += weights.step.eq(issue)

        def behind(name: str, data: Value) -> Value:
            # A block RAM answers late in its cycle: nothing but a register may follow. Without a reset the register
            # can be the one in the block RAM.
            if not spec.memory_stage:
                return data
            later = Signal(len(data), name=name, reset_less=True)
            m.d.sync += later.eq(data)
            return later

        m.d.comb += [elements.x.eq(behind("x_read", x)), elements.w.eq(behind("weights_read", weights.data))]

        # What is known of a word at its issue travels beside its sum.
        marks = [Cat(issue, first, last, last_group)]
        for stage in range(1 + spec.memory_stage + spec.dot.stages(spec.popcount)):
            marks.append(Signal(4, name=f"marks_{stage}"))
            m.d.sync += marks[-1].eq(marks[-2])
        valid, first, last, last_group = marks[-1]
        m.submodules.presets = presets = self._presets(loaded)
        if loaded:
            pass_on(m, self, [weights, presets])
        # As many cycles ahead as the memory takes to answer.
        m.d.comb += elements.preset.eq(behind("presets_read", presets.data))
        ahead = marks[-2 - spec.memory_stage]
        m.d.comb += [
            presets.step.eq(ahead[0] & ahead[1]),
            elements.valid.eq(valid),
            elements.first.eq(first),
        ]

        done, ends = Signal(), Signal()
        m.d.sync += [done.eq(valid & last), ends.eq(last_group)]
        m.d.comb += [output.done.eq(done), output.result.eq(self._result(elements.acc, ends))]
        return m

    def _by_part(self, word: Value) -> Value:
        """The elements of a beat, those of the first part first."""
        spec = self.spec
        if spec.parts == 1:
            return word
        runs = range(spec.simd // spec.run)
        bits = spec.run * spec.parallel_frames * spec.lane_bits
        return Cat(word.word_select(run * spec.parts + part, bits) for part in range(spec.parts) for run in runs)

    def _presets(self, loaded: bool) -> Rom:
        spec = self.spec
        words: Sequence[int] = range(spec.sources[1].depth) if loaded else spec.preset_words()
        width = spec.pe * spec.acc_bits
        if len(spec.initial_accumulators) == 1:
            return Rom(words=words, width=width, loaded=loaded)
        return ClassRom(words=words, width=width, rows=spec.row_classes, columns=spec.column_classes, loaded=loaded)

    def _result(self, acc: Signal, ends: Signal) -> Value:
        """The output beat; `ends` marks the last one of a vector."""
        spec = self.spec
        values: list[Value] = []
        for n in range(spec.pe * spec.parallel_frames):
            value = acc.word_select(n, spec.acc_bits)
            value = ~value[-1] if spec.threshold else Cat(Const(spec.low, spec.shift), value)
            if n // spec.parallel_frames >= spec.rows - (spec.neuron_folds - 1) * spec.pe:
                value = Mux(ends, 0, value)
            values.append(value)
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
        # Left to itself, a small one becomes LUT RAM, and block RAM where a family has no LUT RAM.
        attrs = {"ram_style": "block"} if is_block(words, spec.i_bits) else {}
        m.submodules.buffer = store = memory.Memory(shape=spec.i_bits, depth=words, init=[], attrs=attrs)
        write, read = store.write_port(), store.read_port()
        held, unread = Signal(range(words + 1)), Signal(range(words + 1))
        w_at, r_at, base = Signal(range(words)), Signal(range(words)), Signal(range(words))
        w_word = Signal(range(length))
        take, arrived = Signal(), Signal()
        kept = (spec.columns - (length - 1) * spec.simd) * spec.parts * spec.parallel_frames * spec.lane_bits
        # Numbers in two's complement, counted from the lowest one up.
        flips = ((1 << spec.i_bits) - 1) // ((1 << spec.lane_bits) - 1) << (spec.lane_bits - 1)
        arriving = self.i.payload ^ flips if spec.flip else self.i.payload
        m.d.comb += [
            arrived.eq(unread != 0),
            self.i.ready.eq(held != words),
            take.eq(self.i.valid & self.i.ready),
            write.en.eq(take),
            write.addr.eq(w_at),
            # Padding must not count, whatever the stream carries there.
            write.data.eq(Mux(w_word == length - 1, arriving[:kept], arriving)),
            read.en.eq(1),
            read.addr.eq(r_at),
            x.eq(self._by_part(read.data)),
        ]
        with m.If(take):
            m.d.sync += [w_at.eq(wrap_increment(w_at, words)), w_word.eq(wrap_increment(w_word, length))]
        with m.If(issue):
            with m.If(last & ~last_group):
                m.d.sync += r_at.eq(base)
            with m.Else():
                m.d.sync += r_at.eq(wrap_increment(r_at, words))
            with m.If(last & last_group):
                m.d.sync += base.eq(Mux(base == 0, length % words, 0))
        # A word is new in the first group and free again after the last.
        m.d.sync += [
            held.eq(held + take - (issue & last_group)),
            unread.eq(unread + take - (issue & first_group)),
        ]
        return arrived
