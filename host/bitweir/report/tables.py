"""A report as tables of text, for pages and files alike."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bitweir_hw.parts import BLOCK_RAM, BlockRam

from ..results import result_name
from .fit import told_fmax, told_group, told_rate, told_target

__all__ = [
    "RESOURCE_NAMES",
    "Cell",
    "Column",
    "Table",
    "bands",
    "blocks",
    "figures",
    "identity",
    "logic",
    "memories",
    "needs",
    "number",
    "part_use",
    "percent",
    "runs",
    "streams",
    "timeline",
]

#: What readers call resources.
RESOURCE_NAMES = {
    "lut": "LUT",
    "ff": "FF",
    "bram": "Block RAM",
    "sites": "LUT sites",
    "carry": "Carry",
    "lutram": "LUT RAM",
    "dsp": "DSP",
}


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column.

    Parameters
    ----------
    key : str
        Short, of letters, unique in its table.
    title : str
    unit : str
        Of its numbers, or what they are.
    numeric : bool
        Whether numbers stand in it, aligned at their ends.
    """

    key: str
    title: str
    unit: str = ""
    numeric: bool = True


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What stands in a table.

    Parameters
    ----------
    text : str
    value : float or None
        What to sort by, where it is a number.
    strong : bool
    """

    text: str
    value: float | None = None
    strong: bool = False


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows under columns; the first column names the row.

    Parameters
    ----------
    name : str
        Short, of letters, unique in a report.
    caption : str
    columns : tuple of Column
    rows : tuple of tuple of Cell
    total : tuple of Cell
        A last row, or none.
    """

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    total: tuple[Cell, ...] = ()


# ---- words and numbers


def number(value: float | None, digits: int = 0) -> str:
    """With commas between thousands; nothing for None."""
    return "" if value is None else f"{value:,.{digits}f}"


def percent(share: float | None, *, sign: bool = False) -> str:
    """With one digit behind the point; nothing for None."""
    return "" if share is None else f"{share:{'+' if sign else ''}.1%}"


def _significant(value: float) -> str:
    """Three digits, never an exponent."""
    return f"{value:,.{next((digits for limit, digits in ((100, 0), (10, 1), (1, 2)) if abs(value) >= limit), 3)}f}"


def _words(*items: str | None) -> list[Cell]:
    return [Cell(text=item or "") for item in items]


def _numbers(*values: float | None, zero: bool = False) -> list[Cell]:
    """Whole numbers; a zero is left out unless it tells something."""
    return [Cell(text=number(value) if value or (zero and value == 0) else "", value=value or 0) for value in values]


def _share(value: float | None, *, sign: bool = False) -> Cell:
    return Cell(text=percent(value, sign=sign), value=value)


def _columns(*columns: tuple[str, str, str] | tuple[str, str, str, bool]) -> tuple[Column, ...]:
    return tuple(Column(key=column[0], title=column[1], unit=column[2], numeric=len(column) == 3) for column in columns)


# ---- the summary


def figures(report: dict[str, Any]) -> list[tuple[str, str, str]]:
    """The figures that matter most: what, how much, in which unit."""
    timing, total, roof = report["timing"], report["total"], report["roofline"]["total"]
    bits = sum(total[f"{kind}_bits"] for kind in ("weight", "threshold", "buffer"))
    return [
        ("Throughput", number(timing["frames_per_second"]), told_rate(report)),
        ("Interval", _significant(timing["cycles_per_frame"]), "cycles a frame, in steady state"),
        ("Latency", _significant(timing["latency_us"]), f"µs, {number(timing['latency_cycles'])} cycles"),
        ("Work", _significant(timing["giga_operations_per_second"]), f"GOPS, {number(total['operations'])} a frame"),
        ("Lanes", number(total["lanes"]), "products a cycle, 2 operations each"),
        ("Utilisation", percent(total["utilisation"]) or "–", "of all lane cycles"),
        ("Memory", number(bits), "bits on chip, all of it"),
        ("Binding", roof["binding"], f"runs out first on {report['part']['name']}"),
    ]


