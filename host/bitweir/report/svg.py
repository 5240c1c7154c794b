"""Drawings of a report, as SVG that is embedded in a page and uses its colours.

What must fit any width has positions in percent, so that text keeps its size; what has a size of its own scrolls.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log2, log10

from bitweir_hw.blocks import BLOCKS
from markupsafe import Markup, escape

from .fit import told_group
from .model import BlockReport, BlockSpan, LayerNeeds, ReportData, StreamReport, Timeline
from .tables import number

__all__ = ["GROUPS", "STATES", "element", "gantt", "gantt_axis", "pipeline", "roofline", "stack", "states"]

#: The group of each kind of block, which decides its colour, by its title.
GROUPS = {block.title: block.group for block in BLOCKS}
#: What a stream does in a cycle.
STATES = ("moved", "blocked", "starved", "idle")


def element(tag: str, *children: str | Markup, **attributes: object) -> Markup:
    """An element; everything that is not markup is escaped. ``_`` in names stands for ``-``; None is left out."""
    named = [
        Markup(' {}="{}"').format(
            name.rstrip("_").replace("_", "-"), f"{value:.6g}" if isinstance(value, float) else value
        )
        for name, value in attributes.items()
        if value is not None
    ]
    inside = Markup("").join(escape(child) for child in children)
    return Markup(f"<{tag}") + Markup("").join(named) + (Markup(">") + inside + Markup(f"</{tag}>"))


def _percent(share: float) -> str:
    return f"{100 * share:.4g}%"


def _short(name: str, most: int) -> str:
    """A name with its middle left out, where it is too long."""
    return name if len(name) <= most else f"{name[: most // 2]}…{name[len(name) - most // 2 + 1 :]}"


# ---- bars


def stack(parts: Iterable[tuple[str, float, str]], told: str) -> Markup:
    """One bar of parts (name, amount, colour class) that together are the whole; names stand where there is room."""
    parts = [part for part in parts if part[1]]
    whole = sum(amount for _, amount, _ in parts)
    drawn, at = [], 0.0
    for name, amount, colour in parts:
        share = amount / whole
        # Characters are about 7 wide: the bar is 800 wide on a desk, 300 on a phone.
        room = "all" if 300 * share > 7 * len(name) + 8 else "wide" if 800 * share > 7 * len(name) + 8 else None
        box = element(
            "rect", element("title", f"{name}: {number(amount)} ({share:.1%})"), class_=f"part k-{colour}",
            x=_percent(at), width=_percent(share), height=24,
        )  # fmt: skip
        drawn.append(box)
        if room:
            middle = _percent(at + share / 2)
            drawn.append(element("text", name, class_=f"inside {room}", x=middle, y=16, text_anchor="middle"))
        at += share
    return element("svg", *drawn, class_="bar", width="100%", height=24, role="img", aria_label=told)


def states(stream: StreamReport, period: int) -> Markup:
    """The states of a stream in a period."""
    drawn, at = [], 0.0
    counts = {state: getattr(stream, state) for state in STATES}
    for state, count in counts.items():
        share = count / period
        if share:
            told = element("title", f"{state}: {number(count)} of {number(period)} cycles")
            box = {"x": _percent(at), "width": _percent(share), "height": 12, "y": 3}
            drawn.append(element("rect", told, class_=f"s-{state}", **box))
        at += share
    label = ", ".join(f"{state} {count / period:.0%}" for state, count in counts.items())
    return element("svg", *drawn, class_="bar", width="100%", height=18, role="img", aria_label=label)


# ---- one frame in time


def _ticks(whole: int, most: int = 6) -> list[int]:
    step = 10 ** floor(log10(max(whole / most, 1)))
    step = next(step * factor for factor in (1, 2, 5, 10) if step * factor * most >= whole)
    return list(range(0, whole, step))


def gantt_axis(way: Timeline) -> Markup:
    """The cycles above the bars."""
    drawn = [
        element("text", number(tick), x=_percent(tick / way.cycles), dx=3, y=12, class_="tick")
        for tick in _ticks(way.cycles)
        if tick < 0.93 * way.cycles
    ]
    return element("svg", *drawn, class_="bar", width="100%", height=16, aria_hidden="true")


def gantt(row: BlockSpan, way: Timeline, kind: str) -> Markup:
    """When a block takes (above) and gives (below) beats of a frame; paler, of the frames before and after it."""
    whole, colour = way.cycles, f"k-{GROUPS[kind]}"
    drawn = [
        element("line", x1=_percent(tick / whole), x2=_percent(tick / whole), y1=0, y2=26, class_="grid")
        for tick in _ticks(whole)
    ]
    reach = ceil(whole / way.interval)
    for shift in range(-reach, reach + 1):
        for first, last, y, role in (
            (row.first_in, row.last_in, 5, "takes"),
            (row.first_out, row.last_out, 14, "gives"),
        ):
            start, end = max(0.0, first + shift * way.interval), min(whole, last + 1 + shift * way.interval)
            if start >= end:
                continue
            told = [element("title", f"{row.name} {role} beats in cycles {first:,} to {last:,}")] if not shift else []
            drawn.append(
                element(
                    "rect", *told, class_=f"{colour} {role}{'' if not shift else ' beside'}",
                    x=_percent(start / whole), y=y, width=_percent(max((end - start) / whole, 0.003)), height=7,
                )
            )  # fmt: skip
    label = f"takes beats in cycles {row.first_in} to {row.last_in}, gives in {row.first_out} to {row.last_out}"
    return element("svg", *drawn, class_="bar", width="100%", height=26, role="img", aria_label=label)


# ---- the pipeline

_ROW, _LANE, _BOX, _TOP = 34, 24, 14, 46


@dataclass
class _Ways:
    """Which lane each stream runs in: a stream keeps its lane, branches get new ones."""

    taken: set[int]
    lane: dict[str, int]

    def free(self) -> int:
        return next(lane for lane in range(len(self.taken) + 1) if lane not in self.taken)


def pipeline(report: ReportData) -> Markup:
    """All blocks and their streams, one below the other; branches are drawn side by side."""
    blocks, streams = report.blocks, report.streams
    row_of = {"source": 0, **{block.name: row for row, block in enumerate(blocks, 1)}, "sink": len(blocks) + 1}
    lane_of, lanes = _lanes(blocks, streams)
    text = 16 + (max(lane_of.values()) + 1) * _LANE
    height = _TOP + (len(blocks) + 1) * _ROW + _ROW // 2
    width = text + 900

    def place(name: str) -> tuple[float, float]:
        return 16 + lane_of[name] * _LANE, _TOP + row_of[name] * _ROW

    # There is room for no more: what goes side by side stands in the tables.
    each = told_group(report)
    short = each.replace("parallel ", "")
    drawn = [
        element("text", title, x=text + at, y=18, class_="head")
        for title, at in (
            ("Block", 0), ("Kind", 215), (f"Output {short}", 405), (f"Cycles {short}", 545),
        )
    ]  # fmt: skip
    for stream, lane in zip(streams, lanes, strict=True):
        drawn.append(_edge(place(stream.sender), place(stream.receiver), 16 + lane * _LANE, stream))
    most = max(block.cycles for block in blocks)
    for end, told in (("source", "input frames"), ("sink", "results")):
        x, y = place(end)
        drawn.append(element("circle", cx=x, cy=y, r=5, class_="end"))
        gives = [stream for stream in streams if stream.sender == end]
        drawn.append(element("text", told, x=text, y=y + 4, class_="quiet"))
        drawn.append(element("text", _gives(gives), x=text + 405, y=y + 4, class_="quiet"))
    for block in blocks:
        x, y = place(block.name)
        gives = [stream for stream in streams if stream.sender == block.name]
        told = f"{block.name}: {block.kind} of layer {block.layer}, {number(block.cycles)} cycles {each}"
        bar = max(1.0, 260 * block.cycles / most)
        colour = GROUPS[block.kind]
        drawn += [
            element(
                "rect", element("title", told), class_=f"node k-{colour}", x=x - _BOX / 2, y=y - _BOX / 2,
                width=_BOX, height=_BOX, rx=3,
            ),
            element("text", _short(block.name, 28), element("title", told), x=text, y=y + 4, class_="name"),
            element("text", block.kind, x=text + 215, y=y + 4, class_="quiet"),
            element("text", _gives(gives), x=text + 405, y=y + 4, class_="quiet"),
            element("rect", class_=f"k-{colour}", x=text + 545, y=y - 5, width=bar, height=10),
            element("text", number(block.cycles), x=text + 551 + bar, y=y + 4, class_="value"),
        ]  # fmt: skip
    label = f"Pipeline of {len(blocks)} blocks, from the input at the top to the output at the bottom"
    return element(
        "svg", *drawn, class_="pipeline", width=width, height=height, viewBox=f"0 0 {width} {height}", role="img",
        aria_label=label,
    )  # fmt: skip


def _gives(streams: Sequence[StreamReport]) -> str:
    if not streams:
        return ""
    stream = streams[0]
    return f"{f'{len(streams)} × ' if len(streams) > 1 else ''}{number(stream.beats)} × {number(stream.bits)} bit"


def _lanes(blocks: Sequence[BlockReport], streams: Sequence[StreamReport]) -> tuple[dict[str, int], list[int]]:
    """The lane of each block and of each stream."""
    ways = _Ways(taken={0}, lane={"source": 0})
    lanes = [0] * len(streams)
    for name in [*(block.name for block in blocks), "sink"]:
        inputs = [number for number, stream in enumerate(streams) if stream.receiver == name]
        ways.lane[name] = min(lanes[number] for number in inputs)
        ways.taken -= {lanes[number] for number in inputs} - {ways.lane[name]}
        outputs = [number for number, stream in enumerate(streams) if stream.sender == name]
        for count, output in enumerate(outputs):
            lanes[output] = ways.lane[name] if not count else ways.free()
            ways.taken.add(lanes[output])
    return ways.lane, lanes


def _edge(start: tuple[float, float], end: tuple[float, float], x: float, stream: StreamReport) -> Markup:
    """A stream: out of its block into its lane, down, and out of the lane into the next block."""
    (x1, y1), (x2, y2) = start, end
    bend = _ROW * 0.8
    path = f"M{x1:g} {y1:g}"
    if x1 != x:
        path += f"C{x1:g} {y1 + bend / 2:g} {x:g} {y1 + bend / 2:g} {x:g} {y1 + bend:g}"
    if x != x2:
        path += f"V{y2 - bend:g}C{x:g} {y2 - bend / 2:g} {x2:g} {y2 - bend / 2:g} {x2:g} {y2:g}"
    else:
        path += f"V{y2:g}"
    told = (
        f"{stream.name}: {number(stream.beats)} beats a frame of {number(stream.bits)} bits "
        f"({number(stream.lanes)} × {stream.lane_bits}), from {stream.sender} to {stream.receiver}"
    )
    return element("path", element("title", told), d=path, class_="edge", stroke_width=1.5 + 0.75 * log2(stream.bits))


# ---- roofline

_HEIGHT, _FOOT, _HEAD = 380, 42, 14
_Scale = Callable[[float], float]


def roofline(report: ReportData) -> Markup:
    """Operations a second over operations for each bit that is read; both axes logarithmic."""
    roof = report.roofline
    peak, alone = roof.peak_giga_operations_per_second, roof.element_peak_giga_operations_per_second
    bandwidth = roof.bandwidth_gigabits_per_second
    points = [(str(row.name), row) for row in roof.layers] + [("total", roof.total)]
    points = [(name, row) for name, row in points if row.giga_operations_per_second]
    known = [row.operations_per_bit_read for _, row in points if row.operations_per_bit_read]
    right = 2.0 ** ceil(log2(4 * max([alone / bandwidth, peak / bandwidth, *known])))
    left = 2.0 ** floor(log2(min([peak / bandwidth / 4, *(value / 2 for value in known)])))
    low = 10.0 ** floor(log10(0.6 * min([peak / 100, *(row.giga_operations_per_second for _, row in points)])))
    high = 10.0 ** ceil(log10(1.2 * max(alone, peak)))

    def across(value: float) -> float:
        return log2(value / left) / log2(right / left)

    def down(value: float) -> float:
        return _HEAD + (_HEIGHT - _FOOT - _HEAD) * log10(high / value) / log10(high / low)

    drawn = [_decade(10.0**power, down(10.0**power)) for power in range(round(log10(low)), round(log10(high)) + 1)]
    step = 2 if log2(right / left) > 8 else 1
    for power in range(round(log2(left)), round(log2(right)), step):
        value = 2.0**power
        told = number(value) if value >= 1 else f"1/{1 / value:.0f}"
        at = _percent(across(value))
        drawn.append(element("line", x1=at, x2=at, y1=_HEAD, y2=_HEIGHT - _FOOT, class_="grid"))
        drawn.append(element("text", told, x=at, dx=3, y=_HEIGHT - _FOOT + 15, class_="tick"))
    drawn.append(element("text", "operations for each bit read from block RAM", x="0", y=_HEIGHT - 6, class_="tick"))
    limits = [(peak, "roof", f"logic at {roof.sites_per_lane:.3g} LUT sites a lane")]
    if alone > peak:
        limits.insert(
            0,
            (
                alone,
                "roof alone",
                f"logic at {roof.element_sites_per_lane:.3g} LUT sites a lane: elements of 64 lanes alone",
            ),
        )
    for value, kind, told in limits:
        edge = across(value / bandwidth)
        y = down(value)
        drawn.append(element("line", x1=_percent(edge), x2="100%", y1=y, y2=y, class_=kind))
        # Where both are close, the lower one is named below.
        name_at = y + 15 if y - down(limits[0][0]) < 20 and value != limits[0][0] else y - 6
        drawn.append(element("text", told, x="100%", dx=-4, y=name_at, text_anchor="end", class_="limit"))
    top = max(limit for limit, _, _ in limits)
    start = max(low, bandwidth * left)
    drawn.append(
        element(
            "line", x1=_percent(across(start / bandwidth)), y1=down(start), x2=_percent(across(top / bandwidth)),
            y2=down(top), class_="roof",
        )
    )  # fmt: skip
    middle = (start * peak) ** 0.5
    edge = across(middle / bandwidth)
    drawn.append(element("text", "block RAM ports", x=_percent(edge), dx=8, y=down(middle) + 14, class_="limit"))
    drawn += _points(points, across, down)
    label = "Roofline: what layers do a second, below what logic and block RAM allow"
    return element("svg", *drawn, class_="roofline", width="100%", height=_HEIGHT, role="img", aria_label=label)


def _decade(value: float, y: float) -> Markup:
    told = f"{value:,.0f} GOPS" if value >= 1 else f"{value:.3g} GOPS"
    if value >= 1000:
        told = f"{value / 1000:,.0f} TOPS"
    return element("line", x1="0", x2="100%", y1=y, y2=y, class_="grid") + element(
        "text", told, x="2", y=y - 3, class_="tick"
    )


def _points(points: list[tuple[str, LayerNeeds]], across: _Scale, down: _Scale) -> list[Markup]:
    """Layers and the total; those that read no block RAM stand at the right edge. Names do not overlap."""
    drawn, names = [], {True: -100.0, False: -100.0}
    for name, row in sorted(points, key=lambda point: -point[1].giga_operations_per_second):
        done, intensity = row.giga_operations_per_second, row.operations_per_bit_read
        x, y = (across(intensity) if intensity else 0.985), down(done)
        at_edge = x > 0.75
        label = names[at_edge] = max(y + 4, names[at_edge] + 14)
        told = f"{name}: {done:,.3g} GOPS, " + (
            f"{intensity:.3g} operations for each bit read" if intensity else "no block RAM is read"
        )
        kind = "dot whole" if name == "total" else "dot" if intensity else "dot open"
        drawn.append(element("circle", element("title", told), cx=_percent(x), cy=y, r=5, class_=kind))
        side = {"dx": -10, "text_anchor": "end"} if at_edge else {"dx": 10}
        drawn.append(element("text", _short(name, 22), x=_percent(x), y=label, class_="name", **side))
    return drawn
