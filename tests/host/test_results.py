"""What a model's result is: labels, scores, codes or a class, from importer to Verilog, against ONNX Runtime."""

from __future__ import annotations

import json
from fractions import Fraction

import numpy as np
import pytest
from bitweir.cli import main
from bitweir.cli.run_tables import output_lines
from bitweir.importers import ModelError, load_model
from bitweir.model_files import load_networks
from bitweir.results import Quality, describe_result, label_problem, numbers, quality
from bitweir_hw.files import load_network, save_network
from bitweir_hw.network import LABEL, Readout
from bitweir_sim.values.encoding import encode
from bitweir_sim.values.fast import run
from bitweir_sim.values.golden import Result
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import numpy_helper
from support.onnxgraphs import QONNX, C, Graph, H, W, runtime
from support.shared_data import FAULTS, needs_shared

DRAWN = settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


def body(g: Graph, outputs: int, *, norm: bool = True) -> str:
    """A small network up to its last layer; about half of the slopes of its batch norm are negative."""
    x = g.sign(g.norm(g.start(4, 3, 3), 4, 9))
    x = g.scores(x, 4 * (H - 2) * (W - 2), outputs)
    return g.norm(x, outputs, 6) if norm else x


def frames(count: int = 60, seed: int = 1) -> np.ndarray:
    """Pixels that differ from frame to frame in their brightness, too."""
    rng = np.random.default_rng(seed)
    bright = rng.integers(0, 16, (count, 1, 1, 1))
    return np.clip(bright + rng.integers(-8, 8, (count, C, H, W)), 0, 16).astype(np.uint8)


def results(net, pixels) -> Result:
    return run(net, encode(net.input, pixels))


def refused(path, **options) -> str:
    with pytest.raises(ModelError) as error:
        load_model(path, input_scale="1", **options)
    return str(error.value)


# ---- what a graph says


@DRAWN
@given(
    seed=st.integers(0, 2**16),
    outputs=st.integers(1, 3),
    end=st.sampled_from(["sigmoid", "none", "sign", "greater", "round"]),
    affine=st.booleans(),
)
def test_the_end_of_a_graph_is_what_the_runtime_says(tmp_path, seed, outputs, end, affine):
    g = Graph(seed)
    logits = body(g, outputs, norm=not affine)
    if affine:
        logits = g.op("Add", g.op("Mul", logits, np.float32(g.rng.normal())), g.rng.normal(size=outputs) * 5)
    last = {
        "sigmoid": lambda: g.op("Sigmoid", logits),
        "none": lambda: logits,
        "sign": lambda: g.op("Where", g.op("GreaterOrEqual", logits, 0.5), 3.0, -1.0),
        "greater": lambda: g.op("Cast", g.op("Greater", logits, 0.25), to=1),
        "round": lambda: g.op("Round", g.op("Clip", logits, -2.0, 5.0)),
    }[end]()
    path = g.save(tmp_path / "net.onnx", last)
    pixels = frames()
    wanted, before = (
        array.reshape(len(pixels), outputs).astype(np.float64)
        for array in runtime(path, pixels.astype(np.float32), None) + runtime_of(tmp_path, g, logits, pixels)
    )
    net = load_model(path, input_scale="1")
    found = results(net, pixels)
    assert net.outputs == outputs
    if end == "sigmoid":
        # The sigmoid of float32 is 1/2 for scores next to 0, but no score is so near here.
        assert net.readout == Readout(kind="labels") and net.end.format == LABEL
        assert (found.labels == (wanted > 0.5)).all() and (found.scores == found.labels).all()
        assert found.classes is None
    elif end == "none" and outputs > 1:
        assert net.readout.kind == "class"
        assert (found.classes == wanted.argmax(axis=1)).all()
    elif end == "none":
        assert net.readout.kind == "scores" and found.classes is None and found.labels is None
        assert np.allclose(numbers(net, found.scores), before, atol=1e-3, rtol=1e-5)
    else:
        assert net.readout.kind == "codes"
        assert np.array_equal(numbers(net, found.scores), wanted)


def runtime_of(tmp_path, g, tensor, pixels):
    """What the runtime has at another tensor."""
    return runtime(g.save(tmp_path / "before.onnx", tensor), pixels.astype(np.float32))