def _outputs(network: dict[str, Any]) -> str:
    return result_name(network["result"]["kind"], network["outputs"])


def identity(report: dict[str, Any]) -> list[tuple[str, str]]:
    """Which network and which plan this is about."""
    network, plan = report["network"], report["plan"]
    timing = report["timing"]
    levels = plan["popcount"]["levels_per_stage"]
    return [
        ("Network", f"{network['name']}: {number(network['elements'])} inputs, {_outputs(network)}"),
        ("Result", " ".join(network["result"]["rule"])),
        ("Digest", network["digest"]),
        ("Folding, SIMD×PE", ", ".join(f"{folding['simd']}×{folding['pe']}" for folding in plan["foldings"])),
        (
            "Popcount",
            f"style {plan['popcount']['style']}, "
            + (f"registers every {levels} adder levels" if levels else "no registers between adders"),
        ),
        ("Frames side by side", number(plan["streams"])),
        (
            "Input, output",
            f"{number(timing['input_beats'])} and {number(timing['output_beats'])} beats"
            + (f" {told_group(report)}" if plan["streams"] > 1 else ""),
        ),
        ("Made for", told_target(report)),
        ("Part", f"{report['part']['name']}: {number(report['part']['luts'])} LUTs, "
                 f"{number(report['part']['block_rams'])} block RAMs of "
                 f"{number(BLOCK_RAM[report['part']['family']].bits)} bits"),
        ("Steady state", f"repeats every {_frames(timing['period_frames'])}{number(timing['period_cycles'])} cycles"),
        *_clock(report),
        ("Made by", f"bitweir {report['bitweir']}"),
    ]  # fmt: skip


def _clock(report: dict[str, Any]) -> list[tuple[str, str]]:
    """The clock that may be reached, where there is an estimate."""
    told = told_fmax(report)
    return [] if told is None else [("Clock", told)]


def _frames(count: int) -> str:
    return "frame, " if count == 1 else f"{number(count)} frames, "


# ---- blocks


def blocks(report: dict[str, Any]) -> Table:
    """Work and memory of each block."""
    family = report["part"]["family"]
    slowest = max(block["cycles"] for block in report["blocks"])
    rows = []
    for block in report["blocks"]:
        held = _held([block], family)
        rows.append(
            (
                *_words(block["name"], block["kind"]),
                *_numbers(*(block.get(key) for key in ("operations", "lanes", "pe", "simd"))),
                replace(_numbers(block["cycles"])[0], strong=block["cycles"] == slowest),
                _share(block["utilisation"]),
                *_numbers(*(block[f"{kind}_bits"] for kind in ("weight", "threshold", "buffer"))),
                *_block_rams(held, family),
            )
        )
    total = report["total"]
    return Table(
        name="blocks",
        caption="Work and memory of each block, in the order of the stream",
        columns=_columns(
            ("block", "Block", "", False), ("kind", "Kind", "", False), ("operations", "Operations", "a frame"),
            ("lanes", "Lanes", ""), ("pe", "PE", ""), ("simd", "SIMD", ""), ("cycles", "Cycles", told_group(report)),
            ("used", "Used", "of lanes"), ("weights", "Weights", "bits"), ("thresholds", "Thresholds", "bits"),
            ("buffers", "Buffers", "bits"), ("rams", "Block RAMs", family), ("full", "Full", "of these"),
        ),
        rows=tuple(rows),
        total=(
            *_words("total", ""),
            *_numbers(total["operations"], total["lanes"]),
            *_words("", "", ""),
            _share(total["utilisation"]),
            *_numbers(*(total[f"{kind}_bits"] for kind in ("weight", "threshold", "buffer"))),
            *_block_rams(_held(report["blocks"], family), family),
        ),
    )  # fmt: skip


