"""What differs only as floats are rounded is counted apart."""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from bitweir.cli.import_tables import _differ
from bitweir.import_report import schema
from bitweir.importers.compare.comparison import Comparison, DisagreementError, compare_drawn
from bitweir.importers.compare.drawn import drawn_frames
from bitweir.importers.compare.findings import Agreement, Difference
from bitweir.importers.onnx.reference import numpy_executor, runtime_executor
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.compared import DIGITS, damaged, loaded, members, other_results, residual, run
from support.onnxgraphs import Graph
from support.schemas import validate

NETWORKS = Path(str(resources.files("bitweir.networks")))


# ---- ties


def tie(path, at):
    """Dense layer of weights 0.1, which float32 rounds, on signs; then a comparison with a sum that occurs."""
    graph = Graph()
    sums = graph.op("MatMul", graph.sign("x"), np.float32(0.1) * graph.signs(9, 12))
    bits = graph.op("Where", graph.op("GreaterOrEqual", sums, at), 1.0, -1.0)
    return graph.save(path, graph.op("MatMul", bits, graph.signs(12, 4)), shape=("N", 9))


def test_ties_are_counted_apart(tmp_path):
    """0.1 is no float: sums of 0.3 lie on one side or the other, by the order in which they are added."""
    path = tie(tmp_path / "t.onnx", np.float32(0.1) * np.float32(3))
    network, taps = loaded(path, None)
    found = compare_drawn(network, members(path, network, taps))
    assert found.difference is None and found.agreements[0].agrees
    classes, orders = other_results(path, network, drawn_frames(network.input, found.frames))
    assert found.ties > 0 and 0 < classes < orders and found.excused.sum() == classes
    assert found.summary == (
        f"Compared with 't.onnx' (in {found.agreements[0].reference}) on 1,024 drawn inputs: "
        f"{found.codes - found.ties:,} codes are equal; {found.ties:,} more differ only as floats are rounded, and "
        f"with them the classes of {classes:,} and the orders of scores of {orders:,} drawn inputs."
    )
    # One unit further is no tie.
    wrong, layer = damaged(network, "threshold", 0)
    with pytest.raises(DisagreementError, match=f" codes differ, the first in {layer} "):
        compare_drawn(wrong, members(path, wrong, taps))


@pytest.mark.parametrize("kind", ["class", "scores", "labels"])
def test_results_that_ties_change_are_counted_on_images(tmp_path, kind):
    path = tie(tmp_path / "t.onnx", np.float32(0.1) * np.float32(3))
    network, taps = loaded(path, None)
    x = drawn_frames(network.input, 200)
    file = numpy_executor(path, [taps.scores]).run(x)[taps.scores]
    np.savez(tmp_path / "i.npz", x=x)
    words = ("import", path, "-o", tmp_path / "n.npz", "--images", tmp_path / "i.npz", "--result", kind)
    found = json.loads(run(*words, "--json").stdout)
    validate(found, schema())
    (model,) = found["comparison"]["models"]
    excused = model["results_excused"]
    assert 0 < excused == found["comparison"]["results_excused"] and model["results_differ"] == 0
    assert model["results_bounded"] == 0 and file.shape == (200, 4)
    rows = [" ".join(row.split()) for row in run(*words).stdout.splitlines()]
    name = "classes" if kind == "class" else kind
    assert f"{name} {excused} of 200 differ, only as floats are rounded" in rows
    if kind == "class":
        classes, orders = other_results(path, network, x)
        assert (excused, model["orders_excused"], model["orders_differ"]) == (classes, orders, 0)
        assert f"order of scores {orders} of 200 differ, only as floats are rounded" in rows
    else:
        assert model["orders_excused"] is None and not any(row.startswith("order of scores") for row in rows)