def test_scores_keep_their_scale_and_offset_exactly(tmp_path):
    g = Graph(3)
    x = g.op("Add", g.op("Mul", body(g, 1, norm=False), np.float32(-0.1)), np.float32(2.5))
    path = g.save(tmp_path / "net.onnx", x)
    net = load_model(path, input_scale="1")
    # float32 has another number than a tenth, and that is what the model multiplies with.
    scale = Fraction(float(np.float32(-0.1)))
    assert net.readout == Readout(kind="scores", scale=(str(scale),), offset=("5/2",))
    save_network(net, tmp_path / "net.npz")
    assert load_network(tmp_path / "net.npz").readout == net.readout
    pixels = frames(5)
    for row, number in zip(
        results(net, pixels).scores.tolist(), runtime(path, pixels.astype(np.float32))[0], strict=True
    ):
        assert abs(net.readout.exact(row)[0] - Fraction(float(number.item()))) < Fraction(1, 10**4)


def test_irrational_maps_are_rounded_and_say_so(tmp_path):
    g = Graph(4)
    path = g.save(tmp_path / "net.onnx", body(g, 1))
    gamma, _, _, variance = (Fraction(float(numpy_helper.to_array(tensor).item())) for tensor in g.tensors[-4:])
    variance += Fraction(float(np.float32(1e-5)))
    net = load_model(path, input_scale="1")
    assert net.readout.rounded
    (scale,) = net.readout.scales
    # The scale is gamma / sqrt(variance), to 64 bits: its square tells.
    assert 0 < abs(scale * scale * variance / (gamma * gamma) - 1) < Fraction(1, 1 << 62)
    assert scale * gamma > 0
    assert "nearest of 64 significant bits" in " ".join(describe_result(net))


def test_scores_of_several_outputs_have_a_map_each(tmp_path):
    g = Graph(5)
    logits = g.op("Add", g.op("Mul", body(g, 3, norm=False), [0.5, -2.0, 0.25]), [1.0, 0.0, -3.0])
    path = g.save(tmp_path / "net.onnx", logits)
    net = load_model(path, input_scale="1", result="scores")
    assert net.readout == Readout(kind="scores", scale=("1/2", "-2", "1/4"), offset=("1", "0", "-3"))
    pixels = frames()
    assert np.array_equal(numbers(net, results(net, pixels).scores), runtime(path, pixels.astype(np.float32))[0])


def test_a_common_map_of_classes_is_kept(tmp_path):
    g = Graph(6)
    x = g.op("Add", g.op("Mul", body(g, 4, norm=False), np.float32(0.5)), np.float32(-3))
    path = g.save(tmp_path / "net.onnx", x)
    net = load_model(path, input_scale="1")
    assert net.readout == Readout(kind="class", scale=("1/2",), offset=("-3",))
    pixels = frames()
    found, wanted = results(net, pixels), runtime(path, pixels.astype(np.float32))[0]
    assert np.array_equal(numbers(net, found.scores), wanted) and (found.classes == wanted.argmax(axis=1)).all()


@pytest.mark.parametrize("sizes", [[0.5, 0.5, 0.5], [0.5, 1.0, 0.25]], ids=["one scale", "a scale each"])
def test_codes_of_a_quantiser_with_a_scale(tmp_path, sizes):
    g = Graph(7)
    logits, pixels = body(g, 3), frames()
    (wanted,) = runtime_of(tmp_path, g, logits, pixels)
    last = g.op("Quant", logits, np.array([sizes], np.float32), 0.0, 3.0, domain=QONNX, signed=1, narrow=0,
                rounding_mode="ROUND")  # fmt: skip
    net = load_model(g.save(tmp_path / "net.onnx", last), input_scale="1")
    wanted = np.clip(np.rint(wanted.astype(np.float64) / sizes), -4, 3) * sizes
    assert net.readout.kind == "codes" and net.end.format.bits == 3
    assert np.array_equal(numbers(net, results(net, pixels).scores), wanted)
    assert len(np.unique(wanted)) > 4


def test_a_score_of_zero_is_no_label(tmp_path):
    """As ``sigmoid > 0.5`` has it: with pixels of one brightness the sums are known."""
    g = Graph(8)
    x = g.op("Where", g.op("GreaterOrEqual", "x", 8.0), 1.0, -1.0)
    weights = np.ones((C * H * W, 2), np.float32)
    weights[::2, 0] = -1  # sums to 0
    path = g.save(tmp_path / "net.onnx", g.op("Sigmoid", g.op("MatMul", g.op("Flatten", x), weights)))
    net = load_model(path, input_scale="1")
    pixels = np.stack([np.full((C, H, W), level, np.uint8) for level in (0, 16)])
    assert runtime(path, pixels.astype(np.float32))[0][:, 0].tolist() == [0.5, 0.5]
    assert results(net, pixels).labels.tolist() == [[False, False], [False, True]]