def _rams(memory: dict[str, Any], family: str) -> int:
    """Block RAMs of a family that a memory takes."""
    return (memory["block_rams"] or {}).get(family, {"count": 0})["count"]  # type: ignore[no-any-return]


def _held(rows: Sequence[dict[str, Any]], family: str) -> list[dict[str, Any]]:
    """Memories of blocks that sit in block RAM of a family."""
    return [memory for block in rows for memory in block["memories"] if _rams(memory, family)]


def _block_rams(held: Sequence[dict[str, Any]], family: str) -> list[Cell]:
    """How many block RAMs hold some memories, and how full they are."""
    count = sum(_rams(memory, family) for memory in held)
    used = sum(memory["block_rams"][family]["full"] * _rams(memory, family) for memory in held)
    full = used / count if count else None
    return [*_numbers(count), _share(full)]


def logic(report: dict[str, Any], family: str) -> Table:
    """Resources of each block for a family: estimated, measured, and the error between both."""
    measured, estimated = (report[key].get(family) for key in ("synthesis", "estimates"))
    failed = report["errors"].get(family)
    columns = [Column(key="block", title="Block", numeric=False)]
    for key, title in RESOURCE_NAMES.items():
        # What no block has is left out, except for what everybody looks for.
        if key in ("lut", "ff", "bram") or any(found and found["total"][key] for found in (measured, estimated)):
            if estimated:
                columns.append(Column(key=f"{key}Estimate", title=title, unit="estimated"))
            if measured:
                columns.append(Column(key=f"{key}Measured", title=title, unit="measured"))
            if failed:
                columns.append(Column(key=f"{key}Error", title=title, unit="error"))
    if measured:
        columns.append(Column(key="share", title="Sites a lane", unit="measured"))

    def cells(name: str, *way: str) -> tuple[Cell, ...]:
        row = _words(name)
        for column in columns[1:]:
            for suffix, found in (("Estimate", estimated), ("Measured", measured), ("Error", failed)):
                if column.key.endswith(suffix):
                    value = _at(found, *way)[column.key.removesuffix(suffix)]
                    row += [_share(value, sign=True)] if suffix == "Error" else _numbers(value)
        if measured:
            here = _at(measured, *way)
            ratio = here["sites"] / here["lanes"] if here["lanes"] else None
            row.append(Cell(text=number(ratio, 2), value=ratio))
        return tuple(row)

    told = " and ".join(
        [f"estimated for {family}"] * bool(estimated)
        + [f"measured by {measured['tool']} in {measured['seconds']:.0f} s" if measured else ""] * bool(measured)
    )
    names = [block["name"] for block in report["blocks"]]
    return Table(
        name=f"logic{family.capitalize()}",
        caption=f"Resources of each block, {told}",
        columns=tuple(columns),
        rows=tuple(cells(name, "blocks", name) for name in names),
        total=cells("total", "total"),
    )


def bands(report: dict[str, Any]) -> Table:
    """How far estimates for the family of the part were off when the cost model was measured."""
    family = report["part"]["family"]
    known = report["estimates"][family]["bands"]
    kept = [key for key in RESOURCE_NAMES if report["estimates"][family]["total"][key] or key in ("lut", "bram")]

    def cells(name: str, errors: dict[str, Any] | None) -> tuple[Cell, ...]:
        return (*_words(name), *(_share(errors[key]["most"] if errors else None) for key in kept))

    def whole(errors: dict[str, Any]) -> tuple[Cell, ...]:
        ranks = ([errors[key][rank] for rank in ("median", "most", "worst")] for key in kept)
        texts = (" / ".join(f"{100 * share:.1f}" for share in each) + " %" for each in ranks)
        return (*_words("drawn designs"), *(Cell(text=text) for text in texts))

    beyond = known["extrapolated"]
    return Table(
        name="bands",
        caption=(
            f"How far estimates for {family} were off against Yosys: 95 % of blocks of the same kind by no more than "
            f"this; totals of {known['designs']} designs that were drawn: median / 95 % / worst"
            + (f". Extrapolated, may be off by more: this design has {', '.join(beyond)}" if beyond else "")
        ),
        columns=_columns(("block", "Block", "", False), *((key, RESOURCE_NAMES[key], "within") for key in kept)),
        rows=tuple(cells(name, errors) for name, errors in known["blocks"].items()),
        total=whole(known["total"]),
    )


