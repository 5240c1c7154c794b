"""Every import is compared with its file: faults are found and named, and commands tell of them."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from importlib import resources
from pathlib import Path

import bitweir.model_files
import numpy as np
import pytest
from bitweir.import_report import schema
from bitweir.importers import load_model
from bitweir.importers.compare.comparison import DisagreementError, compare_drawn
from bitweir.importers.compare.drawn import drawn_frames, frame_work, frames_to_draw
from bitweir.importers.compare.report import comparison_report
from bitweir.importers.execution.operators import OPERATORS, CannotRunError
from bitweir.importers.folding.provenance import Taps
from bitweir.importers.keras.layers.rules import KERAS_RULES
from bitweir.importers.keras.reference import LAYERS
from bitweir.importers.onnx.constants import CONSTANT_OPS
from bitweir.importers.onnx.operators.rules import RULES
from bitweir.importers.onnx.reference import numpy_executor
from bitweir_hw.network import BIPOLAR, Conv, Format, Input, Network, Stored
from bitweir_sim.values.encoding import encode
from hypothesis import given, settings
from hypothesis import strategies as st
from support.compared import DIGITS, damaged, loaded, members, other_results, place_of, residual, run
from support.onnxgraphs import Graph
from support.schemas import validate
from support.shared_data import DATA, needs_shared

NETWORKS = Path(str(resources.files("bitweir.networks")))


@pytest.mark.parametrize("name", ["digits", "cnn", "larq"])
def test_right_networks_agree(models, name):
    path, network, taps = models[name]
    found = compare_drawn(network, members(path, network, taps))
    (agreement,) = found.agreements
    assert found.frames == frames_to_draw(network) > 500 and found.difference is None and agreement.agrees
    assert agreement.results.shape == (found.frames,) and len(set(agreement.results.tolist())) > 3
    assert found.summary == (
        f"Compared with {path.name!r} (in {agreement.reference}) on {found.frames:,} drawn inputs: "
        f"{found.codes:,} codes and the order of all scores are equal."
    )
    # Drawn inputs that make every code the same would say nothing.
    assert all(layer.codes for layer in agreement.layers) and len(agreement.layers) == len(taps.codes) >= 1


@pytest.mark.parametrize("kind", ["weight", "threshold", "swap", "score"])
@pytest.mark.parametrize("name", ["digits", "cnn", "larq"])
def test_planted_faults_are_found_and_named(models, name, kind):
    """One wrong weight, one shifted threshold, two channels that change places."""
    path, network, taps = models[name]
    found = 0
    for seed in range(2):
        wrong, layer = damaged(network, kind, seed)
        try:
            compare_drawn(wrong, members(path, wrong, taps))
        except DisagreementError as error:
            found += 1
            assert str(error).startswith(f"The network must compute what model file {path.name!r} computes, but ")
            assert str(error).endswith("; nothing is written, and the fault is one of bitweir.")
            assert layer in str(error) and error.exit_code == 9
    # A threshold of a neuron that hardly ever reaches it may well be another one.
    assert found >= (1 if kind == "threshold" else 2)


def test_the_first_fault_is_told_whole(models):
    path, network, taps = models["digits"]
    place = place_of(network, "weight")
    layer = network.layers[place]
    thresholds = layer.thresholds.copy()
    thresholds[7] = 10_000
    layers = (*network.layers[:place], replace(layer, thresholds=thresholds), *network.layers[place + 1 :])
    wrong = replace(network, layers=layers)
    with pytest.raises(DisagreementError) as caught:
        compare_drawn(wrong, members(path, wrong, taps))
    (tap,) = (tap for tap in taps.codes if tap.layer == layer.name)
    frames = drawn_frames(network.input, frames_to_draw(network))
    codes = numpy_executor(path, [tap.tensor]).run(frames.astype(np.float32))[tap.tensor].reshape(len(frames), -1)
    ones = np.flatnonzero(codes[:, 7] > 0)
    assert str(caught.value) == (
        f"The network must compute what model file 'digits.onnx' computes, but {len(ones):,} of "
        f"{codes.size + len(frames) * network.input.size:,} codes differ, the first in {layer.name} (tensor "
        f"{tap.tensor!r} of the file), channel 7, pixel (0, 0), drawn input {ones[0]}: expected 1, found -1; nothing "
        "is written, and the fault is one of bitweir."
    )


# ---- commands


@pytest.fixture
def wrong_import(monkeypatch):
    """An importer that turns the first weight of the last layer round."""

    def load(path, **options):
        network = load_model(path, **options)
        return damaged(network, "score", 0)[0] if path.suffix != ".npz" else network

    monkeypatch.setattr(bitweir.model_files, "load_model", load)


COMMANDS = [
    ("import", "-o", "net.npz"),
    ("generate", "-o", "out"),
    ("explore", "-o", "out", "--part", "ecp5-25k", "--points", "1"),
    ("build", "-o", "out", "--board", "ulx3s_85f"),
]


@pytest.mark.parametrize("words", COMMANDS, ids=[words[0] for words in COMMANDS])
def test_a_wrong_network_ends_every_command(tmp_path, monkeypatch, wrong_import, words):
    monkeypatch.chdir(tmp_path)
    name, *words = words
    result = run(name, DIGITS, "--input-scale", "1", *words, code=9)
    assert result.stderr.splitlines()[-1].startswith(
        "bitweir: The network must compute what model file 'digits.onnx' computes, but the scores of dense1 "
    )
    assert not list(tmp_path.iterdir())


def test_images_tell_of_codes_too(tmp_path, monkeypatch):
    """A hidden code may be wrong without any class being another one."""

    def load(path, **options):
        return damaged(load_model(path, **options), "threshold", 0)[0]

    monkeypatch.setattr(bitweir.model_files, "load_model", load)
    images = tmp_path / "images.npz"
    np.savez(images, x=drawn_frames(loaded(DIGITS)[0].input, 300))
    result = run("import", DIGITS, "-o", tmp_path / "n.npz", "--input-scale", "1", "--images", images, "--json", code=9)
    found = json.loads(result.stdout)["comparison"]
    assert found["models"][0]["layers"][1]["differ"] > 0
    assert not (tmp_path / "n.npz").exists()


def test_what_was_compared_is_told(tmp_path):
    words = ("generate", DIGITS, "--input-scale", "1", "--fps", "1000", "-o", tmp_path / "out")
    told = " ".join(run(*words).stdout.split())
    assert "Compared with 'digits.onnx' (in " in told and " on 1,024 drawn inputs: " in told
    found = json.loads(run(*words, "--json").stdout)["comparison"]
    assert found["images"] == 1024 and found["models"][0]["layers"][0]["ties"] == 0


def test_a_saved_network_has_no_model(tmp_path):
    run("import", DIGITS, "-o", tmp_path / "n.npz", "--input-scale", "1")
    result = run("import", tmp_path / "n.npz", "-o", tmp_path / "m.npz")
    assert "ompared" not in result.stdout
    assert json.loads(run("import", tmp_path / "n.npz", "-o", tmp_path / "m.npz", "--json").stdout)["drawn"] is None


def test_votes_are_compared_with_each_member(tmp_path):
    paths = [tmp_path / f"{seed}.onnx" for seed in range(2)]
    for seed, path in enumerate(paths):
        residual(path, seed)
    result = json.loads(run("import", *paths, "--vote", "-o", tmp_path / "v.npz", "--json").stdout)
    found = result["drawn"]
    assert [len(model["layers"]) for model in found["models"]] == [3, 3] and found["results_differ"] == 0
    assert all(not layer["differ"] for model in found["models"] for layer in model["layers"])


def test_an_executor_that_cannot_run_is_told(tmp_path, monkeypatch):
    def no(path, tensors, model):
        raise CannotRunError("operator 'It' is not known")

    for maker in ("numpy_executor", "runtime_executor"):
        monkeypatch.setattr(f"bitweir.importers.compare.agreement.{maker}", no)
    residual(tmp_path / "r.onnx")
    told = " ".join(run("import", tmp_path / "r.onnx", "-o", tmp_path / "r.npz").stdout.split())
    assert (
        "Nothing was compared with model file 'r.onnx': operator 'It' is not known, and operator 'It' is not known."
    ) in told


# ---- what is drawn


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_drawn_inputs_reach_every_code(data):
    rows = data.draw(st.sampled_from(["one", "each"]))
    shape = tuple(data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3)))
    size, many, copies = int(np.prod(shape)), data.draw(st.integers(1, 7)), data.draw(st.integers(1, 3))
    draw = np.random.default_rng(data.draw(st.integers(0, 99)))
    source = np.tile(np.arange(size), copies)
    count = 1 if rows == "one" else len(source)
    thresholds = np.sort(draw.normal(scale=data.draw(st.sampled_from([0.01, 1, 1e4])), size=(count, many)), axis=1)
    entry = Input(shape=shape, format=Format(bits=3), thresholds=thresholds, source=source)
    frames = drawn_frames(entry, 400)
    codes = encode(entry, frames)
    assert frames.shape == (400, *shape) and frames.dtype == np.float32
    assert all(set(column.tolist()) == set(range(many + 1)) for column in codes.T)
    assert (codes[1] == 0).all() and (codes[2] == many).all()
    assert np.array_equal(frames, drawn_frames(entry, 400))


def test_drawn_inputs_are_numbers_that_occur():
    """Integers as images are stored, from the least to the most, whether the model quantises them or not."""
    stored = Stored(low=-128, high=127, scale=("1/255",))
    for thresholds in (None, np.arange(-127.0, 128)[None] / 255):
        entry = Input(
            shape=(6,), format=Format(bits=8), thresholds=thresholds, source=np.arange(6, dtype=np.int64), stored=stored
        )
        frames = drawn_frames(entry, 300)
        assert set(np.unique(frames)) <= set(range(-128, 128)) and len(np.unique(frames)) > 200
        assert frames.dtype == np.int64 and (frames[1] == -128).all() and (frames[2] == 127).all()
        assert (encode(entry, frames)[1] == 0).all() and (encode(entry, frames)[2] == 255).all()


def test_large_networks_get_few_inputs():
    """As many as a second allows, but three at least; none where a frame takes minutes."""

    def network(side, channels, layers):
        first = Input(
            shape=(side, side, channels), format=BIPOLAR, thresholds=np.zeros((1, 1)),
            source=np.arange(side * side * channels), map_shape=(side, side, channels),
        )  # fmt: skip
        weights = np.ones((channels, 3, 3, channels), np.bool_)
        parts = tuple(
            Conv(
                name=f"c{n}",
                weights=weights,
                pads=(1, 1, 1, 1),
                output=BIPOLAR,
                thresholds=np.zeros((channels, 1), np.int64),
            )  # fmt: skip
            for n in range(layers)
        )
        return Network(name="n", input=first, layers=parts)

    assert frames_to_draw(network(4, 2, 1)) == 1024
    assert frames_to_draw(network(64, 64, 4)) == 3
    large = network(224, 256, 3)
    assert frame_work(large) > 1 << 36 and frames_to_draw(large) == 0


def test_executors_know_what_importers_know():
    """A rule without its operator would leave networks uncompared."""
    assert not {*RULES, *CONSTANT_OPS} - OPERATORS
    # This one is a rule that refuses.
    assert {*KERAS_RULES} - {*LAYERS} <= {"MagnitudeAwareSign"}


@needs_shared
@pytest.mark.parametrize("form", ["h5", "quantized_scope.h5", "keras"])
@pytest.mark.parametrize("name", ["l1_larq_mlp", "l2_larq_cnn_same_pad0"])
def test_the_executor_of_keras_files_says_what_larq_says(name, form):
    from bitweir.importers.keras.reference import keras_executor

    path = DATA / "digits" / f"{name}.{form}"
    _, taps = loaded(path, "int8")
    with np.load(path.parent / f"{name}.npz") as data:
        scores = keras_executor(path, [taps.scores]).run(data["x_f32"])[taps.scores]
        assert (scores.argmax(axis=1) == data["ref_argmax"]).all()
        chances = np.exp(scores - scores.max(axis=1, keepdims=True))
        assert np.allclose(chances / chances.sum(axis=1, keepdims=True), data["ref_prob"], atol=1e-5)


# ---- sums that are not exact, and results that are no class


def stacked(path):
    """Signs -> two convolutions, each scaled by channel and added to what comes before it, sign -> dense."""
    graph = Graph(3)
    x = graph.sign("x")
    for _ in range(2):
        y = graph.op("Conv", graph.sign(x), graph.signs(2, 2, 3, 3), pads=[1, 1, 1, 1])
        x = graph.op("Add", x, graph.op("Mul", y, graph.rng.uniform(0.03, 0.3, (2, 1, 1))))
    return graph.save(path, graph.scores(graph.sign(graph.op("Sub", x, 0.0123)), 2 * 7 * 6))


def test_bounds_of_sums_are_no_differences(tmp_path):
    """A threshold that is off by less than the bound excuses is none; without a bound it is one."""
    path = stacked(tmp_path / "s.onnx")
    network, taps = loaded(path, None)
    assert network.bounds and taps.slack and all((array >= 0).all() and array.any() for array in taps.slack.values())
    assert compare_drawn(network, members(path, network, taps)).ties == 0
    place = next(n for n, layer in enumerate(network.layers) if layer.name == taps.codes[-1].layer)
    layer = network.layers[place]
    unit = max(float(Fraction(bound.unit)) for bound in network.bounds if bound.of == "codes")
    shifted = replace(layer, thresholds=layer.thresholds + round(0.05 / unit))
    wrong = replace(network, layers=(*network.layers[:place], shifted, *network.layers[place + 1 :]))
    with pytest.raises(DisagreementError, match=f" codes differ, the first in {layer.name} "):
        compare_drawn(wrong, members(path, wrong, taps))
    taps.slack = {name: np.full_like(array, 0.1) for name, array in taps.slack.items()}
    found = compare_drawn(wrong, members(path, wrong, taps))
    assert found.ties == 0 and found.bounded > 0
    classes, orders = other_results(path, wrong, drawn_frames(wrong.input, found.frames))
    told = f"the classes of {classes:,} and the orders of scores of {orders:,} drawn inputs"
    assert 0 < classes < orders and found.summary.endswith(
        f"{found.codes - found.bounded:,} codes are equal; {found.bounded:,} more differ within the bound of the sums "
        f"before them, and with them {told}."
    )
    counts = comparison_report(found).to_dict()
    validate(counts, {"$ref": "#/$defs/ComparisonReport", "$defs": schema()["$defs"]})
    assert counts["results_differ"] == 0 and counts["results_excused"] == counts["results_bounded"] == classes


@pytest.mark.parametrize(("kind", "end"), [("labels", "Sigmoid"), ("scores", "Identity")])
def test_results_that_are_no_class_are_compared(tmp_path, kind, end):
    graph = Graph(5)
    hidden = graph.sign(graph.op("MatMul", graph.sign("x"), graph.signs(9, 12)))
    output = graph.op("Add", graph.op("Mul", graph.op("MatMul", hidden, graph.signs(12, 3)), 0.25), [0.3, -0.2, 0.1])
    path = graph.save(tmp_path / "r.onnx", graph.op(end, output), shape=("N", 9))
    taps = Taps()
    network = load_model(path, result=kind, taps=taps)
    assert network.readout.kind == kind
    found = compare_drawn(network, members(path, network, taps))
    assert found.summary.endswith(" codes and all results are equal.")
    place = next(n for n, layer in enumerate(network.layers) if layer.name == "dense1")
    weights = network.layers[place].weights.copy()
    weights[1, :4] = ~weights[1, :4]
    layers = (*network.layers[:place], replace(network.layers[place], weights=weights), *network.layers[place + 1 :])
    wrong = replace(network, layers=layers)
    with pytest.raises(
        DisagreementError, match=rf"the {kind} of dense1 differ for [\d,]+ of 1,024 drawn inputs, first "
    ):
        compare_drawn(wrong, members(path, wrong, taps))