# ---- what a user says


@pytest.mark.parametrize("outputs", [1, 3])
def test_logits_as_labels(tmp_path, outputs):
    g = Graph(9)
    path = g.save(tmp_path / "net.onnx", body(g, outputs))
    pixels = frames()
    wanted = runtime(path, pixels.astype(np.float32))[0]
    net = load_model(path, input_scale="1", result="labels")
    assert np.array_equal(results(net, pixels).labels, wanted > 0)


def test_sigmoids_as_a_class_and_as_scores(tmp_path):
    g = Graph(10)
    logits = body(g, 3)
    path = g.save(tmp_path / "net.onnx", g.op("Sigmoid", logits))
    pixels = frames()
    (wanted,) = runtime_of(tmp_path, g, logits, pixels)
    net = load_model(path, input_scale="1", result="class")
    assert np.array_equal(results(net, pixels).classes, wanted.argmax(axis=1))
    assert any("it does not change the class" in note for note in net.notes)
    net = load_model(path, input_scale="1", result="scores")
    assert np.allclose(numbers(net, results(net, pixels).scores), wanted, atol=1e-3)
    assert any(note.endswith("at the end is left out: the scores are what it takes.") for note in net.notes)


def test_codes_as_labels(tmp_path):
    g = Graph(11)
    logits = body(g, 2)
    path = g.save(tmp_path / "net.onnx", g.sign(logits))
    pixels = frames()
    (wanted,) = runtime_of(tmp_path, g, logits, pixels)
    net = load_model(path, input_scale="1", result="labels")
    assert net.end.format == LABEL and np.array_equal(results(net, pixels).labels, wanted >= 0)


def ending(tmp_path, outputs, kind, **attributes):
    g = Graph(12)
    logits = body(g, outputs)
    return g.save(tmp_path / "net.onnx", g.op(kind, logits, **attributes) if kind else logits)


def test_what_makes_no_sense_is_refused(tmp_path):
    one = ending(tmp_path, 1, "")
    save_network(load_model(one, input_scale="1"), tmp_path / "net.npz")
    assert refused(one, result="class") == (
        "The result cannot be the class of a model with one output, because that would always be 0: "
        "say --result labels or --result scores."
    )
    assert refused(one, result="codes") == (
        "The result can be codes only where the model ends in a quantiser, and this one ends in scores: "
        "say --result scores."
    )
    soft = ending(tmp_path, 3, "Softmax", axis=1)
    assert load_model(soft, input_scale="1").readout.kind == "class"
    assert refused(soft, result="labels") == (
        "The result cannot be labels, because Softmax 'n8' chooses one class: leave out --result, or export the "
        "model without it."
    )
    soft = ending(tmp_path, 1, "Softmax", axis=1)
    assert refused(soft) == (
        "Softmax 'n8' at the end chooses among one output, so that it always says the same: say --result scores "
        "(what it takes), or export the model without it."
    )
    assert load_model(soft, input_scale="1", result="scores").readout.kind == "scores"
    tanh = ending(tmp_path, 1, "Tanh")
    assert refused(tanh) == (
        "Tanh 'n8' at the end of one output makes neither a label nor a score: say --result labels (whether what it "
        "takes is greater than 0) or --result scores (what it takes)."
    )
    assert load_model(tanh, input_scale="1", result="labels").readout.kind == "labels"
    two = ending(tmp_path, 2, "Sign")
    for result, what in (("class", "a class"), ("scores", "scores")):
        assert refused(two, result=result) == (
            f"The result cannot be {what}, because the model ends in a quantiser: leave out --result, or export the "
            "model up to its scores."
        )
    relu = ending(tmp_path, 1, "Relu")
    assert refused(relu) == (
        "After the last layer only an affine map may follow, not a ReLU or clip: it makes ties; export the model "
        "without it."
    )
    assert refused(tmp_path / "net.npz", result="labels").endswith(
        "net.npz' is scores, not labels: give --result (in Python result=) where its model file is imported."
    )


# ---- files of images


