"""Accelerators of small networks give what the golden model says, for all inputs, as mapped netlists."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

import numpy as np
from bitweir_hw.accelerator import Accelerator
from bitweir_hw.lower import lower
from bitweir_hw.network import Dense, Network
from bitweir_sim.formal import Verdict
from bitweir_sim.formal.words import Word

from .claim import Case, Claim
from .definition import Definition
from .equal import METHOD, TOOL, accelerator_values
from .netlists import FAMILIES, mapped, part
from .small_networks import Small, small_networks, wired_networks

__all__ = ["CLAIMS"]


def decide(
    family: str, names: tuple[str, ...] = (), networks: Callable[[], Iterator[Small]] = small_networks
) -> Verdict:
    """Prove small networks, in one netlist; the first that is not proved, else the last.

    Parameters
    ----------
    family : str
    names : tuple of str
        How the names of the networks begin; all if none is given.
    networks : callable
        Gives them.
    """
    some = [small for small in networks() if not names or small.name.startswith(names)]
    pipelines = [lower(small.network, small.plan(family)) for small in some]
    circuit = mapped(family, [Accelerator(pipeline) for pipeline in pipelines])
    for number, (small, pipeline) in enumerate(zip(some, pipelines, strict=True)):
        verdict = accelerator_values(part(circuit, number), small.network, pipeline, stalls=small.stalls)
        if verdict.status != "proved":
            return replace(verdict, told=f"{small.name}: {verdict.told}")
    return verdict


class LastLeads(Definition):
    """Of equal scores, the last one leads."""

    def leads(self, scores: list[Word]) -> list[int]:
        return super().leads(scores[::-1])[::-1]


def _first(name: str) -> Small:
    return next(small for small in small_networks() if small.name.startswith(name))


def wrong(
    name: str, other: Network | None = None, said: type[Definition] = Definition, family: str = "ecp5"
) -> Verdict:
    """Compare the accelerator of a small network with what is not its definition."""
    small = _first(name)
    pipeline = lower(small.network, small.plan(family))
    circuit = part(mapped(family, [Accelerator(pipeline)]), 0)
    return accelerator_values(circuit, small.network, pipeline, said=said, wrong=other)


def _other(name: str, change: str) -> Network:
    """A small network whose first layer is another one."""
    network = _first(name).network
    dense = network.layers[0]
    assert isinstance(dense, Dense)
    if change == "threshold":
        assert dense.thresholds is not None
        # Sums of seven signs are odd: a threshold of 0 is one of 1, and the next one is 2.
        layer = replace(dense, thresholds=dense.thresholds + np.array([[2], [0], [0], [0]]))
    elif change == "plane":
        layer = replace(dense, weights=np.where(dense.weights == -1, 0, dense.weights))
    else:
        layer = replace(dense, weights=dense.weights[::-1])
    return replace(network, layers=(layer, *network.layers[1:]))


def cases() -> Iterator[Case]:
    """ECP5 with all of the networks, other families with some, and with all in a long run."""
    some = ("thresholds in and out of reach, 3x2", "class of 3", "two layers, wired")
    yield Case(name=f"ecp5, {some[0]}", run=partial(decide, "ecp5", some[:1]), quick=True)
    yield Case(name="ecp5, all of the networks", run=partial(decide, "ecp5"))
    for family in FAMILIES[1:]:
        yield Case(name=f"{family}, {'; '.join(some)}", run=partial(decide, family, some))
        yield Case(name=f"{family}, all of the networks", run=partial(decide, family), thorough=True)
    for family in FAMILIES:
        run = partial(decide, family, networks=wired_networks)
        yield Case(name=f"{family}, wired layers of up to 16 inputs", run=run, thorough=True)


def faults() -> Iterator[Case]:
    """Definitions of something else."""
    thresholds, planes = "thresholds in and out of reach, 3x2", "inputs of 2 bits, weights -1, 0 and +1"
    yield Case(
        name="a preset is off by one", run=partial(wrong, thresholds, _other(thresholds, "threshold")), quick=True
    )
    for family in FAMILIES[1:]:
        yield Case(
            name=f"{family}, a preset is off by one",
            run=partial(wrong, thresholds, _other(thresholds, "threshold"), family=family),
        )
    yield Case(name="the last of equal scores leads", run=partial(wrong, "class of 3", None, LastLeads))
    yield Case(name="the last of equal scores leads, tree", run=partial(wrong, "class of 6", None, LastLeads))
    yield Case(name="a plane of weights is dropped", run=partial(wrong, planes, _other(planes, "plane")))
    yield Case(
        name="neurons change places", run=partial(wrong, "two layers, wired", _other("two layers, wired", "rows"))
    )


CLAIMS = (
    Claim(
        name="values",
        says="In a mapped netlist, an accelerator gives for each frame what the golden model says, for all inputs.",
        parameters="accelerators of small networks: thresholds in and out of reach, several of a neuron, pads in both "
        "directions of a folding, inputs of several bits, with and without signs, weights of several planes, wired "
        "layers, whole and in steps, affine and piecewise scores, class and vote among equal scores in trees, all "
        "pairs and lanes, pools, a mean, a padded convolution, sums of branches; all of them on ECP5, some on iCE40, "
        "Gowin and Xilinx 7, with `--all` all on each, and wired layers of up to 16 inputs; two frames in a row, "
        "behind any number of others",
        method=METHOD,
        tool=TOOL,
        fault="a preset that is off by one, the last of equal scores in place of the first, a plane of weights that is "
        "dropped, or neurons that change places",
        cases=cases,
        faults=faults,
    ),
)
