"""Drawn networks of stacked sums against exact fractions: all codes, but where the network's own bound excuses one."""

from __future__ import annotations

import re
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest
from bitweir.importers import ModelError, load_model
from bitweir.importers.folding.provenance import Taps
from bitweir_hw.network import Network
from bitweir_sim.values.encoding import encode
from bitweir_sim.values.golden import trace
from hypothesis import Phase, given, settings
from support.drawn_models import Model, models

#: How a drawn network may be refused.
REFUSED = re.compile(r"known well enough|The sums of the model must fit 32 bits|has more than \d+ steps")


def compare(model: Model, path, counts: Counter) -> None:
    """Codes of all signs, and classes; a frame with an excused code counts no more behind it."""
    taps = Taps()
    try:
        stored = model.stored
        rule, span = stored.rule, f"{stored.low}:{stored.high}"
        net = load_model(model.save(path / "net.onnx"), input_scale=rule, input_range=span, taps=taps)
    except ModelError as error:
        assert REFUSED.search(str(error)), error
        counts["refused"] += 1
        return
    outputs = trace(net, encode(net.input, model.pixels))
    errors = {bound.layer: Fraction(0) if bound.exact else Fraction(bound.error) for bound in net.bounds}
    by_tensor = {tap.tensor: tap for tap in taps.codes}
    clean = np.ones(len(model.pixels), bool)
    for site in model.sites:
        # The importer names codes by the tensor that a layer takes them from.
        tensor = next((name for name in reversed(site.tensors) if name in by_tensor), None)
        if tensor is None:
            # Its sum with what it is made of went through the next quantiser: where it is wrong, that may be, too.
            clean &= (site.distance > max(errors.values(), default=Fraction(0))).all(axis=1)
            counts["folded"] += 1
            continue
        tap = by_tensor[tensor]
        low, high = (np.broadcast_to(value, tap.shape).reshape(-1) for value in tap.values)
        found = np.where(outputs[tap.layer][:, tap.index] == 1, high, low)
        wrong = (abs(found - site.tensors[tensor]) > abs(high - low) / 2)[clean]
        error = errors.get(tap.stream, Fraction(0))
        assert (site.distance[clean][wrong] <= error).all(), (tap.layer, tap.stream, float(error))
        counts["codes"] += wrong.size
        counts["near"] += int((site.distance[clean] <= error).sum()) if error else 0
        counts["excused"] += int(wrong.sum())
        clean[clean] = ~wrong.any(axis=1)
    counts["models"] += 1
    counts["bounded"] += bool(net.bounds)
    counts["proved"] += sum(bound.exact for bound in net.bounds)
    counts[net.readout.kind] += 1
    check_results(model, net, outputs, errors, clean, counts)


def check_results(model: Model, net: Network, outputs, errors, clean, counts: Counter) -> None:
    """The results of frames in which no code was excused, as far as bounds tell."""
    assert model.output is not None
    scores, last = model.output.array.astype(object), outputs[net.layers[-1].name]
    error = max((errors.get(layer.name, Fraction(0)) for layer in net.layers[-2:]), default=Fraction(0))
    several = scores.shape[1] > 1
    assert net.readout.kind == {"sigmoid": "labels", "sign": "codes"}.get(model.end, "class" if several else "scores")
    if net.readout.kind == "labels":
        near = abs(np.asarray(scores / model.output.slope, object)) <= error
        assert ((last == 1) == (scores > 0))[clean & ~near.any(axis=1)].all()
        counts["labels told"] += int(clean.sum()) * scores.shape[1]
    if net.readout.kind == "scores":
        for frame in np.flatnonzero(clean):
            (number,), wanted = net.readout.exact(last[frame].tolist()), scores[frame][0]
            # Scale and offset are exact, or rounded to 64 significant bits.
            slack = error * abs(model.output.slope.reshape(-1)[0]) + abs(wanted) / (1 << 50) + Fraction(1, 1 << 50)
            assert abs(number - wanted) <= slack, frame
            counts["scores told"] += 1
    if net.readout.kind != "class":
        return
    found = last.argmax(axis=1)
    for frame in np.flatnonzero(clean):
        best, second = sorted(scores[frame], reverse=True)[:2] if scores.shape[1] > 1 else (scores[frame][0], -np.inf)
        if best - second > 2 * error or best == second:
            assert found[frame] == list(scores[frame]).index(best), frame
            counts["classes"] += 1


def run(tmp_path, examples: int) -> None:
    counts: Counter = Counter()

    @settings(max_examples=examples, deadline=None, phases=[Phase.generate])
    @given(model=models())
    def drawn(model):
        compare(model, tmp_path, counts)

    drawn()
    # What is refused has many sums in a row whose gates differ much.
    assert counts["refused"] <= examples / 5 and counts["bounded"] > examples / 2
    assert counts["folded"] < examples
    assert all(counts[kind] for kind in ("class", "labels", "scores", "codes"))
    assert counts["excused"] <= counts["codes"] / 10_000 and counts["near"] <= counts["codes"] / 100


def test_stacked_sums(tmp_path):
    run(tmp_path, 15)


@pytest.mark.long
def test_many_stacked_sums(tmp_path):
    run(tmp_path, 1000)