def test_labels_of_images():
    net = one_label_net()
    assert label_problem(np.zeros(3, int), net, 3) is None
    assert label_problem(np.zeros((3, 1), bool), net, 3) is None
    assert label_problem(np.array([0.0, 1.0, 1.0]), net, 3) is None
    assert label_problem(np.array([0, 2, 1]), net, 3) == "labels of 0 and 1 as y, not 2"
    assert label_problem(np.array([0, np.nan, 1]), net, 3) == "finite numbers as y"
    assert label_problem(np.zeros((3, 2)), net, 3) == (
        "labels of 0 and 1 as y of shape (3, 1) or (3,), not float64 of shape (3, 2)"
    )
    found = Result(scores=np.array([[0], [1], [1]]), labels=np.array([[False], [True], [True]]))
    assert quality(net, found, np.array([0, 1, 0])) == Quality(accuracy=2 / 3, label_accuracy=[2 / 3])
    assert quality(net, found, None).to_dict() == {"accuracy": None, "label_accuracy": None, "mean_error": None}


def test_labels_of_no_class_are_refused(tmp_path):
    g = Graph(15)
    path, pixels = g.save(tmp_path / "net.onnx", body(g, 3)), frames(20)
    y = np.arange(20) % 3
    net = load_model(path, input_scale="1")
    assert label_problem(y, net, 20) is None and label_problem(y.astype(np.uint8), net, 20) is None
    for label in (3, -1, 255):
        y[7], y[9] = label, 4
        assert label_problem(y, net, 20) == (
            f"labels y from 0 to 2, one for each class, but that of image 7 is {label}"
        )
    np.savez(tmp_path / "images.npz", x=pixels, y=y)
    words = ("import", path, "-o", tmp_path / "n.npz", "--input-scale", "1", "--images", tmp_path / "images.npz")
    found = CliRunner().invoke(main, list(map(str, words)))
    assert found.exit_code == 8 and found.stderr.splitlines()[-1] == (
        "bitweir: Image file 'images.npz' must have labels y from 0 to 2, one for each class, but that of image 7 is "
        "255."
    )
    assert not (tmp_path / "n.npz").exists()


def one_label_net():
    from bitweir_hw.network import Dense, Network, check
    from support.strategies import identity_input

    layer = Dense(name="dense", weights=np.ones((1, 4), bool), thresholds=np.zeros((1, 1), np.int64), output=LABEL)
    return check(Network(name="net", input=identity_input(4), layers=(layer,), readout=Readout(kind="labels")))


# ---- commands


def command(*arguments) -> dict:
    found = CliRunner().invoke(main, [*map(str, arguments), "--json"])
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


@pytest.mark.parametrize(("kind", "outputs"), [("labels", 3), ("labels", 1), ("scores", 1), ("codes", 2)])
def test_from_the_model_file_to_simulated_verilog(tmp_path, kind, outputs):
    g = Graph(13)
    logits = body(g, outputs)
    last = {"labels": lambda: g.op("Sigmoid", logits), "scores": lambda: logits, "codes": lambda: g.sign(logits)}[
        kind
    ]()
    path, pixels = g.save(tmp_path / "net.onnx", last), frames(20)
    (wanted,) = runtime_of(tmp_path, g, logits, pixels)
    y = {"labels": wanted > 0, "scores": wanted, "codes": np.where(wanted >= 0, 1.0, -1.0)}[kind]
    np.savez(tmp_path / "images.npz", x=pixels, y=y[:, 0] if outputs == 1 else y)
    images = ("--images", tmp_path / "images.npz")
    read = command("import", path, "-o", tmp_path / "net.npz", "--input-scale", "1", *images)
    found = read["comparison"]
    assert read["result"]["kind"] == kind and found["results_differ"] == 0
    build = tmp_path / "build"
    made = command("generate", path, "-o", build, "--input-scale", "1", "--streams", 2)
    assert made["report"]["network"]["result"]["kind"] == kind
    run_ = command("simulate", build, *images, "--engine", "golden", "--save", tmp_path / "found.npz")
    assert run_["mismatches"] == 0
    for one in (found, run_):
        if kind == "labels":
            assert one["accuracy"] == 1 and one["label_accuracy"] == [1] * outputs
        else:
            assert one["accuracy"] is None and one["mean_error"] < 1e-3
    with np.load(tmp_path / "found.npz") as saved:
        if kind == "labels":
            assert np.array_equal(saved["labels"], y)
        else:
            assert saved[kind].dtype == np.int64 and np.allclose(saved["numbers"], y, atol=1e-3)
    assert "The result is" in (build / "README.md").read_text()
    words = ("run", f"golden:{tmp_path / 'net.npz'}", *images, "--check")
    device = command(*words)
    assert device["result"] == kind and device["mismatches"] == 0 and device["classes"] is None
    told = CliRunner().invoke(main, list(map(str, words))).stdout
    with np.load(tmp_path / "found.npz") as saved:
        ends = None if kind == "labels" else np.stack([saved[kind].min(axis=0), saved[kind].max(axis=0)], 1).tolist()
    assert device["ranges"] == ends
    for index in range(outputs):
        if kind == "labels":
            assert f"label {index} is 1 in {y[:, index].sum()} of 20 images" in told
        else:
            assert f"{kind[:-1]} {index} is from {ends[index][0]:,} to {ends[index][1]:,}" in told