def test_votes_that_ties_change_are_counted(tmp_path):
    paths = [tie(tmp_path / f"{name}.onnx", np.float32(0.1) * np.float32(3)) for name in "tu"]
    network = loaded(paths[0], None)[0]
    x = drawn_frames(network.input, 200)
    np.savez(tmp_path / "i.npz", x=x)
    words = ("import", *paths, "--vote", "-o", tmp_path / "n.npz", "--images", tmp_path / "i.npz")
    found = json.loads(run(*words, "--json").stdout)["comparison"]
    classes, _ = other_results(paths[0], network, x)
    assert classes > 0 and [model["results_excused"] for model in found["models"]] == [classes] * 2
    # Both vote alike, so the vote differs where they do.
    assert (found["results_excused"], found["results_differ"]) == (classes, 0)
    rows = [" ".join(row.split()) for row in run(*words).stdout.splitlines()]
    assert f"classes of the vote {classes} of 200 differ, only as floats are rounded" in rows


@pytest.mark.parametrize(
    ("counts", "told"),
    [
        ((0, 0, 0), "all equal"),
        ((0, 2, 0), "2 of 1,500 differ, only as floats are rounded"),
        ((0, 1200, 1200), "1,200 of 1,500 differ, only within the bound of a sum"),
        ((0, 5, 3), "5 of 1,500 differ, 2 only as floats are rounded and 3 only within the bound of a sum"),
        ((4, 0, 0), "4 of 1,500 differ"),
        ((4, 5, 3), "4 of 1,500 differ; 2 only as floats are rounded and 3 only within the bound of a sum"),
    ],
)
def test_rows_of_results(counts, told):
    found = dict(zip(("results_differ", "results_excused", "results_bounded"), counts, strict=True))
    assert _differ(SimpleNamespace(**found), "results", 1500).plain == told


@pytest.mark.parametrize(
    ("kind", "first", "told"),
    [
        ("class", (0, 4, 2), "the scores of d give another class to 1 of 9 images, first to image 3: the class should "
         "be 4, but is 2"),
        ("labels", (1, 0, 1), "the labels of d differ for 1 of 9 images, first for image 3: label 1 should be 0, but "
         "is 1"),
        ("scores", (2, 0.5, -1.25), "the scores of d differ for 1 of 9 images, first for image 3: score 2 should be "
         "0.5, but is -1.25"),
        ("codes", (0, -3.0, 7.0), "the codes of d differ for 1 of 9 images, first for image 3: code 0 should be -3, "
         "but is 7"),
    ],
)  # fmt: skip
def test_the_first_wrong_result_can_be_read(kind, first, told):
    channel, expected, found = first
    wrong = Difference(image=3, row=0, column=0, channel=channel, expected=expected, found=found)
    agreement = Agreement(
        path=Path("m.onnx"), layers=[], kind=kind, results=np.zeros(9), results_differ=1, first_result=wrong, last="d"
    )
    none = np.zeros(9, bool)
    comparison = Comparison(
        drawn=False, frames=9, agreements=(agreement,), network=loaded(DIGITS)[0], scores=np.zeros((9, 10), np.int64),
        wanted=None, wrong=none, excused=none,
    )  # fmt: skip
    assert comparison.difference == f"The network must compute what model file 'm.onnx' computes, but {told}."


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 999), spread=st.floats(0, 30), size=st.floats(0.01, 100))
def test_what_float32_finds_lies_between_the_limits(tmp_path, seed, spread, size):
    """Convolutions, batch norms of both signs and a sum of both ways: the bound holds, and is not far off."""
    pytest.importorskip("onnxruntime")
    path = tmp_path / "r.onnx"
    norm, bits, total = residual(path, seed, spread, size)
    x = np.random.default_rng(seed).normal(size=(20, 1, 4, 4)).astype(np.float32)
    found = runtime_executor(path, [norm, bits, total]).run(x)
    limits = numpy_executor(path, [norm, total]).between(x, {bits: found[bits].reshape(20, -1)})
    for name, most in ((norm, 1e-4 * (spread * 5 + 20) * size), (total, 1e-3)):
        low, high = limits[name]
        assert (low <= found[name]).all() and (found[name] <= high).all()
        assert (high - low).max() < most
