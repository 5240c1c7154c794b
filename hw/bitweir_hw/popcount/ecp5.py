"""Processing elements from ECP5 carry cells (CCU2C): gates, sum, accumulation and preset absorbed.

Half a CCU2C is a LUT4 ``p`` of (A, B, C, D), a LUT2 ``g`` of (A, B) that is the same truth table at
C = D = 0, and a carry: ``sum = p ^ cin``, ``cout = cin if p else g``. So it adds two bits u and v if
``p = u ^ v``, and ``g = u`` wherever p is 0 (there u = v). With D tied to 1, p and g are independent.

- Two lanes: ``p = x0 ^ w0 ^ x1 ^ w1`` has ``g = x0 ^ w0``. That counts mismatches, where XNOR would
  need the inverted g. Full adders are self-dual, though: three mismatches counted, every bit
  inverted, are three matches counted. The next level inverts for nothing. AND fits as it is, and
  NAND like XNOR.
- The accumulator: ``p = count ^ (preset if first else acc)`` has ``g = count``.
- A separator between two adders: ``p = 0, g = c``; its sum is the carry of the adder before, its
  carry out is c, which may be an XNOR as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from amaranth.hdl import Cat, Const, Instance, Module, Mux, Signal, Value

from .dot_product import DotProduct, PartialSum, Plane, Popcount
from .portable import Operation, Tree, part_trees, sum_parts
from .trees import Add

__all__ = ["ecp5_sums"]

ONE = Const(1, 1)
ZERO = Const(0, 1)


@dataclass(frozen=True)
class Bit:
    """A value on a wire, perhaps inverted."""

    wire: Value
    inverted: bool = False


@dataclass(frozen=True)
class Lane:
    """One bit of an input and of its weight, combined as the plane says.

    `place` is where it comes from: element, plane, bit of the input, and number of the input.
    """

    x: Value
    w: Value
    plane: Plane = field(default_factory=lambda: Plane(xnor=True))
    place: tuple[int, int, int, int] = (0, 0, 0, 0)

    @property
    def inverted(self) -> bool:
        """Whether it is the inverse of what cells compute, see `raw`."""
        return self.plane.xnor or self.plane.negative

    def raw(self, a: int, b: int) -> int:
        """XOR or AND."""
        return a ^ b if self.plane.xnor else a & b

    def table(self, a: int, b: int) -> int:
        """The lane itself."""
        return self.raw(a, b) ^ self.inverted

    @property
    def value(self) -> Value:
        """The lane, from a LUT."""
        raw = self.x ^ self.w if self.plane.xnor else self.x & self.w
        return ~raw if self.inverted else raw


@dataclass(frozen=True)
class Position:
    """Half a CCU2C: pins A to D, and its truth table, A being the lowest bit of the index.

    `carry` is the wire that a separator makes the next carry, if it is just a wire.
    """

    pins: tuple[Value, Value, Value, Value]
    init: int
    carry: Value | None = None


def _table(p: Callable[[int, int, int, int], int], g: Callable[[int, int], int] | None = None) -> int:
    """Truth table of p; with `g`, of a position with D tied to 1, whose lower half is g."""
    init = 0
    for index in range(16):
        a, b, c, d = index & 1, index >> 1 & 1, index >> 2 & 1, index >> 3
        init |= (p(a, b, c, d) if g is None or d else g(a, b)) << index
    return init


def separator(carry: Bit | Lane | None, *, inverted: bool = False) -> Position:
    """Ends an adder and starts the next with `carry`, or with its inverse."""

    def nothing(a: int, b: int, c: int, d: int) -> int:
        return 0

    if carry is None:
        # Nothing, inverted, is a one.
        constant = ONE if inverted else ZERO
        return Position((ZERO, ZERO, ONE, ONE), _table(nothing, lambda a, b: int(inverted)), constant)
    if isinstance(carry, Lane):
        table = carry.table
        return Position((carry.x, carry.w, ONE, ONE), _table(nothing, lambda a, b: table(a, b) ^ inverted))
    flip = carry.inverted ^ inverted
    return Position((carry.wire, ZERO, ONE, ONE), _table(nothing, lambda a, b: a ^ flip), None if flip else carry.wire)


def adder(u: Bit | Lane, v: Bit | Lane) -> Position:
    """Adds two bits; of two lanes, which must be inverted both or neither, what they are without that."""
    if isinstance(u, Bit) and isinstance(v, Lane):
        u, v = v, u
    if isinstance(u, Lane) and isinstance(v, Lane):
        one, two = u.raw, v.raw
        return Position((u.x, u.w, v.x, v.w), _table(lambda a, b, c, d: one(a, b) ^ two(c, d)))
    assert isinstance(v, Bit)
    other = v.inverted
    if isinstance(u, Lane):
        table = u.table
        return Position((u.x, u.w, v.wire, ONE), _table(lambda a, b, c, d: table(a, b) ^ c ^ other, table))
    flip = u.inverted
    return Position((u.wire, v.wire, ONE, ONE), _table(lambda a, b, c, d: a ^ flip ^ b ^ other, lambda a, b: a ^ flip))


def accumulator(count: Bit, first: Value, acc: Value, preset: Value) -> Position:
    """Adds a bit of the count to the accumulator, or to what it starts with."""
    flip = count.inverted
    return Position((count.wire, first, acc, preset), _table(lambda a, b, c, d: a ^ flip ^ (d if b else c)))


@dataclass
class Chains:
    """Packs adders into carry chains.

    An adder is a separator, its positions, and whatever separator comes next, which hands out the
    carry. nextpnr adds up to four cells per chain for its two ends, so few long ones are better.
    """

    m: Module
    name: str
    limit: int
    positions: list[Position] = field(default_factory=list)
    users: list[tuple[Callable[[list[Value]], None], int, int]] = field(default_factory=list)
    count: int = 0

    def add(self, carry: Position, positions: list[Position], length: int, done: Callable[[list[Value]], None]) -> None:
        """Append an adder; `done` gets `length` bits of its result once the chain is complete."""
        if len(self.positions) + len(positions) + 2 > self.limit:
            self.close()
        self.positions.append(carry)
        self.users.append((done, len(self.positions), length))
        self.positions += positions

    def close(self) -> None:
        """Emit the chain."""
        if not self.users:
            return
        head = self.positions[0]
        carry = head.carry
        if carry is not None:
            # A plain wire can enter a chain without a separator: nextpnr has a cell for it anyway.
            del self.positions[0]
            self.users = [(done, at - 1, length) for done, at, length in self.users]
        else:
            carry = ZERO
        while len(self.positions) < self.users[-1][1] + self.users[-1][2] or len(self.positions) % 2:
            self.positions.append(separator(None))
        name = f"{self.name}_{self.count}"
        sums = Signal(len(self.positions), name=name)
        carries = Signal(len(self.positions) // 2, name=f"{name}_carry")
        for n in range(len(carries)):
            low, high = self.positions[2 * n : 2 * n + 2]
            pins = {
                f"i_{pin}{half}": v
                for half, at in enumerate((low, high))
                for pin, v in zip("ABCD", at.pins, strict=True)
            }
            self.m.submodules[f"{name}_{n}"] = Instance(
                "CCU2C",
                p_INIT0=Const(low.init, 16),
                p_INIT1=Const(high.init, 16),
                p_INJECT1_0="NO",
                p_INJECT1_1="NO",
                i_CIN=carries[n - 1] if n else carry,
                o_S0=sums[2 * n],
                o_S1=sums[2 * n + 1],
                o_COUT=carries[n],
                **pins,
            )
        for done, start, length in self.users:
            done([sums[start + i] for i in range(length)])
        self.positions, self.users, self.count = [], [], self.count + 1


def _wire(m: Module, lane: Bit | Lane, name: str) -> Bit:
    """A value on a wire."""
    if isinstance(lane, Bit):
        return lane
    wire = Signal(name=name)
    m.d.comb += wire.eq(lane.value)
    return Bit(wire)


def _add_level(m: Module, trees: list[Tree], level: int, name: str, limit: int) -> None:
    """The adders of a level, of all elements."""
    chains = Chains(m, name, limit)
    for tree in trees:
        for operation in tree.adders(level):
            node = operation.node
            assert isinstance(node, Add)
            first, second = (tree.values[key] for key in operation.operands)
            low, first = _filled(first[: node.shift], node.shift), first[node.shift :]
            columns = list(zip(_filled(first, node.positions), _filled(second, node.positions), strict=True))
            carry = None if operation.carry is None else tree.values[operation.carry][0]
            # Two lanes in each position may be counted inverted, but then it must be all of them.
            kinds = {bit.inverted if isinstance(bit, Lane) else None for column in columns for bit in column}
            inverted = kinds == {True}
            if len(kinds) > 1:
                columns = [(u, _wire(m, v, f"{tree.name}_lane") if isinstance(u, Lane) else v) for u, v in columns]

            def done(
                sums: list[Value],
                tree: Tree = tree,
                operation: Operation = operation,
                low: list[Bit | Lane] = low,
                inverted: bool = inverted,
            ) -> None:
                tree.values[operation] = low + [Bit(wire, inverted) for wire in sums]

            chains.add(
                separator(carry, inverted=inverted), [adder(u, v) for u, v in columns], node.bits - node.shift, done
            )
    chains.close()


def _filled(bits: list[Bit | Lane], length: int) -> list[Bit | Lane]:
    return bits + [Bit(ZERO)] * (length - len(bits))


def _register(m: Module, trees: list[Tree], name: str, later: Callable[[Lane], Value]) -> None:
    """Put a register behind every value. Of lanes that wait, input and weight do so apart.

    Then the cell that takes a lane absorbs its gate all the same, and all elements share the registers of inputs:
    `later` gives an input behind its register.
    """
    for tree in trees:
        values = [bit for value in tree.values.values() for bit in value]
        if not values:
            continue
        stage = Signal(len(values), name=f"{tree.name}_{name}", reset_less=True)
        m.d.sync += stage.eq(Cat(*(bit.w if isinstance(bit, Lane) else bit.wire for bit in values)))
        rest = iter(stage)
        tree.values = {
            key: [
                replace(bit, x=later(bit), w=next(rest)) if isinstance(bit, Lane) else Bit(next(rest), bit.inverted)
                for bit in value
            ]
            for key, value in tree.values.items()
        }


def ecp5_sums(
    m: Module,
    x: Value,
    pairs: Callable[[Value, int, int, int], tuple[Value, Value]],
    first: Value,
    presets: list[Value],
    accs: list[Signal],
    dot: DotProduct,
    popcount: Popcount,
) -> list[Value]:
    """What each accumulator takes next, ``dot.stages(popcount)`` cycles after its x and w.

    | part                    | LUT sites (without what nextpnr adds at the ends of chains)              |
    |-------------------------|--------------------------------------------------------------------------|
    | sum                     | ``dot.plan(popcount).cost``; of XNOR bits 1.5 a lane                     |
    | accumulator of T bits   | T + 1                                                                    |
    | each chain              | at most 2: its first and, to make it even, its last position             |

    Parameters
    ----------
    x : Value
        The inputs.
    pairs : callable
        One bit of all inputs, and the weights that go with it, of the inputs, an element, a plane and a bit.
    presets : list of Value
        For each accumulator.
    """
    width = len(accs[0])
    each = popcount.levels_per_stage
    limit = popcount.chain
    plan = dot.plan(popcount)

    def lanes(element: int, part: PartialSum) -> list[Lane] | list[list[Lane]]:
        found = []
        for n, low in part.sources:
            bits = [(bit, *pairs(x, element, n, bit)) for bit in (range(dot.bits) if plan.words else (low,))]
            found += [
                [Lane(inputs[s], w[s], dot.planes[n], (element, n, bit, s)) for bit, inputs, w in bits]
                for s in range(dot.simd)
            ]
        return found if plan.words else [lane for word in found for lane in word]

    waiting = x

    def later(lane: Lane) -> Value:
        element, n, bit, s = lane.place
        return pairs(waiting, element, n, bit)[0][s]

    def levels(trees: list[Tree], done: int, count: int) -> None:
        nonlocal waiting
        for level in range(1, count + 1):
            _add_level(m, trees, level, f"chain{done + level}", limit)
            for tree in trees:
                tree.forget(level)
            if each and (done + level) % each == 0:
                before, waiting = waiting, Signal(len(x), name=f"x_stage{done + level}", reset_less=True)
                m.d.sync += waiting.eq(before)
                _register(m, trees, f"stage{done + level}", later)

    trees = sum_parts(plan, part_trees(plan, len(accs), lanes), levels, Bit(ZERO))
    chains = Chains(m, "total", limit)
    low = min(plan.exponent, width)
    # The lowest bits of an accumulator only change when it starts.
    totals = [Mux(first, start, acc)[:low] if low else Const(0, 0) for start, acc in zip(presets, accs, strict=True)]
    for p, (tree, acc) in enumerate(zip(trees, accs, strict=True)):
        # A lane that is there as it came goes through the carry, too.
        count = [_wire(m, bit, f"pe{p}_match") for bit in tree.total]
        count = (count + [Bit(ZERO)] * width)[:width]
        positions = [accumulator(count[i - low], first, acc[i], presets[p][i]) for i in range(low, width)]

        def done(sums: list[Value], p: int = p) -> None:
            totals[p] = Cat(totals[p], *sums)

        if positions:
            chains.add(separator(tree.kept_bit), positions, len(positions), done)
    chains.close()
    return totals
