"""The README of a folder with several chips: what to connect, for the person who builds the boards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..input_words import counted

if TYPE_CHECKING:
    from .design import ChipsDesign

__all__ = ["readme"]


def readme(design: ChipsDesign) -> str:
    """The page as Markdown."""
    name, count = design.network.name, len(design.designs)
    chips = "\n".join(
        f"| `chip{number}` | `{design.module(number)}` | {one.target.part or 'any'} | "
        f"{', '.join(layer.name for layer in one.network.layers)} |"
        for number, one in enumerate(design.designs)
    )
    channels = "\n".join(
        f"| `chip{number}` to `chip{number + 1}` | {one.channel.layer} | {one.channel.bits} | {one.channel.beats:,} | "
        f"{one.channel.credits:,} | {one.channel.latency} |"
        for number, one in enumerate(design.joints)
    )
    timing = design.timing
    group = "a frame" if design.pipelines[0].parallel_frames == 1 else f"{design.pipelines[0].parallel_frames} frames"
    rate = design.clock / float(timing.interval) * design.pipelines[0].parallel_frames
    return f"""# {name} on {count} chips

| folder | top module | part | layers |
|---|---|---|---|
{chips}

Each folder has what one chip needs: its accelerator, and in `{name}_N_chip.v` a module with it and the ends of its
channels. Its README describes the streams `i` and `o`: those of the first and the last chip are the input and the
result. `{name}.v` has all chips in one module, for simulation; `bitweir simulate` compares them with the golden model.

| channel | carries what leaves layer | bits of a beat | beats for each frame | credits | cycles of latency |
|---|---|---|---|---|---|
{channels}

Connect `tx` of a chip to `rx` of the next one, by wires or by anything that carries an AXI4-Stream: `valid` is
`tvalid`, `ready` is `tready`, `payload` is `tdata`. `rx` is always ready where the sender has no more credits than it
was made for, so what lies between need not hold beats back. `rx_credit` goes to `tx_credit`, one wire: it is 1 in a
cycle for each credit that comes back. All chips have one clock frequency; a chip must leave reset before the one that
sends to it, or with it.

At {design.clock / 1e6:.6g} MHz, {group} every {counted(timing.interval, "cycle")}: {rate:,.0f} frames/s, with a latency
of {counted(timing.latency, "cycle")}, if each channel takes as many cycles from chip to chip as the table says. Where
they take others, results are the same, and only later or sooner.
"""
