"""How far the cost model is off on whole accelerators that are drawn, none of which any coefficient was fitted to.

Networks of many kinds with plans of many kinds, the same ones for the same seed. Blocks go through Yosys as in
`tools.calibrate_cost`, which keeps what it measured.

    python -m tools.calibrate_cost.drawn [--family ecp5] [--count 16] [--first 0] [--write]

--write puts the bands into the package, from where reports take them, and into docs/cost-model.md. With --first N,
others are drawn than those of the bands, and compared with these.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
from bitweir.planning import PlanRequest, choose
from bitweir.synthesis import flows
from bitweir_hw.blocks import MatVecSpec, WiredSpec
from bitweir_hw.blocks.pipeline import Pipeline
from bitweir_hw.cost import estimate_pipeline
from bitweir_hw.cost.model import coefficients
from bitweir_hw.errors import PlanError
from bitweir_hw.lower import lower
from bitweir_hw.network import (
    BIPOLAR,
    LABEL,
    Affine,
    Conv,
    Dense,
    Format,
    Input,
    Layer,
    Network,
    Parallel,
    Pool,
    Readout,
    Threshold,
    Vote,
    check,
)
from bitweir_hw.plan import Folding, Plan, plan_for_fps, plan_from_foldings, weighted
from bitweir_hw.popcount import STYLE, Popcount

from tools.calibrate_cost import FILE, measure
from tools.calibrate_cost.networks import print_head

Random = np.random.Generator

#: Networks of each family by which bands are told. Of so many that follow one another, the last ones are wired.
COUNT = 20
WIRED = 4
SEED = 20261129
#: Product bits a cycle that a design has: small ones are quick to map, and there may be more of them. Wired layers have
#: all of their products in each cycle.
LANES = (8, 100)
WIRED_LANES = (100, 1500)
#: The part whose logic a family's goals are for.
PARTS = {
    "ecp5": "ecp5-25k", "ice40": "ice40-up5k", "gowin": "gw1n-9", "xilinx": "xc7a35t", "ultrascale": "xczu3eg",
    "nexus": "lifcl-40", "gw5a": "gw5a-25",
}  # fmt: skip
DOCS = Path(__file__).parents[2] / "docs/cost-model.md"
#: Between these lines of it stands the table.
MARKS = ("<!-- drawn -->", "<!-- end -->")
TITLES = {
    "ecp5": "ECP5", "ice40": "iCE40", "gowin": "Gowin", "xilinx": "Xilinx 7", "ultrascale": "UltraScale+, as Xilinx 7",
    "nexus": "Nexus, as ECP5", "gw5a": "GW5A, as Gowin",
}  # fmt: skip


# ---- networks


def _weights(rng: Random, kind: str, *shape: int) -> Any:
    if kind == "binary":
        return rng.random(shape) < 0.5
    most = 1 if kind == "ternary" else int(rng.choice([3, 7]))
    return rng.integers(-most, most + 1, shape)


def _quantised(rng: Random, rows: int, inputs: int, source: Format) -> dict[str, Any]:
    """Thresholds and a format of one bit, or of two."""
    spread = max(1.0, inputs**0.5 * source.step * source.codes / 2)
    form = BIPOLAR if rng.random() < 0.75 else Format(bits=2)
    steps = np.sort(np.rint(rng.normal(0, spread, (rows, form.codes - 1))).astype(np.int64), axis=1)
    return {"thresholds": steps, "output": form}


def _entry(rng: Random, shape: tuple[int, int, int], *, wide: bool) -> Input:
    form = Format(bits=int(rng.choice([2, 4, 8]))) if wide else BIPOLAR
    size = int(np.prod(shape))
    levels = np.arange(1, form.codes, dtype=np.float64)[None] - 0.5
    return Input(shape=(size,), format=form, thresholds=levels, source=np.arange(size), map_shape=shape)


def _dense(rng: Random, name: str, source: Format, inputs: int, rows: int, kind: str = "binary") -> Dense:
    return Dense(name=name, weights=_weights(rng, kind, rows, inputs), **_quantised(rng, rows, inputs, source))


def _mlp(rng: Random, *, kind: str = "binary", wide: bool = False, affine: bool = False) -> Network:
    """Dense layers, of few classes or one output, with a scale of each class where it is asked for."""
    size = int(rng.integers(8, 80))
    entry, layers, form = _entry(rng, (1, 1, size), wide=wide), [], None
    form = entry.format
    for n in range(int(rng.integers(1, 3))):
        rows = int(rng.integers(4, 64))
        layers.append(_dense(rng, f"dense{n}", form, size, rows, kind))
        size, form = rows, layers[-1].output or BIPOLAR
    classes = 1 if rng.random() < 0.2 else int(rng.integers(2, 11))
    ends: list[Layer] = [*layers, Dense(name="last", weights=_weights(rng, kind, classes, size))]
    if affine:
        most = int(2 ** rng.uniform(2, 20))
        scale, offset = rng.integers(1, most + 1, classes), rng.integers(-most * 8, most * 8 + 1, classes)
        ends.append(Affine(name="scores", scale=scale, offset=offset))
    readout = Readout(kind="scores", scale=("1",), offset=("0",)) if classes == 1 else Readout()
    return check(Network(name="net", input=entry, layers=tuple(ends), readout=readout))


def _cnn(rng: Random, *, kind: str = "binary", wide: bool = False) -> Network:
    """Convolutions, padded or not, perhaps in groups; pooling; a dense layer."""
    side, channels = int(rng.integers(5, 11)), int(rng.choice([1, 2, 3, 4]))
    entry = _entry(rng, (side, side, channels), wide=wide)
    layers: list[Layer] = []
    source = entry.map
    for n in range(int(rng.integers(1, 3))):
        filters = int(rng.integers(2, 5)) * 2
        groups = 2 if channels % 2 == 0 and rng.random() < 0.2 else 1
        pad = int(rng.random() < 0.4)
        form = source.format or BIPOLAR
        layer = Conv(
            name=f"conv{n}", weights=_weights(rng, kind, filters, 3, 3, channels // groups), groups=groups,
            pads=(pad,) * 4, **_quantised(rng, filters, 9 * channels // groups, form),
        )  # fmt: skip
        layers.append(layer)
        source = layer.output_map(source)
        channels = filters
        if min(source.shape[:2]) >= 4 and rng.random() < 0.6:
            layers.append(Pool(name=f"pool{n}", kind="max", kernel=(2, 2), stride=(2, 2)))
            source = layers[-1].output_map(source)
        if min(source.shape[:2]) < 3:
            break
    classes = int(rng.integers(2, 11))
    layers.append(Dense(name="last", weights=_weights(rng, "binary", classes, int(np.prod(source.shape)))))
    return check(Network(name="net", input=entry, layers=tuple(layers)))


def _residual(rng: Random) -> Network:
    """A sum of a branch with weights and one without, of vectors or of maps; thresholds behind it."""
    maps = rng.random() < 0.5
    side, channels = (int(rng.integers(4, 8)), int(rng.integers(1, 3)) * 4) if maps else (1, int(rng.integers(8, 41)))
    entry = _entry(rng, (side, side, channels), wide=False)
    if maps:
        weights = _weights(rng, "binary", channels, 3, 3, channels)
        branch: Layer = Conv(name="conv", weights=weights, pads=(1, 1, 1, 1))
    else:
        branch = Dense(name="dense", weights=_weights(rng, "binary", channels, channels))
    shortcut = int(rng.integers(1, 6))
    total = Parallel(name="sum", branches=((branch,), ()), weights=(1, shortcut))
    steps = np.rint(rng.normal(0, channels**0.5 + shortcut, (channels, 1))).astype(np.int64)
    quantise = Threshold(name="sign", thresholds=steps, output=BIPOLAR)
    classes = int(rng.integers(2, 11))
    last = Dense(name="last", weights=_weights(rng, "binary", classes, side * side * channels))
    return check(Network(name="net", input=entry, layers=(total, quantise, last)))


def _votes(rng: Random) -> Network:
    """Networks side by side, each with a vote."""
    size, rows, classes = (int(rng.integers(low, high)) for low, high in ((8, 33), (4, 17), (2, 7)))
    entry = _entry(rng, (1, 1, size), wide=False)
    branches = tuple(
        (
            _dense(rng, f"dense{n}", BIPOLAR, size, rows),
            Dense(name=f"last{n}", weights=_weights(rng, "binary", classes, rows)),
            Vote(name=f"vote{n}"),
        )
        for n in range(2)
    )
    return check(Network(name="net", input=entry, layers=(Parallel(name="votes", branches=branches),)))


def _labels(rng: Random) -> Network:
    """Dense layers whose last one has thresholds: independent labels, or codes."""
    size = int(rng.integers(8, 64))
    entry, layers, form = _entry(rng, (1, 1, size), wide=rng.random() < 0.3), [], None
    form = entry.format
    for n in range(int(rng.integers(0, 2))):
        rows = int(rng.integers(4, 48))
        layers.append(_dense(rng, f"dense{n}", form, size, rows))
        size, form = rows, layers[-1].output or BIPOLAR
    rows, labels = int(rng.integers(1, 13)), rng.random() < 0.5
    layers.append(_dense(rng, "last", form, size, rows, str(rng.choice(["binary", "ternary", "integer"]))))
    if labels:
        layers[-1] = replace(layers[-1], thresholds=layers[-1].thresholds[:, :1], output=LABEL)
    readout = Readout(kind="labels") if labels else Readout(kind="codes", scale=("1",), offset=("0",))
    return check(Network(name="net", input=entry, layers=tuple(layers), readout=readout))


#: What is drawn in turn.
KINDS: dict[str, Callable[[Random], Network]] = {
    "mlp": _mlp,
    "cnn": _cnn,
    "mlp, affine scores": lambda rng: _mlp(rng, affine=True),
    "residual": _residual,
    "mlp, input of more bits": lambda rng: _mlp(rng, wide=True),
    "cnn, ternary": lambda rng: _cnn(rng, kind="ternary"),
    "mlp, integer weights": lambda rng: _mlp(rng, kind="integer"),
    "cnn, input of more bits": lambda rng: _cnn(rng, wide=True),
    "votes": _votes,
    "labels or codes": _labels,
}


# ---- plans


def _folded(rng: Random, network: Network, popcount: Popcount) -> Plan:
    """Foldings that are drawn, dividing or not; weights in any memory; perhaps two frames side by side."""
    foldings = []
    for layer, _ in weighted(network):
        pe, simd = (
            max(1, int(2 ** rng.uniform(0, np.log2(limit)))) for limit in (layer.outputs // layer.groups, layer.inputs)
        )
        foldings.append(Folding(pe=pe, simd=simd, memory=str(rng.choice(["auto", "auto", "lut", "block"]))))
    return Plan(foldings=tuple(foldings), popcount=popcount, parallel_frames=2 if rng.random() < 0.15 else 1)


def _unrolled(rng: Random, network: Network, popcount: Popcount) -> Plan:
    """Dense layers at once, of convolutions a pixel."""
    foldings = (Folding(pe=layer.outputs // layer.groups, simd=layer.inputs) for layer, _ in weighted(network))
    return Plan(foldings=tuple(foldings), popcount=popcount)


def _wired(rng: Random, network: Network, popcount: Popcount) -> Plan:
    """All layers wired."""
    return plan_from_foldings(network, "wired", popcount=popcount)


def _rate(rng: Random, network: Network, popcount: Popcount) -> Plan:
    return plan_for_fps(network, 10 ** rng.uniform(4, 6.7), 100e6, popcount=popcount)


def _goal(goal: str, family: str, rng: Random, network: Network, popcount: Popcount) -> Plan:
    own = popcount.style == STYLE[family]
    request = PlanRequest(
        clock=100e6, part=PARTS[family], goal=goal, fps=10 ** rng.uniform(4, 6) if goal == "area" else None,
        family=None if own else "generic", stage_levels=popcount.levels_per_stage,
    )  # fmt: skip
    return choose(network, request).plan


@dataclass(frozen=True, kw_only=True)
class Design:
    """A drawn accelerator.

    Parameters
    ----------
    kind, way : str
        Of the network and of the plan.
    pipeline : Pipeline
    """

    kind: str
    way: str
    pipeline: Pipeline


def draw(family: str, number: int) -> Design:
    """The design of a number: another one is drawn until its size is within `LANES`."""
    rng = np.random.default_rng((SEED, flows.FAMILIES.index(family), number))
    turn, place = divmod(number, COUNT)
    is_wired = place >= COUNT - WIRED
    # Wired ones have numbers of their own, and kinds in turn.
    number = turn * WIRED + place - COUNT + WIRED if is_wired else number - turn * WIRED
    kind = list(KINDS)[number * (3 if is_wired else 1) % len(KINDS)]
    ways: dict[str, Callable[..., Plan]] = {"folded": _folded, "unrolled": _unrolled, "rate": _rate}
    for goal in ("fps", "area"):
        ways[f"goal {goal}"] = lambda *args, goal=goal: _goal(goal, family, *args)
    # Every kind with another way when it comes again.
    way = "wired" if is_wired else list(ways)[(number + number // len(KINDS)) % len(ways)]
    ways["wired"] = _wired
    style = STYLE[family] if rng.random() < 0.67 else STYLE["generic"]
    popcount = Popcount(style=style, levels_per_stage=int(rng.choice([1, 2, 2, 3])))
    if is_wired and style == STYLE[family]:
        popcount = Popcount.of(family, popcount.levels_per_stage)
    for tries in count():
        network = KINDS[kind](rng)
        try:
            pipeline = lower(network, ways[way](rng, network, popcount))
        except PlanError:
            continue
        bits = sum(_products(block) * block.lane_bits * block.parallel_frames for block in _units(pipeline))
        # Some kinds are rarely as small with some plans.
        least, most = WIRED_LANES if is_wired else LANES
        if least <= bits <= most * 1.1**tries:
            return Design(kind=kind, way=f"{way}, {style}", pipeline=pipeline)
    raise AssertionError


def _units(pipeline: Pipeline) -> Iterator[MatVecSpec | WiredSpec]:
    return (block for block in pipeline.blocks if isinstance(block, MatVecSpec | WiredSpec))


def _products(block: MatVecSpec | WiredSpec) -> int:
    """Products of a bit of a weight and an input in each cycle."""
    return block.lanes if isinstance(block, WiredSpec) else block.weight_width


# ---- comparison


def compare(family: str, first: int, many: int) -> tuple[list[dict[str, tuple[int, int]]], list[str]]:
    """Print estimates and measurements of so many designs; of each resource both, and the kinds of blocks they had."""
    designs = [draw(family, number) for number in range(first, first + many)]
    kinds = {type(block).__name__ for design in designs for block in design.pipeline.blocks}
    rows = iter(measure.measure([block for design in designs for block in design.pipeline.blocks], family))
    found = []
    for number, design in enumerate(designs, first):
        measured = [next(rows) for _ in design.pipeline.blocks]
        estimated = estimate_pipeline(design.pipeline, family)[1]
        both = {key: (getattr(estimated, key), sum(row[key] for row in measured)) for key in measure.RESOURCES}
        told = " | ".join(f"{guess} / {real}" if guess or real else "-" for guess, real in both.values())
        print(f"| {family} | {number}: {design.kind} ({design.way}) | {told} |", flush=True)
        found.append(both)
    return found, sorted(kinds)


def bands(found: list[dict[str, tuple[int, int]]]) -> dict[str, Any]:
    """Of each resource the median, the 95th percentile and the worst of relative errors, in per cent."""
    result: dict[str, Any] = {"count": len(found), "most_sites": max(both["sites"][1] for both in found)}
    for key in measure.RESOURCES:
        off = [abs(guess - real) / max(real, 1) for guess, real in (both[key] for both in found)]
        # The 95th percentile of few is one of them, not between two.
        ranked = np.percentile(off, (50, 95), method="higher")
        result[key] = [round(100 * float(value) + 0.05, 1) if value else 0.0 for value in (*ranked, max(off))]
    return result


def table(drawn: Mapping[str, Mapping[str, Any]]) -> str:
    """The bands as a table in Markdown."""
    names = {"lut": "LUT", "ff": "FF", "carry": "carry", "bram": "block RAM", "lutram": "LUT RAM", "dsp": "DSP"}
    lines = [
        "| family | designs | largest, sites | " + " | ".join([*names.values(), "LUT sites"]) + " |",
        "|---" * (4 + len(names)) + "|",
    ]
    for family, each in drawn.items():
        told = " | ".join(" / ".join(f"{value:g}" for value in each[key]) for key in (*names, "sites"))
        lines.append(f"| {TITLES[family]} | {each['count']} | {each['most_sites']:,} | {told} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--family", choices=flows.FAMILIES, action="append")
    parser.add_argument("--count", type=int, default=COUNT, help="designs of each family")
    parser.add_argument("--first", type=int, default=0, help="the number of the first design")
    parser.add_argument("--write", action="store_true", help="put the bands into the package and its documentation")
    options = parser.parse_args()
    measure.BATCH, measure.BATCH_BITS = 40, 9_000
    found = dict(coefficients())
    print_head("design")
    for family in options.family or flows.FAMILIES:
        compared, kinds = compare(family, options.first, options.count)
        drawn = bands(compared) | {"kinds": kinds}
        print(table({family: drawn}), flush=True)
        if options.write:
            found["drawn"] = {**found.get("drawn", {}), family: drawn}
    if options.write:
        FILE.write_text(json.dumps(found, indent=1) + "\n")
        before, _, rest = DOCS.read_text().partition(MARKS[0])
        after = rest.partition(MARKS[1])[2]
        DOCS.write_text(f"{before}{MARKS[0]}\n{table(found['drawn'])}\n{MARKS[1]}{after}")


if __name__ == "__main__":
    main()