def _at(found: Any, *way: str) -> Any:
    for key in way:
        found = found[key]
    return found


def memories(report: dict[str, Any]) -> Table:
    """Every memory, and what holds it."""
    family = report["part"]["family"]
    rows = []
    for block in report["blocks"]:
        for memory in block["memories"]:
            held = [memory] if _rams(memory, family) else []
            rows.append(
                (
                    *_words(block["name"], memory["role"]),
                    *_numbers(*(memory[key] for key in ("depth", "width", "copies", "bits"))),
                    *_words(
                        "block RAM" if held else {"lut": "LUTs", "register": "registers"}.get(memory["kind"], "LUTs")
                    ),
                    *_block_rams(held, family),
                )
            )
    ram = BLOCK_RAM[family]
    return Table(
        name="memories",
        caption=f"Memories; block RAMs are {ram.name} of {ram.bits:,} bits ({family}){_pairs(ram)}",
        columns=_columns(
            ("block", "Block", "", False), ("holds", "Holds", "", False), ("words", "Words", ""),
            ("width", "Width", "bits"), ("copies", "Copies", ""), ("bits", "Size", "bits"), ("kind", "In", "", False),
            ("rams", "Block RAMs", ""), ("full", "Full", "of these"),
        ),
        rows=tuple(rows),
    )  # fmt: skip


def _pairs(ram: BlockRam) -> str:
    return f", two to a {ram.tile}, which counts as two" if ram.tile else ""


# ---- bounds


def part_use(report: dict[str, Any]) -> Table:
    """How much of the part the design takes."""
    part = report["part"]
    family = part["family"]
    sources = (("measured", report["synthesis"]), ("estimated", report["estimates"]))
    origin, found = next(((told, by[family]["total"]) for told, by in sources if family in by), ("computed", None))
    needed = sum(_rams(memory, family) for memory in _held(report["blocks"], family))
    wanted = [("LUT sites", "sites", "luts"), ("Flip-flops", "ff", "ffs"), ("DSPs", "dsp", "dsps")]
    uses = [(title, found[key], part[limit], origin) for title, key, limit in wanted if found]
    ram, count = BLOCK_RAM[family], found["bram"] if found else needed
    rams = [("Block RAMs", count, part["block_rams"], origin)]
    if ram.tile:
        rams.append((f"{ram.tile} tiles", ram.tiles(count), ram.tiles(part["block_rams"]), origin))
    uses[min(2, len(uses)) : min(2, len(uses))] = rams
    rows = tuple(
        (
            *_words(title),
            *_numbers(used, limit, zero=True),
            _share(used / limit if limit else None),
            *_words(how),
        )
        for title, used, limit, how in uses
    )
    return Table(
        name="part",
        caption=f"What the design takes of {part['name']}",
        columns=_columns(
            ("resource", "Resource", "", False), ("used", "Used", ""), ("has", "Part has", ""), ("share", "Share", ""),
            ("from", "Used is", "", False),
        ),
        rows=rows,
    )  # fmt: skip


