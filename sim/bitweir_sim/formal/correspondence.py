"""Two circuits with registers do the same for all inputs, for ever, from reset: proved by induction over registers.

Registers that have the same value in every cycle of a simulation are assumed to be equal in one cycle and proved to be
equal in the next; those for which that fails are told apart, until no proof fails. That is register correspondence
(C. A. J. van Eijk, "Sequential equivalence checking based on structural similarities", 2000): it needs no names, and
it finds registers that synthesis has merged, doubled or removed. Counters that never passed some number are assumed
and proved not to, as behind the last word of a memory there may be anything; so is that registers tell whether they
are there, which tells counters when to turn. What is left holds in the first cycle, and in each cycle after one in
which it holds; outputs that are equal under it are always equal.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from .bounds import Held, seen_words
from .circuit import Circuit
from .graph import Graph, copied
from .sweep import Swept, sweep
from .verdict import Status, Trace, Verdict

__all__ = ["correspond"]

#: Simulations side by side.
_TRACES = 256
#: Bits of the longest register of which a highest number is looked for.
_LONGEST = 16
#: Cycles of the simulation that tells what registers begin with.
_CHOICE = 100
#: Gates of all cycles of a simulation.
_LOOKS = 3_000_000
_METHOD = "register correspondence"


@dataclass
class _Pair:
    """Two circuits with the same inputs, in one graph.

    Attributes
    ----------
    inputs : dict of (str, int) to int
        The leaf of each bit.
    states : list of int
        Leaves of registers, those of the first circuit first; they begin with 0.
    following : list of int
        Literals of their next values.
    outputs : list of (str, int, int)
        Literals of both.
    words : list of tuple of int
        Literals of the bits of each register of the first circuit with more than one bit, lowest bit first.
    flips : dict of int to int
        For each register 1 where its leaf is its inverse.
    open : dict of int to int
        Registers of the first circuit that may begin with either, with the place of each.
    others : int
        The first register of the second circuit.
    """

    graph: Graph = field(default_factory=Graph)
    inputs: dict[tuple[str, int], int] = field(default_factory=dict)
    states: list[int] = field(default_factory=list)
    following: list[int] = field(default_factory=list)
    outputs: list[tuple[str, int, int]] = field(default_factory=list)
    words: list[tuple[int, ...]] = field(default_factory=list)
    flips: dict[int, int] = field(default_factory=dict)
    open: dict[int, int] = field(default_factory=dict)
    others: int = 0


def _paired(one: Circuit, other: Circuit) -> _Pair:
    pair = _Pair()
    graph = pair.graph
    for bit in dict.fromkeys((*one.inputs, *other.inputs)):
        pair.inputs[bit] = graph.leaf() >> 1
    found: list[dict[tuple[str, int], int]] = []
    for circuit in (one, other):
        leaves = [2 * pair.inputs[bit] for bit in circuit.inputs]
        pair.others = len(graph.left)
        flips = []
        named: dict[str, dict[int, int]] = {}
        for (name, place), initial in zip(circuit.registers, circuit.initial, strict=True):
            # A register that begins with 1 is the inverse of one that begins with 0; any may begin with 0.
            flips.append(1 if initial else 0)
            literal = graph.leaf()
            pair.states.append(literal >> 1)
            pair.flips[literal >> 1] = flips[-1]
            leaves.append(literal ^ flips[-1])
            named.setdefault(name, {})[place] = leaves[-1]
            if circuit is one and initial is None:
                pair.open[literal >> 1] = len(flips) - 1
        if circuit is one:
            pair.words = [
                tuple(bits[place] for place in sorted(bits)) for bits in named.values() if 2 <= len(bits) <= _LONGEST
            ]
        new = copied(circuit, graph, leaves)
        pair.following += [
            new[literal >> 1] ^ literal & 1 ^ flip for literal, flip in zip(circuit.following, flips, strict=True)
        ]
        found.append(
            {
                (name, place): new[literal >> 1] ^ literal & 1
                for name, bits in circuit.outputs.items()
                for place, literal in enumerate(bits)
            }
        )
    if found[0].keys() != found[1].keys():
        missing = sorted(found[0].keys() ^ found[1].keys())
        raise ValueError(f"only one of two circuits has {missing[:5]}")
    pair.outputs = [(f"{name}[{place}]", literal, found[1][name, place]) for (name, place), literal in found[0].items()]
    return pair


def correspond(
    one: Circuit, other: Circuit, *, cycles: int | None = None, seed: int = 1, seconds: float = 300
) -> Verdict:
    """Prove that two circuits have the same outputs in every cycle after reset, for all inputs.

    Where it is open what a register of the second one begins with, it begins with 0, as an FPGA loads it. One of the
    first may begin with either, as the second has to do what the first may do, with any choice.

    Parameters
    ----------
    one, other : Circuit
        With the same outputs. An input called ``rst`` is seldom 1 in simulations.
    cycles : int, optional
        Length of the simulations from reset that tell registers apart, and that may refute; by default more for small
        circuits, so that counters get to their ends.
    seed : int
        Of these simulations: it decides about what is tried, and not about what is true.
    seconds : float
        After which it gives up.
    """
    began = time.perf_counter()
    pair = _paired(one, other)
    if pair.open:
        one = _chosen(one, pair, seed)
        pair = _paired(one, other)
    told = f"{len(one.registers)} and {len(other.registers)} registers, {len(pair.graph.left):,} gates"

    def verdict(status: Status, more: str, trace: Trace | None = None) -> Verdict:
        return Verdict(
            status=status,
            method=_METHOD if pair.states else "sweeping",
            tool="MiniSat 2.2 (python-sat)",
            seconds=round(time.perf_counter() - began, 2),
            told=f"{more}; {told}" if more else told,
            trace=trace,
        )

    if cycles is None:
        cycles = min(max(_LOOKS // len(pair.graph.left), 100), 1000)
    run = _Simulation(pair, cycles if pair.states else 8, random.Random(seed))
    if run.different:
        name, trace = run.different
        return verdict("refuted", f"{name} differs in cycle {len(next(iter(trace.signals.values()))) - 1}", trace)
    try:
        step = _fixed(pair, run, seed, began + seconds)
    except TimeoutError:
        return verdict("unknown", "time is up")
    open_ = [name for name, a, b in pair.outputs if step.differ(a, b) is not False]
    if open_:
        return verdict("unknown", f"not proved of {', '.join(open_[:4])}{' and more' if len(open_) > 4 else ''}")
    return verdict("proved", "")


def _chosen(one: Circuit, pair: _Pair, seed: int) -> Circuit:
    """The first circuit with what its open registers begin with: 1 where that makes them one with others, else 0."""
    ones = {pair.open[node] for node in _Simulation(pair, _CHOICE, random.Random(seed), goes_on=True).opposite}
    initial = (int(place in ones) if value is None else value for place, value in enumerate(one.initial))
    return replace(one, initial=tuple(initial))


def _fixed(pair: _Pair, run: _Simulation, seed: int, deadline: float) -> _Step:
    """A step from one cycle to the next that keeps what it assumes."""
    classes, words = run.classes, run.words
    while True:
        step = _Step(pair, classes, words, seed, deadline)
        left, parts = step.words_that_hold(), step.parts()
        if left == words and parts == classes:
            return step
        words, classes = left, parts


class _Step:
    """One cycle of a pair in which each class of registers is one."""

    def __init__(self, pair: _Pair, classes: dict[int, int], words: list[Held], seed: int, deadline: float) -> None:
        self.pair, self.classes, self.words = pair, classes, words
        graph = Graph()
        place: dict[int, int] = {leaf: graph.leaf() for leaf in pair.inputs.values()}
        for node, group in classes.items():
            if node == group:
                place[node] = graph.leaf()
        for node, group in classes.items():
            place[node] = place[group] if group else 0
        self.new = _moved(pair.graph, graph, place)
        self.place = place
        kept = [word.moved(lambda literal: place[literal >> 1] ^ literal & 1) for word in words]
        self.swept: Swept = sweep(graph, kept, seed, deadline)

    def now(self, literal: int) -> int:
        """Where a literal of the pair is now."""
        return self.swept.literal(self.new[literal >> 1] ^ literal & 1)

    def differ(self, a: int, b: int) -> object:
        """See `Prover.different`."""
        return self.swept.prover.different(self.now(a), self.now(b))

    def words_that_hold(self) -> list[Held]:
        """What is said of words and holds in the next cycle, too; or what may, as it says less."""
        following = dict(zip(self.pair.states, self.pair.following, strict=True))
        graph, different = self.swept.graph, self.swept.prover.different

        def later(literal: int) -> int:
            return self.now(following[literal >> 1] ^ literal & 1)

        kept = []
        for word in self.words:
            bits = [later(bit) for bit in word.bits]
            wider: Held | None = word
            # Until it says all that the next number can be.
            while wider and (found := different(wider.fits(graph, bits), 1)) is not False:
                wider = wider.wider(_number(graph, bits, found)) if isinstance(found, dict) else None
            if wider is word:
                last = graph.equals(bits, word.most)
                marks = tuple(mark for mark in word.marks if different(later(mark), last) is False)
                kept.append(replace(word, marks=marks))
            elif wider:
                kept.append(replace(wider, marks=()))
        return kept

    def parts(self) -> dict[int, int]:
        """Classes of the registers that are equal in the next cycle, too: of each the first one, 0 if they are 0."""
        following = {
            node: self.now(literal) for node, literal in zip(self.pair.states, self.pair.following, strict=True)
        }
        heads: dict[int, list[int]] = {0: [0]}
        found = {}
        for node, group in self.classes.items():
            for head in heads.setdefault(group, []):
                if self.swept.prover.different(following[node], following.get(head, 0)) is False:
                    found[node] = head
                    break
            else:
                heads[group].append(node)
                found[node] = node
        return found


def _number(graph: Graph, bits: Sequence[int], leaves: dict[int, int]) -> int:
    """A number in a graph, with values of leaves."""
    values = graph.simulate(leaves, 1)
    return sum((values[bit >> 1] ^ bit & 1) << place for place, bit in enumerate(bits))


def _moved(source: Graph, target: Graph, leaves: dict[int, int]) -> list[int]:
    """Add a graph to another; the literal there of each node."""
    new = [0] * len(source.left)
    for node in range(1, len(new)):
        a, b = source.left[node], source.right[node]
        new[node] = leaves[node] if a < 0 else target.both(new[a >> 1] ^ a & 1, new[b >> 1] ^ b & 1)
    return new


class _Simulation:
    """What many simulations of a pair from reset show.

    Attributes
    ----------
    different : (str, Trace) or None
        An output that differs, and how to get there.
    classes : dict of int to int
        For each register the first one that was always equal; 0 if it was always 0.
    words : list of Held
        What was seen of words.
    opposite : set of int
        Open registers that were always the opposite of what others are one with, but in the first cycle.
    """

    def __init__(self, pair: _Pair, cycles: int, rng: random.Random, *, goes_on: bool = False) -> None:
        self.different: tuple[str, Trace] | None = None
        mask = (1 << _TRACES) - 1
        state = dict.fromkeys(pair.states, 0)
        keys = dict.fromkeys((0, *pair.states), 0)
        turned = dict.fromkeys(pair.open, 0)
        history, states = [], [state]
        for pins in _stimuli(pair, cycles, rng):
            history.append(pins)
            values = pair.graph.simulate({**pins, **state}, mask)

            def of(literal: int, values: list[int] = values) -> int:
                return values[literal >> 1] ^ (mask if literal & 1 else 0)

            for name, a, b in pair.outputs:
                if not goes_on and (wrong := of(a) ^ of(b)):
                    self.different = name, _trace(pair, history, wrong.bit_length() - 1, name)
                    return
            state = {node: of(literal) for node, literal in zip(pair.states, pair.following, strict=True)}
            names: dict[tuple[int, int], int] = {}
            turned = {node: names.setdefault((key, state[node] ^ mask), len(names)) for node, key in turned.items()}
            keys = {node: names.setdefault((key, state.get(node, 0)), len(names)) for node, key in keys.items()}
            states.append(state)
        theirs = {key for node, key in keys.items() if not node or node >= pair.others}
        self.opposite = {
            node for node, key in turned.items() if key == keys[0] or (key in theirs and keys[node] not in theirs)
        }
        heads: dict[int, int] = {}
        self.classes = {node: head for node, key in keys.items() if (head := heads.setdefault(key, node)) or node}
        said = [2 * node ^ pair.flips[node] for node, head in self.classes.items() if node == head]
        self.words = seen_words(pair.words, states, _TRACES, said)


def _stimuli(pair: _Pair, cycles: int, rng: random.Random) -> Iterator[dict[int, int]]:
    """Values of inputs: in each simulation another part of them is 1, and some hold for a while.

    In a quarter of them nobody waits, and in half there is no reset, so that counters get to their ends.
    """
    mask = (1 << _TRACES) - 1
    single = {name for name, place in pair.inputs} - {name for name, place in pair.inputs if place}
    reset, eager = (1 << _TRACES // 2) - 1, (1 << _TRACES // 4) - 1 << _TRACES // 2
    held = dict.fromkeys(pair.inputs.values(), 0)
    for cycle in range(cycles):
        keep = rng.getrandbits(_TRACES) if cycle % 8 else 0
        dense = rng.getrandbits(_TRACES)
        sparse = dense & rng.getrandbits(_TRACES)
        for (name, _), leaf in pair.inputs.items():
            a, b = rng.getrandbits(_TRACES), rng.getrandbits(_TRACES)
            fresh = a & ~dense | (a | b) & dense & ~sparse | a & b & sparse
            if name == "rst":
                # Seldom, so that the simulations get anywhere.
                for _ in range(7):
                    fresh &= rng.getrandbits(_TRACES)
                held[leaf] = fresh & reset
            elif cycle % 2:
                held[leaf] = held[leaf] & keep | fresh & ~keep & mask
            else:
                held[leaf] = fresh & mask
            if name in single and name != "rst":
                held[leaf] |= eager
        yield dict(held)


def _trace(pair: _Pair, history: Sequence[dict[int, int]], which: int, name: str) -> Trace:
    """The inputs of one simulation up to its last cycle."""
    signals: dict[str, tuple[int, ...]] = {}
    for pin in dict.fromkeys(pin for pin, _ in pair.inputs):
        places = [(place, leaf) for (other, place), leaf in pair.inputs.items() if other == pin]
        signals[pin] = tuple(sum((pins[leaf] >> which & 1) << place for place, leaf in places) for pins in history)
    return Trace(broken=(name,), signals=signals)