def test_many_outputs_are_told_in_short():
    shown = output_lines("codes", 1200, labels=None, ranges=[[-1000, 2 * n] for n in range(12)])
    assert shown == [f"code {n} is from -1,000 to {2 * n}" for n in range(10)] + ["and 2 more"]
    shown = output_lines("labels", 1200, labels=[0, 1100], ranges=None)
    assert shown == ["label 0 is 1 in 0 of 1,200 images", "label 1 is 1 in 1,100 of 1,200 images"]


def test_votes_are_for_classes(tmp_path):
    g = Graph(14)
    path = g.save(tmp_path / "net.onnx", g.op("Sigmoid", body(g, 3)))
    found = CliRunner().invoke(
        main, ["import", str(path), str(path), "--vote", "-o", str(tmp_path / "v.npz"), "--input-scale", "1"]
    )
    assert found.exit_code == 3, found.output
    assert "Models that vote must each give a class, but the result of" in found.output
    assert found.output.rstrip().endswith("is labels: leave out --vote (in Python vote=).")


# ---- small inputs of others


@needs_shared
@pytest.mark.parametrize(
    ("file", "kind", "images"), [("one_output_sigmoid", "labels", 200), ("multilabel_sigmoid", "labels", 60)]
)
def test_files_that_lost_their_labels(tmp_path, file, kind, images):
    if not (FAULTS / "import").is_dir():
        pytest.skip("the folder faults is not there")
    read = command(
        "import", FAULTS / "import" / f"{file}.onnx", "-o", tmp_path / "net.npz",
        "--images", FAULTS / "import" / f"{file}_images.npz",
    )  # fmt: skip
    assert read["result"]["kind"] == kind and read["comparison"]["images"] == images
    assert read["comparison"]["results_differ"] == 0
    assert all(layer["differ"] == 0 for layer in read["comparison"]["models"][0]["layers"])


@needs_shared
@pytest.mark.parametrize(
    ("file", "kind", "scale"),
    [
        ("import/one_output_bip", "codes", None),
        ("papers/tiny_one_output", "labels", "1/16"),
        ("papers/regression.ts", "scores", "1/16"),
    ],
)
def test_files_of_one_output(file, kind, scale):
    path = FAULTS / f"{file}.onnx"
    if not path.is_file():
        pytest.skip("the file is not there")
    found = load_networks([path], input_scale=scale)
    assert found.network.readout.kind == kind and found.network.outputs == 1
    assert found.drawn.difference is None and not found.drawn.excused.any()
    assert kind == "labels" or len(np.unique(found.drawn.scores)) > 1


@pytest.mark.parametrize("outputs", [1, 3])
def test_a_sigmoid_of_a_sigmoid_has_no_labels(tmp_path, outputs):
    g = Graph(2)
    y = g.op("Sigmoid", g.op("Sigmoid", body(g, outputs)))
    told = refused(g.save(tmp_path / "m.onnx", y))
    assert told.startswith("The result cannot be labels, because Sigmoid ")
    assert told.endswith(" takes what comes out of another sigmoid, so that all labels are 1: remove one of the two.")


@pytest.mark.parametrize("op", ["Sigmoid", "Tanh"])
def test_nothing_follows_a_softmax(tmp_path, op):
    g = Graph(2)
    y = g.op(op, g.op("Softmax", body(g, 3), axis=-1))
    assert " must not follow Softmax " in refused(g.save(tmp_path / "m.onnx", y))
