"""Votes with weights: against the classes of ONNX Runtime, through hardware, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction

import bitweir
import numpy as np
import pytest
from bitweir.cli import main
from bitweir.importers import ModelError
from bitweir.importers.compare.comparison import DisagreementError, compare_drawn
from bitweir.importers.ensemble import whole_votes
from bitweir.model_files import load_networks
from bitweir_hw.network import Parallel
from bitweir_hw.plan import plan_from_foldings
from bitweir_sim.values.encoding import encode
from bitweir_sim.values.golden import run_slow
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from support.every_beat import check_every_beat
from support.onnxgraphs import Graph, runtime

INPUTS, CLASSES = 10, 4


def member(path, seed):
    g = Graph(seed)
    x = g.op("MatMul", g.sign(g.op("Sub", "x", 7.5)), g.signs(INPUTS, 7))
    x = g.op("MatMul", g.sign(g.op("Add", x, 0.5)), g.signs(7, CLASSES))
    return g.save(path, x, ("N", INPUTS))


@pytest.fixture
def paths(tmp_path):
    return [member(tmp_path / f"m{seed}.onnx", seed) for seed in range(3)]


def pixels(count=200):
    return np.random.default_rng(1).integers(0, 16, (count, INPUTS)).astype(np.uint8)


def majority(paths, frames, votes):
    """Votes of each class (N, M), from the runtime."""
    total = np.zeros((len(frames), CLASSES), np.int64)
    for path, weight in zip(paths, votes, strict=True):
        total[np.arange(len(frames)), runtime(path, frames.astype(np.float32))[0].argmax(axis=1)] += weight
    return total


@pytest.mark.parametrize(
    ("shares", "votes"), [((2, 1, 1), (2, 1, 1)), (("0.7", "0.2", "0.3"), (7, 2, 3)), ((4, 4, 4), (1, 1, 1))]
)
def test_the_class_with_the_most_votes(paths, shares, votes):
    frames = pixels()
    net = bitweir.load(*paths, input_scale="1", input_range=(0, 15), vote=shares)
    total = majority(paths, frames, votes)
    found = net.run(frames)
    assert np.array_equal(found.scores, total) and np.array_equal(found.classes, total.argmax(axis=1))
    top = np.sort(total, axis=1)
    assert (top[:, -1] == top[:, -2]).any() or votes == (7, 2, 3)  # ties occur
    assert net.comparison.difference is None and not net.comparison.excused.any()
    (layer,) = net.network.layers
    assert isinstance(layer, Parallel) and layer.factors == votes
    plain = bitweir.load(*paths, input_scale="1", input_range=(0, 15), vote=True).network
    assert (layer.weights is None) == (votes == (1, 1, 1)) and (plain.notes == net.network.notes) == (
        votes == (1, 1, 1)
    )


def test_every_beat_of_votes_with_weights(paths):
    net = load_networks(paths[:2], input_scale="1", input_range="0:15", vote=(3, 2)).network
    frames = encode(net.input, pixels(3))
    rng = np.random.default_rng(5)
    plan = plan_from_foldings(net, "5x3,7x2,10x7,3x4")
    check_every_beat(net, plan, frames, rng.random(200) < 0.3, rng.random(200) < 0.4)
    assert (run_slow(net, frames).scores.sum(axis=1) == 5).all()


@pytest.mark.parametrize(
    "words",
    [["--vote", "2,1,1"], ["--vote=2,1,1"], ["--vote", "0.5,0.25,0.25"], ["--vote", "1,1/2,1/2"]],
)
def test_on_the_command_line(paths, tmp_path, words):
    np.savez(tmp_path / "images.npz", x=pixels(), y=majority(paths, pixels(), (2, 1, 1)).argmax(axis=1))
    rest = [
        "-o",
        tmp_path / "v.npz",
        "--input-scale",
        "1",
        "--input-range",
        "0:15",
        "--images",
        tmp_path / "images.npz",
    ]
    told = CliRunner().invoke(main, ["import", *map(str, [*words, *paths, *rest]), "--json"])
    report = json.loads(told.stdout)
    assert report["comparison"]["accuracy"] == 1 and report["comparison"]["results_differ"] == 0
    assert [branch["weight"] for branch in report["layers"][0]["branches"]] == [2, 1, 1]
    assert report["notes"][0] == "net0 is the file 'm0.onnx', the network m0, with 2 votes."
    assert report["notes"][1].endswith(", with 1 vote.")


def test_vote_alone_takes_no_file_for_its_value(paths, tmp_path):
    rest = ["-o", tmp_path / "v.npz", "--input-scale", "1", "--input-range", "0:15"]
    told = CliRunner().invoke(main, ["import", "--vote", *map(str, [*paths, *rest]), "--json"])
    assert [branch["weight"] for branch in json.loads(told.stdout)["layers"][0]["branches"]] == [1, 1, 1]


@given(st.lists(st.fractions(Fraction(1, 20), 50, max_denominator=20), min_size=1, max_size=4))
def test_whole_votes_keep_the_ratio(shares):
    votes = whole_votes(shares, len(shares))
    assert np.gcd.reduce(votes) == 1
    assert {Fraction(vote) / share for vote, share in zip(votes, shares, strict=True)} == {votes[0] / shares[0]}


@pytest.mark.parametrize(
    ("shares", "told"),
    [
        ((1, 2), "must be one number for each of the 3 models, not 2."),
        ((1, 0, 2), "must be greater than 0, not 0: leave out that model."),
        ((1, "-1/2", 2), "must be greater than 0, not -1/2: leave out that model."),
        ((1, "x", 2), "must be numbers such as 2, 0.7 or 1/3, not (1, 'x', 2)."),
        ((1, "1/0", 2), "must be numbers such as 2, 0.7 or 1/3, not (1, '1/0', 2)."),
        ((1, float("nan"), 2), "must be numbers such as 2, 0.7 or 1/3, not (1, nan, 2)."),
        ((1, 1e-9, 1), "must have a ratio of whole numbers up to 1,048,576, not 1,000,000,000: round them."),
    ],
)
def test_votes_that_are_refused(paths, shares, told):
    with pytest.raises(ModelError) as error:
        load_networks(paths, input_scale="1", vote=shares)
    assert str(error.value) == f"The votes (--vote, in Python vote=) {told}"


# ---- sums of scores


def scored(path, seed, *, norm):
    """A member whose scores have a scale and an offset, one for all classes, or one for each."""
    g = Graph(seed)
    x = g.op("MatMul", g.sign(g.op("Sub", "x", 7.5)), g.signs(INPUTS, 7))
    x = g.op("MatMul", g.sign(g.op("Add", x, 0.5)), g.signs(7, CLASSES))
    x = g.norm(x, CLASSES, 2) if norm else g.op("Add", g.op("Mul", x, np.float32(0.25 * (1 + seed))), np.float32(0.5))
    return g.save(path, x, ("N", INPUTS))


@pytest.mark.parametrize("norm", [False, True], ids=["exact", "approximate"])
@pytest.mark.parametrize("votes", [True, (3, 1, 2)])
def test_the_class_with_the_highest_sum(tmp_path, norm, votes):
    paths = [scored(tmp_path / f"s{seed}.onnx", seed, norm=norm) for seed in range(3)]
    frames = pixels()
    net = bitweir.load(*paths, input_scale="1", input_range=(0, 15), vote=votes, sum_scores=True)
    weights = (1, 1, 1) if votes is True else votes
    total = sum(
        weight * runtime(path, frames.astype(np.float32))[0].astype(np.float64)
        for path, weight in zip(paths, weights, strict=True)
    )
    found = net.run(frames)
    unit = float(net.network.readout.scales[0])
    error = sum(float(Fraction(bound.error)) for bound in net.network.bounds)
    assert bool(net.network.bounds) == norm and error < 1e-4 * np.abs(total).max()
    assert np.allclose(found.scores * unit, total, rtol=0, atol=error + 1e-5)
    lead = np.sort(total, axis=1)
    sure = lead[:, -1] - lead[:, -2] > 2 * error + 1e-5
    assert np.array_equal(found.classes[sure], total.argmax(axis=1)[sure]) and sure.mean() > 0.7
    # Of equal sums, the lowest class wins: where the sums are exact, integers tell.
    assert norm or np.array_equal(found.classes, np.round(total / unit).argmax(axis=1))
    assert net.comparison.difference is None and len(net.comparison.agreements) == 3


def test_every_beat_of_summed_scores(tmp_path):
    paths = [scored(tmp_path / f"s{seed}.onnx", seed, norm=True) for seed in range(2)]
    net = load_networks(paths, input_scale="1", input_range="0:15", vote=True, sum_scores=True).network
    rng = np.random.default_rng(5)
    plan = plan_from_foldings(net, "5x3,7x2,10x7,3x4")
    check_every_beat(net, plan, encode(net.input, pixels(3)), rng.random(200) < 0.3, rng.random(200) < 0.4)


def test_sums_on_the_command_line(tmp_path):
    paths = [scored(tmp_path / f"s{seed}.onnx", seed, norm=False) for seed in range(2)]
    words = ["-o", str(tmp_path / "v.npz"), "--input-scale", "1", "--input-range", "0:15", "--json"]
    report = json.loads(CliRunner().invoke(main, ["import", "--vote", "2,1", "--sum", *map(str, paths), *words]).stdout)
    assert report["result"]["kind"] == "class" and report["network"]["name"] == "sum_s0"
    assert report["drawn"]["results_differ"] == 0 and report["layers"][0]["name"] == "sums"
    told = CliRunner().invoke(main, ["import", "--sum", str(paths[0]), *words])
    assert told.exit_code == 3 and "Scores are summed (--sum, in Python sum_scores=True) of models" in told.output


def test_a_wrong_sum_is_told(tmp_path):
    paths = [scored(tmp_path / f"s{seed}.onnx", seed, norm=False) for seed in range(2)]
    imported = load_networks(paths, input_scale="1", input_range="0:15", vote=True, sum_scores=True, compare=False)
    (layer,) = imported.network.layers
    last = layer.branches[1][-1]
    wrong = replace(last, offset=last.offset + np.array([0, 9, 0, 0]))
    layer = replace(layer, branches=(layer.branches[0], (*layer.branches[1][:-1], wrong)))
    with pytest.raises(DisagreementError, match=r"^The network must find the class that the model files together find"):
        compare_drawn(replace(imported.network, layers=(layer,)), imported.members)