def needs(report: dict[str, Any]) -> Table:
    """Needs of each layer against the bounds of the part."""
    roof = report["roofline"]

    def cells(row: dict[str, Any]) -> tuple[Cell, ...]:
        return (
            *_words(row["name"]),
            *_numbers(*(row[f"{key}"] for key in ("operations", "parameter_bits", "activation_bits", "buffer_bits"))),
            *_numbers(row["bits_read"]),
            *(
                Cell(text=number(row[key] * scale, digits) if row[key] else "", value=row[key])
                for key, scale, digits in (
                    ("operations_per_bit_read", 1, 2),
                    ("compute_us", 1000, 1),
                    ("memory_us", 1000, 1),
                    ("giga_operations_per_second", 1, 2),
                )
            ),
            *_words("yes" if row["fits"] else "no", row["binding"]),
        )

    return Table(
        name="needs",
        caption="What layers need for a frame, and how long all of the part would take for it",
        columns=_columns(
            ("layer", "Layer", "", False), ("operations", "Operations", "a frame"),
            ("parameters", "Parameters", "bits"), ("activations", "Activations", "bits, twice"),
            ("buffers", "Held instead", "bits"), ("read", "Read", "bits of block RAM"),
            ("intensity", "Operations", "a bit read"),
            ("compute", "Compute", "ns"), ("memory", "Memory", "ns"), ("gops", "Done", "GOPS"),
            ("fits", "Fits", "", False), ("binding", "Binding", "", False),
        ),
        rows=tuple(cells(row) for row in roof["layers"]),
        total=cells(roof["total"] | {"name": "total"}),
    )  # fmt: skip


# ---- time


def streams(report: dict[str, Any]) -> Table:
    """What each stream does, and who makes it wait."""
    period = report["timing"]["period_cycles"]
    rows = tuple(
        (
            *_words(row["name"], row["sender"], row["receiver"]),
            *_numbers(row["bits"], row["beats"]),
            *(_share(row[key] / period if row[key] else None) for key in ("moved", "blocked", "starved", "idle")),
            *_words(row["blocked_by"], row["starved_by"]),
        )
        for row in report["streams"]
    )
    return Table(
        name="streams",
        caption=f"Streams over a period of {period:,} cycles of steady state",
        columns=_columns(
            ("stream", "Stream", "", False), ("sender", "From", "", False), ("receiver", "To", "", False),
            ("bits", "Beat", "bits"), ("beats", "Beats", told_group(report)), ("moved", "Moved", ""),
            ("blocked", "Blocked", ""), ("starved", "Starved", ""), ("idle", "Idle", ""),
            ("blockedBy", "Blocked by", "", False),
            ("starvedBy", "Starved by", "", False),
        ),
        rows=rows,
    )  # fmt: skip


def timeline(report: dict[str, Any]) -> Table:
    """First and last beats of one frame, or of the frames side by side."""
    way = report["timeline"]
    keys = ("first_in", "last_in", "first_out", "last_out")
    frames, before = report["plan"]["streams"], way["frame"] * report["plan"]["streams"]
    told = f"Frame {before + 1} since reset: cycle of its"
    if frames > 1:
        told = f"Frames {before + 1} to {before + frames} since reset, side by side: cycle of their"
    return Table(
        name="timeline",
        caption=f"{told} first and last beats in each block",
        columns=_columns(
            ("block", "Block", "", False), ("firstIn", "First in", "cycle"), ("lastIn", "Last in", "cycle"),
            ("firstOut", "First out", "cycle"), ("lastOut", "Last out", "cycle"),
        ),
        rows=tuple(
            (*_words(row["name"]), *_numbers(*(row[key] for key in keys), zero=True)) for row in way["blocks"]
        ),
    )  # fmt: skip


def runs(report: dict[str, Any]) -> tuple[Table, Table]:
    """How long tools ran, and which versions are installed."""
    took: Iterable[tuple[Cell, ...]] = (
        (*_words(run["what"], run["tool"]), Cell(text=number(run["seconds"], 2), value=run["seconds"]))
        for run in report["runs"]
    )
    return (
        Table(
            name="runs",
            caption="How long tools ran",
            columns=_columns(("what", "Run", "", False), ("tool", "Tool", "", False), ("seconds", "Time", "s")),
            rows=tuple(took),
        ),
        Table(
            name="tools",
            caption="Versions",
            columns=_columns(("tool", "Tool", "", False), ("version", "Version", "", False)),
            rows=tuple(tuple(_words(name, version)) for name, version in report["tools"].items()),
        ),
    )
