"""A layer gives the same in each folding: of each unit, for all inputs and all weights that are loaded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from bitweir_hw.accelerator.parameters import contents
from bitweir_hw.blocks import MatVecSpec, block_of
from bitweir_hw.blocks.pipeline import Pipeline
from bitweir_hw.lower import lower
from bitweir_hw.network import BIPOLAR, LABEL, Dense, Format, Network
from bitweir_hw.plan import plan_from_foldings
from bitweir_hw.popcount import Popcount
from bitweir_sim.formal import Circuit, Verdict
from bitweir_sim.formal.words import Word
from numpy.typing import NDArray

from .claim import Case, Claim
from .definition import Definition, Words
from .equal import METHOD, TOOL, Equality, frame, packed
from .netlists import FAMILIES, mapped, part
from .small_networks import network

__all__ = ["CLAIMS"]

#: SIMD and PE, some of which divide nothing; and bytes that are loaded in a cycle.
LOADED = {"5x3": 2, "1x1": 1, "2x3": 4, "3x2": 1, "5x1": 1, "1x2": 2}
FOLDINGS = tuple(LOADED)
#: Layers, see `layer_of`.
KINDS = ("signs", "sums")


def layer_of(kind: str) -> Network:
    """A layer of 5 inputs and 3 neurons: of signs with thresholds, or with sums of small integers."""
    if kind == "signs":
        dense = Dense(name="dense", weights=np.zeros((3, 5), bool), thresholds=np.array([[0], [3], [-2]]), output=LABEL)
        return network((5,), BIPOLAR, dense, kind="labels")
    dense = Dense(name="dense", weights=np.array([[-2, 1, 0, 0, 0]] + [[0] * 5] * 2))
    return network((5,), Format(bits=2), dense, kind="scores")


def pipeline_of(layer: Network, folding: str, family: str, weights: NDArray[Any] | None = None) -> Pipeline:
    """The pipeline of the layer, with other weights in RAM; as wide as those of the layer itself need."""
    plan = plan_from_foldings(layer, folding, popcount=Popcount.of(family))
    (dense,) = layer.layers
    assert isinstance(dense, Dense)
    if dense.weights.dtype != np.bool_:
        plan = replace(plan, limits=(("dense.weights", -2, 1),))
    if weights is not None:
        layer = replace(layer, layers=(replace(dense, weights=weights),))
    return lower(layer, replace(plan, weights="ram", load_width=LOADED[folding]))


def unit_of(pipeline: Pipeline) -> MatVecSpec:
    """Its first block."""
    unit = pipeline.blocks[0]
    assert isinstance(unit, MatVecSpec)
    return unit


def symbolic(proof: Equality, layer: Network, folding: str, family: str) -> Words:
    """Words in place of the weights, and the cycles that load them.

    A plane of a weight is the bit of the image that changes with it. It may be anything; what pads words stays.
    """
    (dense,) = layer.layers
    assert isinstance(dense, Dense)
    nothing = np.zeros_like(dense.weights)
    spec = unit_of(pipeline_of(layer, folding, family, nothing))
    image = [bit for memory in contents(spec) for byte in memory.to_bytes() for bit in _bits(byte)]
    loaded = list(image)
    words = np.empty(nothing.shape, object)
    for at in np.ndindex(*nothing.shape):
        total = Word(proof.graph, (0,)) - (1 if spec.planes[0].xnor else 0)
        for plane in spec.planes:
            weights = nothing.copy()
            weights[at] = True if plane.xnor else (-1 if plane.negative else 1) << plane.exponent
            other = unit_of(pipeline_of(layer, folding, family, weights))
            changed = [bit for memory in contents(other) for byte in memory.to_bytes() for bit in _bits(byte)]
            (place,) = [n for n, (a, b) in enumerate(zip(image, changed, strict=True)) if a != b]
            loaded[place] = proof.graph.leaf()
            proof.loaded.append(loaded[place])
            size = 2 if plane.xnor else int(weights[at])
            total = total + Word.unsigned(proof.graph, [loaded[place]]) * size
        words[at] = total
    proof.leaves["weights"] = [list(word.bits) for word in words.reshape(-1)]
    proof.prelude, size = [{"load__start": [1]}], 8 * LOADED[folding]
    proof.prelude += [{"load__valid": [1], "load__data": loaded[n : n + size]} for n in range(0, len(loaded), size)]
    # The last word is written a cycle later.
    proof.prelude += [{}] * 4
    return words


def _bits(byte: int) -> list[int]:
    return [byte >> place & 1 for place in range(8)]


def unit_values(circuit: Circuit, layer: Network, folding: str, family: str, swapped: bool = False) -> Verdict:
    """Prove that a unit gives what the definition says of two vectors in a row, whatever its weights are.

    Parameters
    ----------
    swapped : bool
        Planted: the weights of two inputs of the first neuron change places.
    """
    proof = Equality(circuit)
    graph = proof.graph
    pipeline = pipeline_of(layer, folding, family)
    node = pipeline.nodes[0]
    arrives, leaves = (pipeline.streams[numbers[0]] for numbers in (node.inputs, node.outputs))
    words = symbolic(proof, layer, folding, family)
    if swapped:
        words[0, [0, 1]] = words[0, [1, 0]]
    beats, expected = [], []
    definition = Definition(graph, {"dense": words})
    for _ in range(2):
        one = frame(graph, layer)
        proof.leaves.setdefault("codes", []).extend(one.leaves)
        beats += packed([one.leaves], arrives, graph.leaf)
        found, _ = definition.run(layer.layers, one.codes.reshape(layer.input.map.shape), layer.input.map)
        numbers = [definition.word(number) for number in found.reshape(-1)]
        expected += packed([[word.padded(leaves.lane_bits) for word in numbers]], leaves, lambda: None)
        for word in numbers:
            sign = word.bits[-1] if leaves.signed else 0
            proof.pairs += [(0, bit, sign) for bit in word.bits[leaves.lane_bits - leaves.signed :]]
    return proof.decided(beats, expected)


def decide(family: str, kind: str, foldings: tuple[str, ...], swapped: bool = False) -> Verdict:
    """Prove some foldings of one layer, which then give the same; the first that is not proved, else the last."""
    layer = layer_of(kind)
    units = [unit_of(pipeline_of(layer, folding, family)) for folding in foldings]
    circuit = mapped(family, [block_of(unit).component(unit) for unit in units])
    for number, folding in enumerate(foldings):
        verdict = unit_values(part(circuit, number), layer, folding, family, swapped)
        if verdict.status != "proved":
            return replace(verdict, told=f"{folding}: {verdict.told}")
    return verdict


def cases() -> Iterator[Case]:
    """Of each family: one netlist with all foldings."""
    yield Case(name="ecp5, signs, two foldings", run=partial(decide, "ecp5", "signs", FOLDINGS[1:3]), quick=True)
    for family in FAMILIES:
        for kind in KINDS:
            yield Case(
                name=f"{family}, {kind}, {', '.join(FOLDINGS)}", run=partial(decide, family, kind, FOLDINGS),
                thorough=kind != "signs" and family != "ecp5",
            )  # fmt: skip


def faults() -> Iterator[Case]:
    """Weights in other places than those that the layer says."""
    # Of netlists that are proved, too.
    for kind, some in (("signs", FOLDINGS[1:3]), ("sums", FOLDINGS)):
        yield Case(
            name=f"{kind}, two weights change places", run=partial(decide, "ecp5", kind, some, True),
            quick=kind == "signs",
        )  # fmt: skip


CLAIMS = (
    Claim(
        name="foldings",
        says="In a mapped netlist, a layer whose weights are loaded gives the same in each folding: what the golden "
        "model says, for all inputs and all weights.",
        parameters=f"5 inputs and 3 neurons, folded {', '.join(FOLDINGS)}: signs with thresholds in and out of reach "
        "on ECP5, iCE40, Gowin and Xilinx 7, and sums of codes of 2 bits with weights of 2 bits on ECP5, with `--all` "
        "on all; two vectors in a row, behind any number of others; weights come 1, 2 or 4 bytes a cycle",
        method=METHOD,
        tool=TOOL,
        fault="two weights that change places",
        cases=cases,
        faults=faults,
    ),
)
