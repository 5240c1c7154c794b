"""Specifications of blocks that are proved: of each kind, as they occur in networks."""

from __future__ import annotations

from collections.abc import Iterator

from bitweir_hw.blocks import BlockSpec
from bitweir_hw.lower import lower
from bitweir_hw.plan import plan_from_foldings
from support.samples import every_kind, network_of_bits, streamed_example

__all__ = ["sampled"]


def sampled() -> Iterator[tuple[str, BlockSpec]]:
    """Every kind of block in its place in small networks: plain, with two frames side by side, with streamed weights.

    Equal ones, but for their names, come once. So do wired layers that take bits in steps.
    """
    bits = network_of_bits()
    pipelines = {
        "class": lower(*every_kind()),
        "scores": lower(*every_kind(kind="scores")),
        "2 frames": lower(*every_kind(streams=2, wired=False)),
        "streamed": lower(*streamed_example()),
        "steps": lower(bits, plan_from_foldings(bits, "wired/3,wired/2,wired/2")),
    }
    seen = set[str]()
    for network, pipeline in pipelines.items():
        for block in pipeline.blocks:
            told = repr({**vars(block), "name": "", "layer": ""})
            if told not in seen:
                seen.add(told)
                yield f"{network} {block.name}", block
