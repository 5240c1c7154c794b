"""The matrix-vector-threshold unit: M neurons by K inputs, folded to P elements of S inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from amaranth.hdl import Cat, Const, Module, Mux, Signal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ...gateware.counters import FillLevel, counter
from ...gateware.credits import CreditedOutput
from ...gateware.loading import chain_ports, pass_on
from ...gateware.ordered import OrderedOutput
from ...gateware.prefetch import Prefetch
from ...gateware.rom import ClassRom, Rom
from ...gateware.store import Store
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
    | registers         | ``memory_stage`` behind the memories, where one of them is block RAM   |
    | weight memory     | ``G * fold`` words of P*S times the planes of a weight; streamed, 16   |
    | preset memory     | ``classes * G * neuron_folds`` words of P accumulators, or             |
    |                   | ``riding_bits`` more in each word of weights and a register of a word  |
    | input buffer      | ``buffer_words`` words of Q*S*B*V bits                                 |
    | sums              | P*V dot products of S lanes, see `pe`                                  |

    A beat has a word of each of the Q parts of a vector; a word of S elements goes to the P/Q elements of its part.

    The input may carry anything in the lanes that pad the last word of a vector. Where `spec.runtime_loadable` says so,
    weights and presets come through a chain, weights first; see `loading`.

    Where they are streamed, each word of weights comes when its turn is: the words of a pixel in the order of
    `spec.weight_words`, for the first pixel after reset and again for each other. A step waits for its word. Some are
    taken ahead.

    Where M pixels share weights (`spec.shared_pixels`), each word is used for one of them after the other before the
    next one comes. The buffer holds the vectors of M pixels, twice; M accumulators take turns; and results, which come
    group by group, are put in order: see `ordered.OrderedOutput`. The cycles of a frame stay the same.

    Members
    -------
    i : In(stream.Signature(Q * S * V * B))
        Lane s of frame v has the bits from ``(s * V + v) * B`` on; lanes are those of the vector, in its order.
    o : Out(stream.Signature(P * V * o_lane_bits))
        Element p of frame v likewise; the last beat of a vector is padded with zeros.
    load : In(loading.chain_signature(spec.load_width))
    on : Out(loading.chain_signature(spec.load_width))
        Where they are loaded.
    weights : In(stream.Signature(weight_width))
        Where they are streamed.
    """

    i: stream.Interface
    o: stream.Interface
    weights: stream.Interface

    def __init__(self, spec: MatVecSpec) -> None:
        self.spec = spec
        ports = {"i": In(stream.Signature(spec.i_bits)), "o": Out(stream.Signature(spec.o_bits))}
        if spec.streamed:
            ports["weights"] = In(stream.Signature(spec.weight_width))
        super().__init__({**ports, **(chain_ports(spec.load_width) if spec.runtime_loadable else {})})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        spec = self.spec
        m.submodules.elements = elements = ProcessingElements(
            pe=spec.pe, dot=spec.dot, width=spec.acc_bits, popcount=spec.built,
            parallel_frames=spec.parallel_frames, parts=spec.parts, pixels=spec.shared_pixels,
        )  # fmt: skip
        m.submodules.output = output = self._output()
        wiring.connect(m, output.o, wiring.flipped(self.o))

        # Issue: which word of which group, and whether it may go. All that decides is registers.
        issue, ends, use, freed = Signal(), Signal(), Signal(), Signal()
        x = Signal(spec.i_bits)
        # Each word serves all pixels that share weights before the next one.
        shared, last_pixel = spec.shared_pixels > 1, counter(m, "pixel", issue, spec.shared_pixels)[1]
        next_word, next_group = (issue & last_pixel, ends & last_pixel) if shared else (issue, ends)
        _, last = counter(m, "word", next_word, spec.synapse_folds)
        _, last_group = counter(m, "group", next_group, spec.neuron_folds)
        first = self._first(m, next_word, last)
        first_group = self._first(m, next_group, last_group, name="first_group")
        if shared:
            r_at = self._read_pixels_at(m, issue, last_pixel, last, last_group)
        else:
            r_at = self._read_at(m, issue, ends, last, last_group)
        masked = Signal()
        arrived = self._buffer(m, x, masked, r_at, use, freed)
        weights = self._weights()
        # A step that ends a group needs a place for the result; where weights are streamed, each needs its word.
        may_go: Value = output.free | ~last
        may_end: Value = (arrived | ~first_group) & output.free & last
        if isinstance(weights, Prefetch):
            may_go, may_end = may_go & weights.some, may_end & weights.some
            wiring.connect(m, wiring.flipped(self.weights), weights.i)
            m.d.comb += weights.use.eq(next_word)
        if shared:
            # All pixels are there, or none.
            first_group = Const(1, 1)
            may_end = arrived & may_go & last
            m.d.comb += freed.eq(next_group & last_group)
        m.d.comb += [
            # A word must have arrived for the first group; the other groups replay it.
            issue.eq((arrived | ~first_group) & may_go),
            ends.eq(may_end),
            # A word is new in the first group and free again after the last.
            use.eq(arrived & first_group & may_go),
            *([] if shared else [freed.eq(use if spec.neuron_folds == 1 else last_group & may_go)]),
            output.start.eq(ends),
        ]
        m.submodules.weights = weights

        loaded = spec.runtime_loadable is not None
        m.d.comb += [elements.x.eq(x), elements.w.eq(self._masked(weights.data[: spec.weight_width], masked))]

        # What is known of a word at its issue travels beside its sum.
        marks = [Cat(issue, first, last, last_group, *([last_pixel] if shared else []))]
        for stage in range(1 + spec.memory_stage + spec.dot.stages(spec.popcount)):
            going = Signal(name=f"going_{stage}")
            told = Signal(len(marks[0]) - 1, name=f"marks_{stage}", reset_less=True)
            m.d.sync += Cat(going, told).eq(marks[-1])
            marks.append(Cat(going, told))
        valid, first, last, last_group, *_ = marks[-1]
        # A memory with fewer registers behind it than another is read later.
        due = marks[spec.memory_stage - weights.layout.registers]
        m.d.comb += weights.step.eq(due[0] & due[-1] if shared else due[0])
        m.d.comb += [elements.valid.eq(valid), elements.first.eq(first)]
        if spec.riding_bits:
            self._riding_presets(m, elements, weights.data[spec.weight_width :])
        else:
            m.submodules.presets = presets = self._presets(loaded)
            if loaded:
                pass_on(m, self, [weights, presets])
            m.d.comb += elements.preset.eq(presets.data)
            # As many cycles ahead as the memory takes to answer.
            ahead = -2 - presets.layout.registers
            if spec.dot.stages(spec.popcount):
                m.d.sync += presets.step.eq(self._next_preset(marks[ahead - 1]))
            else:
                m.d.comb += presets.step.eq(self._next_preset(marks[ahead]))

        done, ends = Signal(), Signal(reset_less=True)
        m.d.sync += [done.eq(valid & last), ends.eq(last_group)]
        m.d.comb += [output.done.eq(done), output.result.eq(self._result(elements.acc, ends))]
        return m

    def _masked(self, weights: Value, masked: Value) -> Value:
        """Weights, of which every second one is 0 and the others are 1 where the inputs are outside the map."""
        if not self.spec.masked:
            return weights
        ones = sum(1 << at for at in range(1, len(weights), 2))
        return Mux(masked, Const(ones, len(weights)), weights)

    def _weights(self) -> Rom | Prefetch:
        """Where words of weights come from."""
        spec, stored = self.spec, self.spec.stored_memory
        if spec.streamed:
            return Prefetch(width=stored.width, depth=stored.depth, room=spec.prefetched)
        loaded = spec.runtime_loadable is not None
        words: Sequence[int] = range(stored.depth) if loaded else spec.stored_words()
        return Rom(
            words=words, width=stored.width, style=spec.memory, loaded=loaded, load_width=spec.load_width,
            layout=stored.layout,
        )  # fmt: skip

    def _output(self) -> CreditedOutput | OrderedOutput:
        """Where results go."""
        spec = self.spec
        if spec.batch == 1:
            return CreditedOutput(width=spec.o_bits, depth=spec.fifo_depth)
        return OrderedOutput(width=spec.o_bits, pixels=spec.shared_pixels, each=spec.neuron_folds, batches=spec.batches)

    @staticmethod
    def _first(m: Module, step: Signal, last: Value, name: str = "first") -> Value:
        """Whether a counter that so steps, and so tells its last number, is at 0: from a register."""
        if isinstance(last, Const):
            return last
        first = Signal(name=name, init=1)
        with m.If(step):
            m.d.sync += first.eq(last)
        return first

    def _next_preset(self, mark: Value) -> Value:
        """Whether the next word of presets is due: with each first word, or with that of the last pixel."""
        begins = mark[0] & mark[1]
        once = self.spec.shared_pixels > 1 and not self.spec.presets_by_pixel
        return begins & mark[-1] if once else begins

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
        layout = spec.preset_memory.layout
        words: Sequence[int] = range(spec.sources[1].depth) if loaded else spec.preset_words()
        width = spec.pe * spec.acc_bits
        if len(spec.initial_accumulators) == 1:
            return Rom(words=words, width=width, loaded=loaded, load_width=spec.load_width, layout=layout)
        rows, columns = spec.row_classes, spec.preset_columns
        return ClassRom(
            words=words, width=width, rows=rows, columns=columns, loaded=loaded, load_width=spec.load_width,
            layout=layout,
        )  # fmt: skip

    def _riding_presets(self, m: Module, elements: ProcessingElements, part: Value) -> None:
        """Presets that came with the words of the group before, part by part; those of the first group with a reset."""
        spec = self.spec
        # A part arrives with its word at the accumulators, so that a pause changes nothing.
        for stage in range(spec.dot.stages(spec.popcount)):
            before, part = part, Signal(len(part), name=f"riding_{stage}", reset_less=True)
            m.d.sync += part.eq(before)
        first, places = spec.preset_words()[0], spec.preset_sources()
        start = sum((first >> bit & 1) << place for bit, place in enumerate(places) if place is not None)
        held = Signal(sum(place is not None for place in places), init=start, name="presets_held")
        with m.If(elements.valid):
            m.d.sync += held.eq(Cat(held, part)[len(part) :])
        m.d.comb += elements.preset.eq(
            Cat(Const(first >> bit & 1, 1) if place is None else held[place] for bit, place in enumerate(places))
        )

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

    def _buffer(self, m: Module, x: Signal, masked: Signal, r_at: Signal, use: Signal, freed: Signal) -> Value:
        """Build the input buffer; `x` becomes what stood at `r_at` ``1 + spec.memory_stage`` cycles before.

        `masked` becomes whether that was outside the map.

        Parameters
        ----------
        use, freed : Signal
            A word is issued for the first time, and for the last.

        Returns
        -------
        Value
            The next word has arrived.
        """
        spec = self.spec
        words, length = spec.buffer_words, spec.synapse_folds
        # Left to itself, a small one becomes LUT RAM, and block RAM where a family has no LUT RAM.
        attrs = {"ram_style": "block"} if spec.sources[2].block else {}
        layout = replace(spec.sources[2].layout, registers=spec.memory_stage)
        m.submodules.buffer = store = Store(depth=words, width=spec.sources[2].width, layout=layout, attrs=attrs)
        take = Signal()
        w_at, _ = counter(m, "w_at", take, words)
        _, w_last = counter(m, "w_word", take, length)
        kept = (spec.columns - (length - 1) * spec.simd) * spec.parts * spec.parallel_frames * spec.lane_bits
        # Numbers in two's complement, counted from the lowest one up.
        flips = ((1 << spec.i_bits) - 1) // ((1 << spec.lane_bits) - 1) << (spec.lane_bits - 1)
        arriving = self.i.payload ^ flips if spec.flip else self.i.payload
        outside = [self._outside(m, take)] if spec.masked else []
        if spec.shared_pixels > 1:
            # Half of the buffer is filled, or is used.
            _, last_pixel = counter(m, "w_pixel", take & w_last, spec.shared_pixels)
            filled = Signal()
            m.d.comb += filled.eq(take & w_last & last_pixel)
            held = unread = FillLevel(m, "held", 2, change=filled ^ freed, down=freed)
        else:
            held = FillLevel(m, "held", words, change=take ^ freed, down=freed)
            unread = FillLevel(m, "unread", words, change=take ^ use, down=use)
        m.d.comb += [
            self.i.ready.eq(held.space),
            take.eq(self.i.valid & held.space),
            store.write.eq(take),
            store.w_address.eq(w_at),
            # Padding must not count, whatever the stream carries there.
            store.w_data.eq(Cat(Mux(w_last, arriving[:kept], arriving), *outside)),
            store.address.eq(r_at),
            x.eq(self._by_part(store.data[: spec.i_bits])),
            masked.eq(store.data[-1] if spec.masked else 0),
        ]
        return unread.some

    def _outside(self, m: Module, take: Value) -> Value:
        """Whether the word that arrives next is outside the map. From registers and the place in a kernel."""
        spec = self.spec
        assert spec.outside
        rows, columns = spec.kernel
        _, last = counter(m, "w_part", take, spec.synapse_folds // (rows * columns))
        step = take & last
        kernel_column, last = counter(m, "w_kernel_column", step, columns)
        step = step & last
        kernel_row, last = counter(m, "w_kernel_row", step, rows)
        step = step & last
        found: list[Value] = []
        for axis, tap in ((1, kernel_column), (0, kernel_row)):
            places = spec.outside[axis]
            number, last = counter(m, ("w_row", "w_column")[axis], step, len(places))
            for out in sorted(set(places) - {()}):
                before = [at - 1 if at else len(places) - 1 for at, some in enumerate(places) if some == out]
                flag = Signal(name=f"w_outside_{axis}_{out[0]}", init=places[0] == out)
                with m.If(step):
                    m.d.sync += flag.eq(number.matches(*before) if len(number) else 1)
                found.append(flag & (tap.matches(*out) if len(tap) else 1))
            step = step & last
        return Cat(*found).any()

    def _read_at(self, m: Module, issue: Value, ends: Value, last: Value, last_group: Value) -> Signal:
        """The address of the next word: vectors take turns in both halves, and each group begins at the first word."""
        spec = self.spec
        words, length = spec.buffer_words, spec.synapse_folds
        if spec.neuron_folds == 1:
            return counter(m, "r_at", issue, words)[0]
        r_at, half = Signal(range(words)), Signal()
        with m.If(ends & last_group):
            m.d.sync += half.eq(~half)
        with m.If(issue):
            m.d.sync += r_at.eq(Mux(last, Mux(half ^ last_group, length, 0), r_at + 1))
        return r_at

    def _read_pixels_at(self, m: Module, issue: Value, last_pixel: Value, last: Value, last_group: Value) -> Signal:
        """The address of the next word where pixels share weights: a word of each pixel, then the next one of each."""
        spec = self.spec
        length, pixels = spec.synapse_folds, spec.shared_pixels
        r_at, half = Signal(range(spec.buffer_words)), Signal()
        with m.If(issue):
            with m.If(~last_pixel):
                m.d.sync += r_at.eq(r_at + length)
            with m.Elif(~last):
                m.d.sync += r_at.eq(r_at - ((pixels - 1) * length - 1))
            with m.Else():
                m.d.sync += [r_at.eq(Mux(half ^ last_group, pixels * length, 0)), half.eq(half ^ last_group)]
        return r_at
