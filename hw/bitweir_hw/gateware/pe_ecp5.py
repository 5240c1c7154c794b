"""Processing elements from ECP5 carry cells (CCU2C): XNOR, popcount, accumulate and preset absorbed.

Half a CCU2C is a LUT4 ``p`` of (A, B, C, D), a LUT2 ``g`` of (A, B) that is the same truth table at
C = D = 0, and a carry: ``sum = p ^ cin``, ``cout = cin if p else g``. So it adds two bits u and v if
``p = u ^ v``, and ``g = u`` wherever p is 0 (there u = v). With D tied to 1, p and g are independent.

- Two lanes: ``p = x0 ^ w0 ^ x1 ^ w1`` has ``g = x0 ^ w0``. That counts mismatches, where XNOR would
  need the inverted g. Full adders are self-dual, though: three mismatches counted, every bit
  inverted, are three matches counted. The next level inverts for nothing.
- The accumulator: ``p = count ^ (preset if first else acc)`` has ``g = count``.
- A separator between two adders: ``p = 0, g = c``; its sum is the carry of the adder before, its
  carry out is c, which may be an XNOR as well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from amaranth.hdl import Cat, Const, Instance, Module, Signal, Value

from ..compressor import Add, Popcount, best_count
from .popcount import Operation, Tree

__all__ = ["ecp5_sums"]

#: Longest chain in positions (half cells), with registers between levels and without. Separators
#: stop the carry, but timing analysis sees a path from end to end: 8 x 64 lanes with a register after
#: each level routed at 182 MHz with 64 positions, 232 with 32, 235 with 24 (and 6 % more cells).
CHAIN, CHAIN_UNREGISTERED = 32, 128

ONE = Const(1, 1)
ZERO = Const(0, 1)


@dataclass(frozen=True)
class Bit:
    """A value on a wire, perhaps inverted."""

    wire: Value
    inverted: bool = False


@dataclass(frozen=True)
class Lane:
    """One input and its weight: 1 where they match."""

    x: Value
    w: Value


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


def separator(carry: Bit | Lane | None, *, mismatch: bool = False) -> Position:
    """Ends an adder and starts the next with `carry`, or with that lane's mismatch."""

    def nothing(a: int, b: int, c: int, d: int) -> int:
        return 0

    if carry is None:
        # A lane that is not there matches nothing.
        constant = ONE if mismatch else ZERO
        return Position((ZERO, ZERO, ONE, ONE), _table(nothing, lambda a, b: int(mismatch)), constant)
    if isinstance(carry, Lane):
        return Position((carry.x, carry.w, ONE, ONE), _table(nothing, lambda a, b: a ^ b ^ (not mismatch)))
    wire = None if carry.inverted else carry.wire
    return Position((carry.wire, ZERO, ONE, ONE), _table(nothing, lambda a, b: a ^ carry.inverted), wire)


def adder(u: Bit | Lane, v: Bit | Lane) -> Position:
    """Adds two bits. Two lanes give the sum of their mismatches, anything else that of matches."""
    if isinstance(u, Bit) and isinstance(v, Lane):
        u, v = v, u
    if isinstance(u, Lane) and isinstance(v, Lane):
        return Position((u.x, u.w, v.x, v.w), _table(lambda a, b, c, d: a ^ b ^ c ^ d))
    assert isinstance(v, Bit)
    other = v.inverted
    if isinstance(u, Lane):
        return Position(
            (u.x, u.w, v.wire, ONE), _table(lambda a, b, c, d: a ^ b ^ 1 ^ c ^ other, lambda a, b: a ^ b ^ 1)
        )
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


def _add_level(m: Module, trees: list[Tree], level: int, limit: int) -> None:
    """The adders of a level, of all elements."""
    chains = Chains(m, f"chain{level}", limit)
    for tree in trees:
        for operation in tree.adders(level):
            node = operation.node
            assert isinstance(node, Add)
            bits = [
                tree.values[key] + [Bit(ZERO)] * (node.positions - len(tree.values[key])) for key in operation.operands
            ]
            carry = None if operation.carry is None else tree.values[operation.carry][0]
            lanes = all(isinstance(bit, Lane) for column in bits for bit in column)

            def done(
                sums: list[Value], tree: Tree = tree, operation: Operation = operation, lanes: bool = lanes
            ) -> None:
                tree.values[operation] = [Bit(wire, lanes) for wire in sums]

            chains.add(
                separator(carry, mismatch=lanes), [adder(u, v) for u, v in zip(*bits, strict=True)], node.bits, done
            )
    chains.close()


def _register(m: Module, trees: list[Tree], name: str) -> None:
    """Put a register behind every value; lanes that wait become XNOR bits."""
    for tree in trees:
        values = [bit for value in tree.values.values() for bit in value]
        if not values:
            continue
        stage = Signal(len(values), name=f"{tree.name}_{name}", reset_less=True)
        m.d.sync += stage.eq(Cat(*(~(bit.x ^ bit.w) if isinstance(bit, Lane) else bit.wire for bit in values)))
        rest = iter(stage)
        tree.values = {
            key: [Bit(next(rest), isinstance(bit, Bit) and bit.inverted) for bit in value]
            for key, value in tree.values.items()
        }


def ecp5_sums(
    m: Module, x: Value, w: Value, first: Value, preset: Value, accs: list[Signal], popcount: Popcount
) -> list[Value]:
    """What each accumulator takes next, ``popcount.stages`` cycles after its x and w.

    | part                    | LUT sites (without what nextpnr adds at the ends of chains)              |
    |-------------------------|--------------------------------------------------------------------------|
    | popcount                | ``best_count("ecp5", ...).cost``, tending to 1.5 a lane                 |
    | accumulator of T bits   | T + 1                                                                    |
    | each chain              | at most 2: its first and, to make it even, its last position             |
    """
    size, width = len(x), len(accs[0])
    each = popcount.levels_per_stage
    limit = CHAIN if each else CHAIN_UNREGISTERED
    plan = best_count("ecp5", each, size)
    trees = []
    for p in range(len(accs)):
        lanes = [Lane(x[s], w[p * size + s]) for s in range(size)]
        tree = Tree(plan.tree, f"pe{p}", lanes)
        if plan.carry:
            tree.keep(lanes[-1])
        trees.append(tree)
    for level in range(1, plan.levels + 1):
        _add_level(m, trees, level, limit)
        for tree in trees:
            tree.forget(level)
        if each and level % each == 0:
            _register(m, trees, f"stage{level}")

    chains = Chains(m, "total", limit)
    totals: list[Value] = [ZERO] * len(accs)
    for p, (tree, acc) in enumerate(zip(trees, accs, strict=True)):
        start = [preset[p * width + i] for i in range(width)]
        count = tree.total
        if count and isinstance(count[0], Lane):
            # One lane is all there is: it goes through the carry, too.
            match = Signal(name=f"pe{p}_match")
            m.d.comb += match.eq(~(count[0].x ^ count[0].w))
            count = [Bit(match)]
        count = (count + [Bit(ZERO)] * width)[:width]
        positions = [accumulator(count[i], first, acc[i], start[i]) for i in range(width)]

        def done(sums: list[Value], p: int = p) -> None:
            totals[p] = Cat(*sums)

        chains.add(separator(tree.kept_bit), positions, width, done)
    chains.close()
    return totals
