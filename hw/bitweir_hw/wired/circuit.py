"""From a graph of sums to LUTs and adders of a family: pure planning, no hardware.

Every number on wires is unsigned; what it stands for is that plus an offset, which is known. So a negative term is its
inverted bits, and constants cost nothing on their way: they end in an output or in a threshold.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from .counts import STYLES, Bits, Node, Style, best_count
from .graph import Output, Range, Sign, Sum, SumGraph, Table, Term

__all__ = ["Adder", "Circuit", "Fn", "Gate", "Number", "build", "evaluated", "reduced", "used"]


class Fn(NamedTuple):
    """A function of at most five wires, mostly of one or two; the first wire is the lowest bit of the index."""

    wires: tuple[int, ...]
    table: int

    @property
    def inverse(self) -> Fn:
        return Fn(self.wires, self.table ^ ((1 << (1 << len(self.wires))) - 1))

    @property
    def at_zero(self) -> int:
        """The value where all wires are 0."""
        return self.table & 1


ZERO, ONE = Fn((), 0), Fn((), 1)


def wire(number: int) -> Fn:
    """A wire as it is."""
    return Fn((number,), 2)


class Number(NamedTuple):
    """``offset + bits``, where the bits, lowest first, are an unsigned number from `least` to `greatest`."""

    bits: tuple[Fn, ...]
    offset: int
    least: int
    greatest: int

    @property
    def shift(self) -> int:
        """Bits at the bottom that are 0."""
        return next((n for n, bit in enumerate(self.bits) if bit != ZERO), len(self.bits))

    def times(self, term: Term | Output) -> Number:
        """The number shifted, perhaps negative."""
        shift = term.shift
        bits = (ZERO,) * shift + self.bits if self.bits else ()
        moved = Number(bits, self.offset << shift, self.least << shift, self.greatest << shift)
        if not term.negative:
            return moved
        ones = ((1 << len(self.bits)) - 1) << shift
        inverted = bits[:shift] + tuple(bit.inverse for bit in bits[shift:])
        return Number(inverted, -moved.offset - ones, ones - moved.greatest, ones - moved.least)

    def plus(self, constant: int) -> Number:
        """What it stands for, and a constant more."""
        return self._replace(offset=self.offset + constant)

    @property
    def folded(self) -> Number:
        """The same without bits if all of them are constant."""
        if any(bit.wires for bit in self.bits):
            return self
        value = sum(bit.table << n for n, bit in enumerate(self.bits))
        return Number((), self.offset + value, 0, 0)

    def within(self, values: Range) -> Number:
        """The same with as few bits as its values need; multiples of half the span cost nothing."""
        least = max(self.least, values.least - self.offset)
        greatest = min(self.greatest, values.greatest - self.offset)
        if least == greatest:
            return Number((), self.offset + least, 0, 0)
        for width in range(1, len(self.bits) + 1):
            half = 1 << (width - 1)
            window = least // half
            if greatest < window * half + 2 * half:
                bits, start = self.bits[:width], window * half
                if window % 2:
                    bits = (*bits[:-1], bits[-1].inverse)
                return Number(bits, self.offset + start, least - start, greatest - start)
        raise AssertionError("A number does not fit its bits.")


class Gate(NamedTuple):
    """A LUT: a function of at most six wires."""

    inputs: tuple[int, ...]
    table: int
    output: int
    level: int


class Adder(NamedTuple):
    """``a + b + carry``; the outputs are as many bits as a, or one more."""

    a: tuple[Fn, ...]
    b: tuple[Fn, ...]
    carry: Fn
    outputs: tuple[int, ...]
    level: int


@dataclass
class Circuit:
    """What a graph becomes.

    Parameters
    ----------
    inputs : list of tuple of int
        Wires of each input, an unsigned number: what the input is more than its least value.
    levels : list of int
        For each wire the LUTs and adders on its longest way from an input.
    """

    style: Style
    inputs: list[tuple[int, ...]] = field(default_factory=list)
    levels: list[int] = field(default_factory=list)
    steps: list[Gate | Adder] = field(default_factory=list)
    outputs: list[Number] = field(default_factory=list)
    known: dict[Fn, Fn] = field(default_factory=dict)

    def wire(self, level: int) -> int:
        """A new wire."""
        self.levels.append(level)
        return len(self.levels) - 1

    def level(self, bits: Iterable[Fn]) -> int:
        """The level at which all bits are there."""
        return max((self.levels[number] for bit in bits for number in bit.wires), default=0)

    def gate(self, inputs: Sequence[int], table: int) -> Fn:
        """A LUT, if the function needs one."""
        function = reduced(tuple(inputs), table)
        if len(function.wires) < 2:
            return function
        if function not in self.known:
            level = 1 + self.level([function])
            output = self.wire(level)
            self.steps.append(Gate(function.wires, function.table, output, level))
            self.known[function] = wire(output)
        return self.known[function]

    def settled(self, bit: Fn) -> Fn:
        """The same on a single wire."""
        return bit if len(bit.wires) < 2 else self.gate(bit.wires, bit.table)

    @property
    def depth(self) -> int:
        """Levels of LUTs and adders."""
        return max(self.levels, default=0)

    @property
    def sites(self) -> int:
        """LUT sites, as planned: without what registers and the ends of chains take."""
        total = 0
        turned: set[int] = set()
        for step in self.steps:
            if isinstance(step, Gate):
                extra = len(step.inputs) - self.style.lut
                total += 1 if extra <= 0 else (1 << extra) + 1
                continue
            # The position after the last hands the carry out, and the next adder's in.
            own = step.carry != ZERO and not self.style.chain
            total += len(step.a) + (own or bool(self.style.chain) or len(step.outputs) > len(step.a))
            turned.update(bit.wires[0] for bit in (*step.a, *step.b, step.carry) if _inverted(bit))
        if self.style.pairs == (1, 1):
            # Where operands enter the carry as they are, each wire that some adder takes inverted has an inverter.
            total += len(turned)
        return total

    def add(self, a: Number, b: Number, carry: Number | None = None, values: Range | None = None) -> Number:
        """The sum of two numbers, and perhaps of a bit that fits both."""
        a, b = a.folded, b.folded
        if not a.bits or not b.bits:
            alone, constant = (b, a.offset) if not a.bits else (a, b.offset)
            if carry is not None:
                return self.add(alone, carry, None, values and Range(*(end - constant for end in values))).plus(
                    constant
                )
            return alone.plus(constant)
        low = max(a.shift, b.shift)
        if carry is None and min(len(a.bits), len(b.bits)) <= low:
            # Nothing overlaps.
            first, second = (a, b) if len(a.bits) <= low else (b, a)
            bits = first.bits + second.bits[len(first.bits) :]
            total = Number(bits, a.offset + b.offset, a.least + b.least, a.greatest + b.greatest)
            return total.within(values) if values else total
        if carry is not None:
            low = min(low, carry.shift)
        passing = a.bits[:low] if a.shift < b.shift else b.bits[:low]
        least, greatest, offset = a.least + b.least, a.greatest + b.greatest, a.offset + b.offset
        if carry is not None:
            offset, greatest = offset + carry.offset, greatest + carry.greatest
            least += carry.least
        whole = max(len(a.bits), len(b.bits), greatest.bit_length())
        if values:
            # No position that the values do not need.
            probe = Number((ONE,) * whole, offset, least, greatest).within(values)
            whole = min(whole, max(len(probe.bits), low))
        count = min(max(len(a.bits), len(b.bits)), whole) - low
        one, other = ((number.bits[low:] + (ZERO,) * count)[:count] for number in (a, b))
        into = carry.bits[low] if carry is not None else ZERO
        sums = self._adder(one, other, into, whole - low)
        bits = (passing + (ZERO,) * low)[:low] + sums
        if len(bits) < greatest.bit_length():
            # Bits that no value needs were left out: `within` knows which constant they are.
            bits += (ZERO,) * (greatest.bit_length() - len(bits))
        total = Number(bits, offset, least, greatest)
        return total.within(values or Range(offset + least, offset + greatest))

    def _adder(self, a: tuple[Fn, ...], b: tuple[Fn, ...], carry: Fn, width: int) -> tuple[Fn, ...]:
        """One adder; what its positions cannot take gets LUTs."""
        first, second = [], []
        for u, v in zip(a, b, strict=True):
            if self.style.name == "ecp5":
                if len(u.wires) < len(v.wires) or (len(v.wires) == 2 and v.at_zero):
                    u, v = v, u
                if len(v.wires) == 2 and v.at_zero:
                    v = self.settled(v)
                u, v = (bit if len(bit.wires) <= 2 else self.settled(bit) for bit in (u, v))
            elif self.style.lut == 6:
                if len(u.wires) > 1 or _inverted(u):
                    u, v = v, u
                if len(u.wires) > 1:
                    u, v = v, u
                u = self.settled(u)
                v = bit if len((bit := v).wires) <= 5 else self.settled(v)
            else:
                u, v = self.settled(u), self.settled(v)
            first.append(u)
            second.append(v)
        if len(carry.wires) > 2:
            carry = self.settled(carry)
        if not self.style.chain:
            carry = self.settled(carry)
        # Operands enter the carry as they are, or the first does: better all bits are inverted, then so is the sum.
        taken = [*first, *second, carry] if self.style.pairs == (1, 1) else first
        flip = self.style.name != "ecp5" and sum(map(_inverted, taken)) * 2 > sum(len(bit.wires) for bit in taken)
        if flip:
            first, second, carry = [bit.inverse for bit in first], [bit.inverse for bit in second], carry.inverse
        level = 1 + self.level([*first, *second, carry])
        outputs = tuple(self.wire(level) for _ in range(width))
        self.steps.append(Adder(tuple(first), tuple(second), carry, outputs, level))
        return tuple(wire(output).inverse if flip else wire(output) for output in outputs)

    def total(self, numbers: list[Number], values: Range) -> Number:
        """The sum of many numbers."""
        numbers = [number.folded for number in numbers]
        offset = sum(number.offset for number in numbers if not number.bits)
        numbers = [number for number in numbers if number.bits]
        exact = Range(values.least - offset, values.greatest - offset)
        lanes: dict[int, list[Number]] = {}
        words: list[Number] = []
        for number in numbers:
            if number.shift == len(number.bits) - 1:
                lanes.setdefault(number.shift, []).append(number)
            else:
                words.append(number)
        spare: dict[int, list[Number]] = {}
        for shift, bits in sorted(lanes.items()):
            # Each addition of two words takes a bit as its carry.
            room = sum(word.shift <= shift for word in words) if self.style.chain else 0
            if words and len(bits) <= room - 1:
                spare[shift] = bits
                continue
            counted = len(bits) - room if words else len(bits)
            if words and counted < 1:
                counted = 1
            bits = sorted(bits, key=lambda number: self.level(number.bits))
            kept = min(len(bits) - counted, room)
            spare[shift] = bits[len(bits) - kept :] if kept else []
            only = not words and len(lanes) == 1
            words.append(self.count(bits[: len(bits) - kept] if kept else bits, exact if only else None))
        if not words:
            return Number((), offset, 0, 0)
        heap = [(self.level(word.bits), len(word.bits), n, word) for n, word in enumerate(words)]
        heapq.heapify(heap)
        serial = len(heap)
        while len(heap) > 1:
            a, b = heapq.heappop(heap)[3], heapq.heappop(heap)[3]
            low = max(a.shift, b.shift)
            ready = spare.get(low)
            carry = ready.pop(0) if ready else None
            final = len(heap) == 0 and not any(spare.values())
            word = self.add(a, b, carry, exact if final else None)
            heapq.heappush(heap, (self.level(word.bits), len(word.bits), serial, word))
            serial += 1
            if len(heap) == 1 and any(spare.values()):
                # Bits for which no addition was left.
                for bits in spare.values():
                    while bits:
                        heapq.heappush(heap, (0, 1, serial, bits.pop()))
                        serial += 1
        word = heap[0][3]
        return word._replace(offset=word.offset + offset)

    def count(self, lanes: list[Number], values: Range | None = None) -> Number:
        """The sum of numbers of one bit each, all of one weight."""
        shift = lanes[0].shift
        offset = sum(lane.offset for lane in lanes)
        bits = [lane.bits[shift] for lane in lanes]
        flip = self.style.name == "ecp5" and sum(bit.at_zero for bit in bits) * 2 > len(bits)
        if flip:
            bits = [bit.inverse for bit in bits]
        _, tree = best_count(self.style.name, len(bits))
        # Operands that must be 0 where their wires are get bits that are.
        plain = [bit for bit in bits if not bit.at_zero]
        others = [bit for bit in bits if bit.at_zero]

        def take(wanted: bool) -> Number:
            pool = (plain or others) if wanted else (others or plain)
            return Number((pool.pop(0),), 0, 0, 1)

        def place(node: Node, second: bool = False) -> Number:
            if isinstance(node, Bits):
                taken = [take(second and node.size == 2) for _ in range(node.size)]
                return taken[0] if node.size == 1 else self._counted(taken, node.free)
            two = isinstance(node.a, Bits) and isinstance(node.b, Bits) and node.a.size == node.b.size == 2
            b = place(node.b, second=two)
            a = place(node.a)
            return self.add(a, b, take(False) if node.carry else None)

        total = place(tree)
        if flip:
            total = total.times(Term(0, 0, True))
            total = total._replace(offset=total.offset + len(bits))
        scaled = total.times(Term(0, shift))
        scaled = scaled._replace(offset=scaled.offset + offset)
        return scaled.within(values) if values else scaled

    def _counted(self, lanes: list[Number], free: bool) -> Number:
        """The count of up to six bits as functions, on wires unless they are `free`."""
        functions = [lane.bits[0] for lane in lanes]
        wires = tuple(dict.fromkeys(number for function in functions for number in function.wires))
        width = len(lanes).bit_length()
        tables = [0] * width
        for index in range(1 << len(wires)):
            state = {number: index >> n & 1 for n, number in enumerate(wires)}
            found = sum(evaluated(function, state) for function in functions)
            for n in range(width):
                tables[n] |= (found >> n & 1) << index
        made = [reduced(wires, table) for table in tables]
        return Number(tuple(made if free else map(self.settled, made)), 0, 0, len(lanes))


def evaluated(function: Fn, state: dict[int, int]) -> int:
    """A function where its wires have these values."""
    return function.table >> sum(state[number] << n for n, number in enumerate(function.wires)) & 1


def _inverted(bit: Fn) -> bool:
    return len(bit.wires) == 1 and bit.table == 1


def reduced(wires: tuple[int, ...], table: int) -> Fn:
    """A function without the wires that do not matter."""
    for n in range(len(wires) - 1, -1, -1):
        low = high = 0
        for index in range(1 << (len(wires) - 1)):
            at = index >> n << n + 1 | index & (1 << n) - 1
            low |= (table >> at & 1) << index
            high |= (table >> (at | 1 << n) & 1) << index
        if low == high:
            wires, table = wires[:n] + wires[n + 1 :], low
    return Fn(wires, table)


def build(graph: SumGraph, style: str) -> Circuit:
    """Plan the circuit of a graph.

    Parameters
    ----------
    style : str
        A key of `counts.STYLES`.
    """
    circuit = Circuit(STYLES[style])
    numbers: list[Number] = []
    for least, greatest in graph.inputs:
        width = (greatest - least).bit_length()
        wires = tuple(circuit.wire(0) for _ in range(width))
        circuit.inputs.append(wires)
        numbers.append(Number(tuple(map(wire, wires)), least, 0, greatest - least))
    for node, values in zip(graph.nodes, graph.totals[len(numbers) :], strict=True):
        if isinstance(node, Table):
            numbers.append(_table(circuit, node, numbers))
        elif isinstance(node, Sum):
            numbers.append(_total(circuit, node, numbers, values))
        else:
            numbers.append(_sign(circuit, node, numbers, values))
    for output in graph.outputs:
        number = Number((), 0, 0, 0) if output.source is None else numbers[output.source].times(output)
        circuit.outputs.append(number.plus(output.constant))
    return circuit


def used(step: Gate | Adder) -> set[int]:
    """The wires that a step takes."""
    if isinstance(step, Gate):
        return set(step.inputs)
    return {number for bit in (*step.a, *step.b, step.carry) for number in bit.wires}


def _total(circuit: Circuit, node: Sum | Sign, numbers: list[Number], values: Range) -> Number:
    found = circuit.total(
        [numbers[term.source].times(term) for term in node.terms],
        Range(values.least - node.constant, values.greatest - node.constant),
    )
    return found._replace(offset=found.offset + node.constant)


def _table(circuit: Circuit, node: Table, numbers: list[Number]) -> Number:
    """A LUT for each bit that is not constant."""
    bits = [numbers[source] for source in node.sources]
    wires = tuple(dict.fromkeys(number for bit in bits for function in bit.bits for number in function.wires))
    least = min(node.values)
    width = (max(node.values) - least).bit_length()
    tables = [0] * width
    for index in range(1 << len(wires)):
        state = {number: index >> n & 1 for n, number in enumerate(wires)}
        at = sum((bit.offset + (evaluated(bit.bits[0], state) if bit.bits else 0)) << n for n, bit in enumerate(bits))
        for n in range(width):
            tables[n] |= (node.values[at] - least >> n & 1) << index
    return Number(tuple(circuit.gate(wires, table) for table in tables), least, 0, max(node.values) - least)


def _sign(circuit: Circuit, node: Sign, numbers: list[Number], values: Range) -> Number:
    """Whether a sum is at least 0: its lowest bits that cannot decide are left out."""
    total = _total(circuit, node, numbers, values)
    bound = -total.offset
    if bound <= total.least or bound > total.greatest:
        return Number((), int(bound <= total.least), 0, 0)
    low = (bound & -bound).bit_length() - 1
    bits, bound = [circuit.settled(bit) for bit in total.bits[low:]], bound >> low
    reached, at = ONE, 0
    while at < len(bits):
        count = min(circuit.style.lut - (at > 0), len(bits) - at)
        chunk, part = bits[at : at + count], bound >> at & (1 << count) - 1
        inputs = ([reached] if at else []) + chunk
        wires = tuple(dict.fromkeys(number for bit in inputs for number in bit.wires))
        table = 0
        for index in range(1 << len(wires)):
            state = {number: index >> n & 1 for n, number in enumerate(wires)}
            word = sum(evaluated(bit, state) << n for n, bit in enumerate(chunk))
            table |= (word > part or (word == part and bool(evaluated(reached, state)))) << index
        reached = circuit.gate(wires, table)
        at += count
    if not reached.wires:
        return Number((), reached.table, 0, 0)
    return Number((reached,), 0, 0, 1)
