"""Tables of an import."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields

from msgspec import UNSET
from rich.box import SIMPLE, SIMPLE_HEAD
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from ..import_report import ImportReport, LayerEntry, Padding, StreamFormat
from ..importers.compare.report import ComparisonReport, LayerReport, ModelReport
from ..importers.errors import shown
from ..importers.folding.provenance import INPUT
from ..input_words import counted, told_shape
from ..results import PLURALS, Quality, quality_rows, result_name

__all__ = ["render"]


def _place(layer: LayerReport) -> str:
    first = layer.first
    assert first is not None
    return (
        f"{layer.layer or INPUT}, channel {first.channel}, pixel ({first.row}, {first.column}), "
        f"image {first.image}: expected {_short(first.expected)}, found {_short(first.found)}"
    )


def _short(number: float | str) -> str:
    return number if isinstance(number, str) else f"{number:.6g}"


def render(report: ImportReport) -> Iterator[RenderableType]:
    """Yield the tables and lines of an import."""
    yield _network_table(report)
    for sentence in report.input.rule:
        yield Text(f"input: {sentence}")
    for sentence in report.result.rule:
        yield Text(f"result: {sentence}")
    if report.diagnostics.nearest is not None:
        layer, distance = report.diagnostics.nearest.layer, report.diagnostics.nearest.distance
        yield Text(
            f"nearest: a threshold of {layer} is the nearest to a sum that occurs, at a distance of {distance:.2g}."
            if distance
            else f"nearest: a threshold of {layer} lies exactly on a sum that occurs."
        )
    for note in report.notes:
        yield Text(f"note: {note}", style="dim")
    if report.comparison is not None:
        yield from _comparison_tables(report.comparison, PLURALS[report.result.kind])
    if report.output is not None:
        yield Text(f"Written: {report.output}")


def _network_table(report: ImportReport) -> Table:
    network = report.network
    table = Table(
        title=f"Network {network.name}, {result_name(report.result.kind, network.outputs)}",
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
    for row in _rows(report.layers, 0):
        table.add_row(*row)
    return table


def _rows(layers: Sequence[LayerEntry], depth: int) -> Iterator[list[str]]:
    """Two lines for each layer, so that the table suits narrow terminals."""
    for layer in layers:
        weights, padding, constant = layer.weights, layer.padding, layer.constant_neurons
        yield [
            "  " * depth + layer.name,
            layer.kind + ("" if padding is None else f"\npads {_padding(padding)}"),
            f"{told_shape(layer.input_shape)}, {_format(layer.input_format)}\n"
            f"-> {told_shape(layer.output_shape)}, {_format(layer.output_format)}",
            "" if weights is None else f"{weights.count:,} x {counted(weights.bits, 'bit')}",
            ("" if layer.thresholds is None else str(layer.thresholds))
            + (f"\n{constant} constant" if constant else ""),
        ]
        for place, branch in enumerate(layer.branches):
            factor = "" if branch.weight == 1 else f" times {branch.weight}"
            what = "" if branch.layers else "unchanged"
            yield ["  " * depth + f" branch {place}{factor}", "", what, "", ""]
            yield from _rows(branch.layers, depth + 1)


def _padding(padding: Padding) -> str:
    pads = " ".join(map(str, padding.pads))
    return pads if padding.value is None else f"{pads} of {padding.value}"


def _format(form: StreamFormat) -> str:
    """A format in words."""
    if form.step is UNSET:
        return f"sums {form.bits} bit"
    if (form.low, form.high) == (-1, 1) and form.bits == 1:
        return "1 bit -1/+1"
    by = "" if abs(form.step) == 1 else f" by {abs(form.step)}"
    return f"{form.bits} bit {form.low}..{form.high}{by}"


def _comparison_tables(found: ComparisonReport, results: str) -> Iterator[RenderableType]:
    table = Table(show_header=False, title="Compared with the model file", title_justify="left", box=SIMPLE)
    table.add_column(style="bold")
    table.add_column()
    table.add_row("images", f"{found.images:,}")
    if found.rounded:
        table.add_row("rounded", f"{found.rounded:,} numbers, to the nearest that the input takes")
    # Two lines, as the table must suit narrow terminals.
    file = " of the file\non the rounded images" if found.rounded else " of the file"
    if found.originals is not UNSET:
        file = " with the\nrounded weights" + ("\non the rounded images" if found.rounded else "")
    for what, before in (("", ""), (file, "reference_")):
        for name, told in quality_rows(_quality(found, before)):
            table.add_row(name + what, told)
    several = len(found.models) > 1
    for model in found.models:
        if several:
            table.add_row("", "")
            table.add_row("model", Text(shown(model.model, most=4096)))
        if model.reference is None:
            table.add_row("reference", Text(f"none: {model.remark}"))
            continue
        remark = f" ({model.remark})" if model.remark else ""
        table.add_row("reference", Text(f"{model.reference}{remark}"))
        for layer in model.layers:
            name, wrong = layer.layer or INPUT, layer.differ
            reasons = (("ties", "as floats are rounded"), ("bounded", "within the bound of the sums before it"))
            known = [f"{getattr(layer, key):,} only {why}" for key, why in reasons if getattr(layer, key)]
            rest = "".join(f"; {one}" for one in known)
            table.add_row(
                f"codes of {name}",
                Text(
                    f"{wrong:,} of {layer.codes:,} differ, the first in {_place(layer)}{rest}",
                    style="red",
                )
                if wrong
                else Text(f"of {layer.codes:,} differ {' and '.join(known)}", style="yellow")
                if known
                else f"all {layer.codes:,} equal",
            )
        table.add_row(results, _differ(model, "results", found.images))
        if model.orders_differ is not None:
            table.add_row("order of scores", _differ(model, "orders", found.images))
    if several and found.results_differ is not None:
        table.add_row("", "")
        table.add_row("classes of the vote", _differ(found, "results", found.images))
    for original in () if found.originals is UNSET else found.originals:
        table.add_row("", "")
        table.add_row("with the weights of", Text(shown(original.model, most=4096)))
        if original.codes is None or original.codes_differ is None or original.results_differ is None:
            table.add_row("reference", "none")
            continue
        if original.accuracy is not None:
            table.add_row("accuracy of the file", f"{original.accuracy:.2%}")
        table.add_row("codes", f"{original.codes_differ:,} of {original.codes:,} differ")
        table.add_row(results, f"{original.results_differ:,} of {found.images:,} differ")
    yield table


def _quality(found: ComparisonReport, before: str) -> Quality:
    return Quality(**{one.name: getattr(found, before + one.name) for one in fields(Quality)})


def _differ(found: ComparisonReport | ModelReport, what: str, images: int) -> Text:
    """Of how many images the result, or the order of scores, is wrong, or another one for a known reason."""
    wrong, excused, bounded = (getattr(found, f"{what}_{key}") for key in ("differ", "excused", "bounded"))
    reasons = ((excused - bounded, "as floats are rounded"), (bounded, "within the bound of a sum"))
    known = [(count, why) for count, why in reasons if count]
    told = " and ".join(f"{count:,} only {why}" for count, why in known)
    if wrong:
        return Text(f"{wrong:,} of {images:,} differ" + (f"; {told}" if told else ""), style="red")
    if not known:
        return Text("all equal", style="green")
    told = told if len(known) > 1 else f"only {known[0][1]}"
    return Text(f"{excused:,} of {images:,} differ, {told}", style="yellow")
