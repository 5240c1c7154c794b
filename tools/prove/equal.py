"""Whether what comes out of a netlist for frames is what the definition says, for all inputs at once."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from bitweir_hw.blocks import ArgmaxSpec, EndSpec
from bitweir_hw.blocks.pipeline import Pipeline, Stream
from bitweir_hw.network import Network
from bitweir_sim.formal import Circuit, Status, Trace, Verdict
from bitweir_sim.formal.graph import Graph
from bitweir_sim.formal.sweep import sweep
from bitweir_sim.formal.words import Word
from bitweir_sim.values import golden

from .bursts import LooseError, Player
from .definition import Definition, Words

__all__ = ["METHOD", "TOOL", "Bits", "Equality", "Frame", "accelerator_values", "frame", "packed"]

METHOD = "frames played in a graph, then sweeping"
TOOL = "MiniSat 2.2 (python-sat)"

#: Drawn frames on which the definition here and the golden model are compared.
_DRAWN = 64

#: A bit that may be anything: None.
Bits = list[int | None]


@dataclass
class Frame:
    """A frame of leaves.

    Parameters
    ----------
    codes : object array (K,)
        Words.
    leaves : list of list of int
        Leaves of each code, lowest bit first.
    """

    codes: Words
    leaves: list[list[int]]


def frame(graph: Graph, network: Network) -> Frame:
    """All codes of the format, whether they occur or not."""
    leaves = [[graph.leaf() for _ in range(network.input.format.bits)] for _ in range(network.input.size)]
    codes = np.empty(len(leaves), object)
    codes[:] = [Word.unsigned(graph, bits) for bits in leaves]
    return Frame(codes, leaves)


def packed(elements: Sequence[Sequence[Bits]], stream: Stream, pad: Callable[[], int | None]) -> list[Bits]:
    """Beats of V frames side by side, as `bitweir_sim.values.pack` makes them of integers.

    Parameters
    ----------
    elements : (V, vectors * length) sequences
        The bits of each element, `stream.lane_bits` of them.
    stream : Stream
    pad : callable
        Makes a bit of what fills up the last beat of a vector.
    """
    beats = []
    for vector in range(stream.vectors):
        for beat in range(stream.vector_beats):
            bits: Bits = []
            for lane in range(stream.lanes):
                at = beat * stream.lanes + lane
                for own in elements:
                    inside = at < stream.length
                    bits += own[vector * stream.length + at] if inside else [pad() for _ in range(stream.lane_bits)]
            beats.append(bits)
    return beats


def _results(
    definition: Definition, network: Network, pipeline: Pipeline, frames: Sequence[Frame]
) -> tuple[list[Bits], list[tuple[int, int]]]:
    """The output beats of V frames: scores, the class in the last one, and the mark of it.

    Also pairs of literals, which must be equal for the scores to fit into their lanes.
    """
    stream, end = pipeline.output, pipeline.nodes[-1].block
    assert isinstance(end, EndSpec)
    elements, classes, fits = list[list[Bits]](), Bits(), list[tuple[int, int]]()
    for one in frames:
        result, _ = definition.run(network.layers, one.codes.reshape(network.input.map.shape), network.input.map)
        scores = [definition.word(number) for number in result.reshape(-1)]
        elements.append([[*score.padded(stream.lane_bits)] for score in scores])
        for score in scores:
            sign = score.bits[-1] if stream.signed else 0
            fits += [(bit, sign) for bit in score.bits[stream.lane_bits - stream.signed :]]
        if isinstance(end, ArgmaxSpec):
            classes += definition.index(scores).padded(end.index_bits)
    beats = packed(elements, stream, lambda: 0)
    for number, beat in enumerate(beats):
        last = number == len(beats) - 1
        beat += classes if last else [None] * len(classes)
        beat.append(int(last))
    return beats, fits


def accelerator_values(
    circuit: Circuit, network: Network, pipeline: Pipeline, *, stalls: bool = False,
    said: type[Definition] = Definition, wrong: Network | None = None,
) -> Verdict:  # fmt: skip
    """Prove that an accelerator gives what the definition says, for all frames, two of which come in a row.

    Parameters
    ----------
    circuit : Circuit
        The accelerator, with the streams `i` and `o`.
    network : Network
    pipeline : Pipeline
    stalls : bool
        Whether source and sink wait now and then, as drawn once.
    said : type
        Planted: a wrong definition.
    wrong : Network, optional
        Planted: what is compared with in place of the network.
    """
    proof = Equality(circuit)
    graph = proof.graph
    groups = [[frame(graph, network) for _ in range(pipeline.parallel_frames)] for _ in range(2)]
    proof.leaves["codes"] = [bits for group in groups for one in group for bits in one.leaves]
    definition = said(graph, {})
    beats = [beat for group in groups for beat in packed([one.leaves for one in group], pipeline.input, graph.leaf)]
    expected = list[Bits]()
    for group in groups:
        results, fits = _results(definition, wrong or network, pipeline, group)
        proof.pairs += [(len(expected), a, b) for a, b in fits]
        expected += results
    if wrong is None and said is Definition and (fault := _differs(graph, network, definition, groups[0][0])):
        return proof.verdict("refuted", fault)
    return proof.decided(beats, expected, stalls=stalls)


class Equality:
    """A proof that the beats that leave a circuit are those that are expected.

    Parameters
    ----------
    circuit : Circuit

    Attributes
    ----------
    graph : Graph
    pairs : list of (int, int, int)
        Number of a beat, and two literals that must be equal.
    leaves : dict of str to list of list of int
        What a counterexample shows: numbers, each of leaves with the lowest bit first.
    prelude : list of dict
        Pins in cycles before the first frame.
    loaded : list of int
        Leaves of what they load.
    """

    def __init__(self, circuit: Circuit) -> None:
        self.circuit = circuit
        self.graph = Graph()
        self.pairs: list[tuple[int, int, int]] = []
        self.leaves: dict[str, list[list[int]]] = {}
        self.prelude: list[dict[str, Sequence[int]]] = []
        self.loaded: list[int] = []
        self._began = time.perf_counter()

    def verdict(self, status: Status, told: str, trace: Trace | None = None) -> Verdict:
        """What became of it."""
        seconds = round(time.perf_counter() - self._began, 2)
        return Verdict(status=status, method=METHOD, tool=TOOL, seconds=seconds, told=told, trace=trace)

    def decided(self, beats: Sequence[Sequence[int]], expected: Sequence[Bits], *, stalls: bool = False) -> Verdict:
        """Play bursts of these beats until their state repeats, and compare what comes out."""
        draw = random.Random(5)
        waits = [(draw.randint(0, 1), draw.randint(0, 1)) for _ in range(997)] if stalls else [(1, 1)]
        player = Player(self.circuit, self.graph, lambda cycle: waits[cycle % len(waits)], self.loaded)
        bursts = 0
        try:
            player.prelude(self.prelude)
            for found in player.bursts(beats, len(expected)):
                bursts += 1
                self.pairs += [
                    (number, a, b)
                    for number, (ours, theirs) in enumerate(zip(expected, found, strict=True))
                    for a, b in zip(ours, theirs, strict=True)
                    if a is not None
                ]
        except LooseError as fault:
            return self.verdict("unknown", str(fault))
        return self._compared(f"{bursts} states between bursts")

    def _compared(self, told: str) -> Verdict:
        """Whether both literals of each pair are one."""
        pairs = list(dict.fromkeys(self.pairs))
        small, place = _cone(self.graph, [literal for _, a, b in pairs for literal in (a, b)])
        swept = sweep(small)

        def now(literal: int) -> int:
            return swept.literal(place[literal >> 1] ^ literal & 1)

        for number, a, b in pairs:
            answer = swept.prover.different(now(a), now(b))
            if answer is None:
                return self.verdict("unknown", f"beat {number} is not decided")
            if isinstance(answer, dict):
                nodes = [node for node in place if node and self.graph.left[node] < 0]
                return self._refuted(number, a, b, {node: answer.get(now(2 * node) >> 1, 0) for node in nodes})
        return self.verdict("proved", f"{swept.asked} small proofs, {told}")

    def _refuted(self, number: int, a: int, b: int, values: dict[int, int]) -> Verdict:
        """The inputs for which two literals differ, once more without the solver."""
        run = self.graph.simulate(values, 1)
        if run[a >> 1] ^ a & 1 == run[b >> 1] ^ b & 1:
            return self.verdict("unknown", "the solver told inputs for which nothing differs")
        signals = {
            f"{name}[{n}]": (sum((run[bit >> 1] ^ bit & 1) << at for at, bit in enumerate(bits)),)
            for name, numbers in self.leaves.items()
            for n, bits in enumerate(numbers)
        }
        return self.verdict("refuted", f"beat {number} differs", Trace(broken=(f"beat {number}",), signals=signals))


def _cone(graph: Graph, literals: Sequence[int]) -> tuple[Graph, dict[int, int]]:
    """What some literals depend on, as a graph of its own; the literal there of each of its nodes."""
    wanted, stack = {0}, [literal >> 1 for literal in literals]
    while stack:
        node = stack.pop()
        if node not in wanted:
            wanted.add(node)
            if graph.left[node] >= 0:
                stack += [graph.left[node] >> 1, graph.right[node] >> 1]
    small = Graph()
    place = {0: 0}
    for node in sorted(wanted - {0}):
        a, b = graph.left[node], graph.right[node]
        place[node] = small.leaf() if a < 0 else small.both(place[a >> 1] ^ a & 1, place[b >> 1] ^ b & 1)
    return small, place


def _differs(graph: Graph, network: Network, definition: Definition, given: Frame) -> str:
    """Compare the definition with the golden model on drawn frames; where they differ, or nothing."""
    rng = np.random.default_rng(7)
    codes = rng.integers(0, network.input.format.codes, (_DRAWN, network.input.size))
    result, _ = definition.run(network.layers, given.codes.reshape(network.input.map.shape), network.input.map)
    values = {
        leaf >> 1: sum(int(code >> at & 1) << n for n, code in enumerate(codes[:, element]))
        for element, bits in enumerate(given.leaves)
        for at, leaf in enumerate(bits)
    }
    mask = (1 << _DRAWN) - 1
    run = graph.simulate(values, mask)
    found = np.array([_numbers(definition.word(number), run, mask) for number in result.reshape(-1)]).T
    return "" if (found == golden.run_slow(network, codes).scores).all() else "the definition is not the golden model"


def _numbers(word: Word, run: list[int], mask: int) -> list[int]:
    """A word in each pattern of a simulation."""
    planes = [run[bit >> 1] ^ (mask if bit & 1 else 0) for bit in word.bits]
    top = len(planes) - 1
    return [
        sum((plane >> n & 1) << at for at, plane in enumerate(planes[:-1])) - ((planes[-1] >> n & 1) << top)
        for n in range(mask.bit_length())
    ]
