"""Specifications of blocks that are proved: of each kind, as they occur in networks."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import bitweir
from bitweir.shipped import NETWORKS, model_file
from bitweir_hw.blocks import BlockSpec, Pipeline
from bitweir_hw.lower import lower
from bitweir_hw.plan import plan_for_fps, plan_from_foldings
from support.samples import dense_network, every_kind, network_of_bits, streamed_example

__all__ = ["SAMPLED", "pipelines", "sampled"]

#: What `sampled` gives, in words.
SAMPLED = (
    "every kind of block as in small networks, streamed weights among them, and the blocks of the shipped networks"
)

#: Hz, for which the shipped networks are planned.
CLOCK = 100e6


@cache
def sampled() -> tuple[tuple[str, BlockSpec], ...]:
    """Every kind of block in its place in small networks, and those of the shipped networks.

    Equal ones, but for their names, come once.
    """
    found, seen = list[tuple[str, BlockSpec]](), set[str]()
    for network, pipeline in pipelines():
        for block in (node.block for node in pipeline.nodes):
            told = repr({**vars(block), "name": "", "layer": ""})
            if told not in seen:
                seen.add(told)
                found.append((f"{network} {block.name}", block))
    return tuple(found)


def pipelines() -> Iterator[tuple[str, Pipeline]]:
    """Small networks, and the shipped ones as the demonstration builds them.

    Of the small ones, one has streamed weights, one has wired layers that take bits in steps, and one a chain of them.
    """
    yield "class", lower(*every_kind())
    yield "scores", lower(*every_kind(kind="scores"))
    yield "streamed", lower(*streamed_example())
    bits = network_of_bits()
    yield "steps", lower(bits, plan_from_foldings(bits, "wired/3,wired/2,wired/2"))
    dense = dense_network(6, 5, 4, 3)
    yield "chain", lower(dense, plan_from_foldings(dense, "wired"))
    for name, bundled in NETWORKS.items():
        network = bitweir.load(model_file(name), input_scale=bundled.input_scale, compare=False).network
        yield name, lower(network, plan_for_fps(network, bundled.fps, CLOCK))
