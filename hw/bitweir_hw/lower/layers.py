"""From a network and a plan to blocks and streams."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import ceil, gcd
from typing import Any

from ..arithmetic import ceil_div, divisors, signed_bits
from ..blocks import (
    AddSpec,
    ArgmaxSpec,
    ChoiceSpec,
    ConcatSpec,
    FifoSpec,
    ForkSpec,
    MatVecSpec,
    ResultSpec,
    VoteSpec,
    WiredSpec,
)
from ..blocks.pipeline import Pipeline
from ..errors import PlanError
from ..memory import WIRED
from ..network.layers import (
    Affine,
    Argmax,
    Branched,
    Concat,
    Conv,
    Dense,
    Layer,
    Map,
    Parallel,
    Piecewise,
    Pool,
    Select,
    Threshold,
    Upsample,
    Vote,
)
from ..network.network import Network
from ..plan import Plan, check_plan, cycles_of, groups_at_once, word_choices
from .accumulators import pad_code, sign_only
from .builder import Builder, Cursor
from .elementwise import affine, piecewise, threshold
from .moves import select, upsample
from .pools import pool, window

__all__ = ["LOWERINGS", "build", "fork", "lower", "meet", "meeting_lanes"]

#: Beats that the registers of a branch without windows may hold.
UNDER_WAY = 64


def lower(network: Network, plan: Plan) -> Pipeline:
    """The blocks of an accelerator and the streams between them.

    Parameters
    ----------
    network : Network
        As `network.check` lets it pass.
    plan : Plan

    Raises
    ------
    PlanError
        The plan does not fit.
    """
    pipeline = build(Builder(network, check_plan(network, plan)))
    fifos = dict.fromkeys(block.name for block in pipeline.blocks if isinstance(block, FifoSpec))
    for name, _ in plan.depths:
        if name not in fifos:
            told = f"it has {', '.join(fifos)}" if fifos else "it has none"
            raise PlanError(f"The plan must give depths of FIFOs of the accelerator, not of {name!r}: {told}.")
    return pipeline


def build(builder: Builder) -> Pipeline:
    """The blocks that a builder makes of its network."""
    network, plan = builder.network, builder.plan
    end = _series(builder, network.layers, builder.start())
    kind = network.readout.kind
    name = "argmax" if kind == "class" else "result"
    # A map is one vector here: its pixels follow one another.
    end = builder.widened(end, name, _result_lanes(builder, end.map), length=end.map.size)
    make: Callable[..., ArgmaxSpec | ResultSpec] = ArgmaxSpec if kind == "class" else partial(ResultSpec, kind=kind)
    spec = make(
        name=builder.name(name),
        layer=name,
        classes=end.map.size,
        lanes=end.lanes,
        lane_bits=end.lane_bits,
        parallel_frames=plan.parallel_frames,
        stage_levels=builder.stage_levels if kind == "class" else 0,
    )
    builder.put(spec, end, replace(end, stream=None))
    return builder.pipeline()


def _result_lanes(builder: Builder, result: Map) -> int:
    """Fewest elements a beat that keep up, of which whole beats make a pixel where there are several."""
    needed = builder.lanes_needed(result)
    return needed if result.pixels == 1 else next(d for d in divisors(result.channels) if d >= needed)


def _series(builder: Builder, layers: tuple[Layer, ...], cursor: Cursor) -> Cursor:
    for layer in layers:
        cursor = LOWERINGS[type(layer)](builder, layer, cursor)
    return cursor


# ---- layers with weights


def _dense(builder: Builder, layer: Dense, cursor: Cursor) -> Cursor:
    source = cursor.map
    cursor = builder.widened(cursor, layer.name, builder.folding(layer).simd, length=layer.inputs)
    return _matvec(builder, layer, source, cursor)


def _conv(builder: Builder, layer: Conv, cursor: Cursor) -> Cursor:
    source, folding = cursor.map, builder.folding(layer)
    at_once = groups_at_once(layer, folding.pe)
    simd = at_once * folding.simd
    if layer.kernel == (1, 1) and layer.stride == (1, 1):
        cursor = builder.widened(cursor, layer.name, simd, length=at_once * layer.inputs)
        return _matvec(builder, layer, source, cursor)
    lanes, taps = _window_lanes(builder, layer, source)
    cursor = builder.widened(cursor, layer.name, lanes, length=source.channels)
    code = pad_code(layer, source, cursor.lane_bits)
    cursor = window(builder, layer, cursor, groups=layer.groups // at_once, taps=taps, pads=[code] * source.channels)
    return _matvec(builder, layer, source, builder.widened(cursor, layer.name, simd))


def _window_lanes(builder: Builder, layer: Conv, source: Map) -> tuple[int, int]:
    """Channels of a word and taps of a beat with which windows keep up: those that the unit takes, or the fewest."""
    folding = builder.folding(layer)
    at_once = groups_at_once(layer, folding.pe)
    fold = ceil_div(layer.outputs // layer.groups, folding.pe) * ceil_div(layer.inputs, folding.simd) * folding.steps
    cycles = cycles_of(layer, builder.output_map(layer, source), folding)
    choices = word_choices(at_once * source.channels // layer.groups, layer.kernel)

    def rank(choice: tuple[int, int]) -> tuple[bool, bool, bool, int]:
        lanes, taps = choice
        late_out = at_once * layer.inputs // (lanes * taps) > fold
        late_in = source.size // lanes > max(cycles, builder.ii)
        return late_out, late_in, lanes * taps != at_once * folding.simd, lanes * taps

    return min(choices, key=rank)


def _matvec(builder: Builder, layer: Dense | Conv, source: Map, cursor: Cursor) -> Cursor:
    result = builder.output_map(layer, source)
    unit = replace(builder.unit(layer, source, result, cursor.lane_bits), name=builder.name(layer.name))
    folding = builder.folding(layer)
    spec = _wired(builder, layer, unit, folding.steps) if folding.memory == WIRED else unit
    sums = builder.output_map(replace(layer, thresholds=None, output=None), source)
    # Wired sums count thresholds themselves, unless their offsets differ between pixels.
    counted = isinstance(spec, WiredSpec) and spec.thresholds is not None
    done = sign_only(layer) or layer.thresholds is None or counted
    end = Cursor(
        stream=None,
        layer=layer.name if done else f"{layer.name}.sums",
        map=result if done else sums,
        length=unit.rows,
        vectors=unit.vectors,
        lanes=unit.pe,
        lane_bits=spec.o_lane_bits,
    )
    cursor = builder.put_datapath(spec, cursor, end) if isinstance(spec, WiredSpec) else builder.put(spec, cursor, end)
    if done:
        return cursor
    assert layer.output is not None and layer.thresholds is not None
    own = Threshold(name=layer.name, thresholds=layer.thresholds, output=layer.output)
    return threshold(builder, own, cursor, name=f"{layer.name}_levels")


def _wired(builder: Builder, layer: Dense | Conv, unit: MatVecSpec, steps: int) -> WiredSpec:
    """The block of a wired layer in place of its unit, with thresholds where these are the same for all pixels."""
    unit = replace(unit, popcount=builder.plan.popcount)
    if layer.thresholds is None or sign_only(layer) or len(unit.initial_accumulators) > 1:
        return WiredSpec.of(unit, steps=steps)
    assert layer.output is not None
    return WiredSpec.of(unit, layer.thresholds, layer.output.bits, steps)


# ---- layers without


def _vote(builder: Builder, layer: Vote, cursor: Cursor) -> Cursor:
    source = cursor.map
    cursor = builder.widened(cursor, layer.name, builder.lanes_needed(source), length=source.channels)
    spec = VoteSpec(
        name=builder.name(layer.name),
        layer=layer.name,
        classes=source.channels,
        lanes=cursor.lanes,
        lane_bits=cursor.lane_bits,
        signed=source.format is None,
        parallel_frames=builder.plan.parallel_frames,
        stage_levels=builder.stage_levels,
    )
    end = replace(cursor, layer=layer.name, map=builder.output_map(layer, source), lanes=source.channels, lane_bits=1)
    return builder.put(spec, cursor, end)


def _argmax(builder: Builder, layer: Argmax, cursor: Cursor) -> Cursor:
    source = cursor.map
    cursor = builder.widened(cursor, layer.name, builder.lanes_needed(source), length=source.channels)
    spec = ChoiceSpec(
        name=builder.name(layer.name),
        layer=layer.name,
        classes=source.channels,
        lanes=cursor.lanes,
        lane_bits=cursor.lane_bits,
        signed=source.format is None,
        pixels=source.pixels,
        parallel_frames=builder.plan.parallel_frames,
        stage_levels=builder.stage_levels,
    )
    end = replace(
        cursor, layer=layer.name, map=builder.output_map(layer, source), length=1, lanes=1, lane_bits=spec.index_bits,
        window=None,
    )  # fmt: skip
    return builder.put(spec, cursor, end)


# ---- branches


def _branched(builder: Builder, layer: Branched, cursor: Cursor) -> Cursor:
    starts = fork(builder, layer, cursor)
    ends = [_series(builder, branch, start) for branch, start in zip(layer.branches, starts, strict=True)]
    return meet(builder, layer, ends, builder.output_map(layer, cursor.map))


def fork(builder: Builder, layer: Branched, cursor: Cursor) -> list[Cursor]:
    """The start of each branch, behind a FIFO.

    What a branch takes later than another one waits there, and would else make that one wait. The slowest
    branch waits only for what others have under way.
    """
    source = cursor.map
    if cursor.stream is None:
        cursor = builder.widened(cursor, layer.name, builder.lanes_needed(source))
    beats = cursor.vectors * ceil_div(cursor.length, cursor.lanes)
    spec = ForkSpec(
        name=builder.name(f"{layer.name}_fork"),
        layer=layer.name,
        outputs=len(layer.branches),
        bits=cursor.lanes * cursor.lane_bits * builder.plan.parallel_frames,
        beats=beats,
    )
    delays = [_delay(builder, branch, source) for branch in layer.branches]
    slowest = delays.index(max(delays))
    starts = []
    for index, start in enumerate(builder.put_fork(spec, cursor)):
        enough = UNDER_WAY if index == slowest else max(2 * beats, UNDER_WAY)
        # The share of a frame by which the slowest branch is later, and a little more under way.
        likely = ceil((delays[slowest] - delays[index]) * beats) + 4
        name = f"{layer.name}_fifo{index}"
        starts.append(builder.buffered(start, layer.name, name, enough=enough, likely=min(enough, likely)))
    return starts


def meet(builder: Builder, layer: Branched, ends: list[Cursor], result: Map) -> Cursor:
    """The block in which the branches meet, and what brings them to the lanes that it takes."""
    lanes = meeting_lanes(builder, layer, [end.map.channels for end in ends], result)
    taken = []
    for index, (branch, end, count) in enumerate(zip(layer.branches, ends, lanes, strict=True)):
        channels = end.map.channels
        cursor = builder.widened(end, layer.name, count, length=channels)
        if isinstance(layer, Concat) and count < channels and (branch or cursor.stream != end.stream):
            # A branch goes on while others have their turn. What only hands on has a FIFO at its start.
            beats = channels // count
            cursor = builder.buffered(
                cursor, layer.name, f"{layer.name}_turn{index}", enough=2 * beats + 2, likely=beats
            )
        taken.append(cursor)
    return MEETINGS[type(layer)](builder, layer, taken, result)


def meeting_lanes(builder: Builder, layer: Branched, channels: list[int], result: Map) -> tuple[int, ...]:
    """Lanes at the end of each branch, of so many channels.

    Of channels that follow one another, one branch at a time has its turn, with words that hold no elements of two
    branches; where these are too small to keep up, all of a pixel come at once.
    """
    if isinstance(layer, Parallel):
        return (builder.lanes_needed(result),) * len(channels)
    lanes = _concat_lanes(builder, channels, result)
    return tuple(channels) if lanes == result.channels else (lanes,) * len(channels)


def _join(builder: Builder, layer: Parallel, ends: list[Cursor], result: Map) -> Cursor:
    lanes = ends[0].lanes
    bits = signed_bits(result.low, result.high)
    spec = AddSpec(
        name=builder.name(layer.name),
        layer=layer.name,
        lanes=lanes,
        i_lane_bits=tuple(end.lane_bits for end in ends),
        formats=tuple(end.map.format for end in ends),
        factors=layer.factors,
        o_lane_bits=bits,
        beats=result.pixels * ceil_div(result.channels, lanes),
        parallel_frames=builder.plan.parallel_frames,
        **builder.stages,
    )
    end = Cursor(
        stream=None, layer=layer.name, map=result, length=result.channels, vectors=result.pixels, lanes=lanes,
        lane_bits=bits,
    )  # fmt: skip
    return builder.put(spec, *ends, end)


def _concat_lanes(builder: Builder, channels: list[int], result: Map) -> int:
    """Fewest elements a beat that keep up and of which each branch has whole beats; or else all of a pixel."""
    needed = builder.lanes_needed(result)
    return next((lanes for lanes in divisors(gcd(*channels)) if lanes >= needed), result.channels)


def _concat(builder: Builder, layer: Concat, ends: list[Cursor], result: Map) -> Cursor:
    bits = signed_bits(result.low, result.high) if result.format is None else result.format.bits
    channels = [end.map.channels for end in ends]
    spec = ConcatSpec(
        name=builder.name(layer.name),
        layer=layer.name,
        channels=tuple(channels),
        lanes=_concat_lanes(builder, channels, result),
        i_lane_bits=tuple(end.lane_bits for end in ends),
        o_lane_bits=bits,
        signed=result.format is None,
        pixels=result.pixels,
        parallel_frames=builder.plan.parallel_frames,
    )
    end = Cursor(
        stream=None, layer=layer.name, map=result, length=result.channels, vectors=result.pixels, lanes=spec.lanes,
        lane_bits=bits,
    )  # fmt: skip
    return builder.put(spec, *ends, end)


def _delay(builder: Builder, layers: tuple[Layer, ...], source: Map) -> float:
    """How much of a frame a branch takes before its first result, as a share."""
    delay = 0.0
    for layer in layers:
        if isinstance(layer, Conv | Pool):
            rows = layer.kernel[0] - layer.pads[0] - 1
            delay += (rows * source.shape[1] + layer.kernel[1] - layer.pads[1]) / source.pixels
        elif isinstance(layer, Dense | Vote):
            delay += 1.0
        elif isinstance(layer, Branched):
            delay += max(_delay(builder, branch, source) for branch in layer.branches)
        source = builder.output_map(layer, source)
        if isinstance(layer, Conv):
            # Pixels that share weights are all there before the first begins, and all done before the first leaves.
            delay += 2 * (builder.folding(layer).share - 1) / source.pixels
    return delay


#: The block in which the branches of each kind of layer meet.
MEETINGS: dict[type, Callable[[Builder, Any, list[Cursor], Map], Cursor]] = {Parallel: _join, Concat: _concat}
#: How each kind of layer becomes blocks.
LOWERINGS: dict[type, Callable[[Builder, Any, Cursor], Cursor]] = {
    Dense: _dense,
    Conv: _conv,
    Pool: pool,
    Threshold: threshold,
    Affine: affine,
    Piecewise: piecewise,
    Vote: _vote,
    Argmax: _argmax,
    Upsample: upsample,
    Select: select,
    Parallel: _branched,
    Concat: _branched,
}
