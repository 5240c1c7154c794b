"""What an import found, for people."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from rich.box import SIMPLE, SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from .importers.errors import shown
from .importers.folding.provenance import INPUT
from .input_words import counted, told_shape
from .results import PLURALS, Quality, quality_rows, result_name

__all__ = ["render"]


def _place(layer: dict[str, Any]) -> str:
    first = layer["first"]
    return (
        f"{layer['layer'] or INPUT}, channel {first['channel']}, pixel ({first['row']}, {first['column']}), "
        f"image {first['image']}: expected {_short(first['expected'])}, found {_short(first['found'])}"
    )


def _short(number: float | str) -> str:
    return number if isinstance(number, str) else f"{number:.6g}"


def render(result: dict[str, Any]) -> Iterator[RenderableType]:
    """Tables and lines for what `import_models` returns."""
    yield _network_table(result)
    for sentence in result["input"]["rule"]:
        yield Text(f"input: {sentence}")
    for sentence in result["result"]["rule"]:
        yield Text(f"result: {sentence}")
    diagnostics = result["diagnostics"]
    if diagnostics["nearest"] is not None:
        layer, distance = diagnostics["nearest"]["layer"], diagnostics["nearest"]["distance"]
        yield Text(
            f"nearest: of all thresholds, one of {layer} is nearest to a sum that occurs, {distance:.2g} away."
            if distance
            else f"nearest: a threshold of {layer} lies exactly on a sum that occurs."
        )
    for note in result["notes"]:
        yield Text(f"note: {note}", style="dim")
    if result["comparison"] is not None:
        yield from _comparison_tables(result["comparison"], PLURALS[result["result"]["kind"]])
    if result["output"] is not None:
        yield Text(f"Written: {result['output']}")


def _network_table(result: dict[str, Any]) -> Table:
    network = result["network"]
    table = Table(
        title=f"Network {network['name']}, {result_name(result['result']['kind'], network['outputs'])}",
        title_justify="left",
        box=SIMPLE_HEAD,
        show_edge=False,
        padding=(0, 1, 0, 0),
    )
    table.add_column("layer", no_wrap=True)
    table.add_column("kind")
    table.add_column("in -> out", no_wrap=True)
    table.add_column("weights", justify="right", no_wrap=True)
    table.add_column("thresholds", justify="right")
    for row in _rows(result["layers"], 0):
        table.add_row(*row)
    return table


def _rows(layers: list[dict[str, Any]], depth: int) -> Iterator[list[str]]:
    """Two lines for each layer, so that the table suits narrow terminals."""
    for layer in layers:
        weights, padding, constant = layer["weights"], layer["padding"], layer["constant_neurons"]
        yield [
            "  " * depth + layer["name"],
            layer["kind"] + ("" if padding is None else f"\npads {_padding(padding)}"),
            f"{told_shape(layer['input_shape'])}, {_told(layer['input_format'])}\n"
            f"-> {told_shape(layer['output_shape'])}, {_told(layer['output_format'])}",
            "" if weights is None else f"{weights['count']:,} x {counted(weights['bits'], 'bit')}",
            ("" if layer["thresholds"] is None else str(layer["thresholds"]))
            + (f"\n{constant} constant" if constant else ""),
        ]
        for place, branch in enumerate(layer["branches"]):
            factor = "" if branch["weight"] == 1 else f" times {branch['weight']}"
            what = "" if branch["layers"] else "as it is"
            yield ["  " * depth + f" branch {place}{factor}", "", what, "", ""]
            yield from _rows(branch["layers"], depth + 1)


def _padding(padding: dict[str, Any]) -> str:
    pads = " ".join(map(str, padding["pads"]))
    return pads if padding["value"] is None else f"{pads} of {padding['value']}"


def _told(form: dict[str, Any]) -> str:
    """A format in words."""
    bits = counted(form["bits"], "bit")
    if form["kind"] == "sums":
        return f"sums {form['bits']} bit"
    if (form["low"], form["high"]) == (-1, 1) and form["bits"] == 1:
        return f"{bits} -1/+1"
    by = "" if abs(form["step"]) == 1 else f" by {abs(form['step'])}"
    return f"{form['bits']} bit {form['low']}..{form['high']}{by}"


def _comparison_tables(found: dict[str, Any], results: str) -> Iterator[RenderableType]:
    table = Table(show_header=False, title="Compared with the model file", title_justify="left", box=SIMPLE)
    table.add_column(style="bold")
    table.add_column()
    table.add_row("images", f"{found['images']:,}")
    if found["rounded"]:
        table.add_row("rounded", f"{found['rounded']:,} numbers to what the input takes")
    # Two lines, as the table must suit narrow terminals.
    file = " of the file\non the rounded images" if found["rounded"] else " of the file"
    for what, before in (("", ""), (file, "reference_")):
        for name, told in quality_rows(Quality(**{one.name: found[before + one.name] for one in fields(Quality)})):
            table.add_row(name + what, told)
    several = len(found["models"]) > 1
    for model in found["models"]:
        if several:
            table.add_row("", "")
            table.add_row("model", Text(shown(model["model"], most=4096)))
        if model["reference"] is None:
            table.add_row("reference", Text(f"none: {model['remark']}"))
            continue
        remark = f" ({model['remark']})" if model["remark"] else ""
        table.add_row("reference", Text(f"{model['reference']}{remark}"))
        for layer in model["layers"]:
            name, wrong = layer["layer"] or INPUT, layer["differ"]
            reasons = (("ties", "as floats are rounded"), ("bounded", "within the bound of the sums before it"))
            known = [f"{layer[key]:,} only {why}" for key, why in reasons if layer[key]]
            rest = "".join(f"; {one}" for one in known)
            table.add_row(
                f"codes of {name}",
                Text(
                    f"{wrong:,} of {layer['codes']:,} differ, the first in {_place(layer)}{rest}",
                    style="red",
                )
                if wrong
                else Text(f"of {layer['codes']:,} differ {' and '.join(known)}", style="yellow")
                if known
                else f"all {layer['codes']:,} equal",
            )
        table.add_row(results, _differ(model, "results", found["images"]))
        if model["orders_differ"] is not None:
            table.add_row("order of scores", _differ(model, "orders", found["images"]))
    if several and found["results_differ"] is not None:
        table.add_row("", "")
        table.add_row("classes of the vote", _differ(found, "results", found["images"]))
    yield table


def _differ(found: dict[str, Any], what: str, images: int) -> Text:
    """Of how many images the result, or the order of scores, is wrong, or another one for a known reason."""
    wrong, excused, bounded = (found[f"{what}_{key}"] for key in ("differ", "excused", "bounded"))
    reasons = ((excused - bounded, "as floats are rounded"), (bounded, "within the bound of a sum"))
    known = [(count, why) for count, why in reasons if count]
    told = " and ".join(f"{count:,} only {why}" for count, why in known)
    if wrong:
        return Text(f"{wrong:,} of {images:,} differ" + (f"; {told}" if told else ""), style="red")
    if not known:
        return Text("all equal", style="green")
    told = told if len(known) > 1 else f"only {known[0][1]}"
    return Text(f"{excused:,} of {images:,} differ, {told}", style="yellow")
