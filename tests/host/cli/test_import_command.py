"""bitweir import: the table, the JSON object, comparisons with the model file, votes, and mistakes."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from importlib import resources
from pathlib import Path

import bitweir.model_files
import numpy as np
import onnx
import pytest
from bitweir.cli import main
from bitweir.import_report import schema
from bitweir.importers import ModelError, load_model
from bitweir.importers.ensemble import vote
from bitweir.importers.execution.operators import CannotRunError
from bitweir.importers.folding.provenance import Taps
from bitweir.importers.onnx.reference import numpy_executor, runtime_executor
from bitweir_hw.files import load_network
from bitweir_sim.values.encoding import encode
from bitweir_sim.values.fast import run as golden
from bitweir_sim.values.golden import trace
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper
from support.schemas import validate

NETWORKS = Path(str(resources.files("bitweir.networks")))
DIGITS, CNN, IMAGES = NETWORKS / "digits.onnx", NETWORKS / "cnn.onnx", NETWORKS / "digits_test.npz"
SCALE = ("--input-scale", "1")
QONNX = "qonnx.custom_op.general"


def run(*words, code=0):
    result = CliRunner().invoke(main, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.stderr
    return result


def run_json(*words, code=0):
    return json.loads(run(*words, "--json", code=code).stdout)


def fails(told, code, *words):
    plain = run(*words, code=code)
    assert plain.stderr.splitlines()[-1] == f"bitweir: {told}" and plain.stdout == ""
    assert run_json(*words, code=code) == {"error": told, "exit_code": code}


def residual(path: Path, seed: int = 1, name: str = "x", at: float = 0.5, classes: int = 5) -> Path:
    """Binary map 1 x 4 x 4 -> convolution, batch norm, sign -> convolution + shortcut, sign -> dense."""
    draw = np.random.default_rng(seed)
    tensors = {
        "at": np.float32(at),
        "w0": draw.choice([-1, 1], (3, 1, 3, 3)),
        "w1": draw.choice([-1, 1], (3, 3, 3, 3)),
        "w2": draw.choice([-1, 1], (48, classes)),
        "one": np.float32(1),
        "minus": np.float32(-1),
        "zero": np.float32(0),
        "gamma": [0.5, -1.5, 1e-9],
        "beta": [0.25, 0.5, 1.0],
        "mean": [0.3, -1.1, 2.0],
        "var": [1.0, 2.0, 3.0],
    }
    nodes = [
        helper.make_node("GreaterOrEqual", [name, "at"], ["g0"]),
        helper.make_node("Where", ["g0", "one", "minus"], ["b0"]),
        helper.make_node("Conv", ["b0", "w0"], ["a0"], pads=[1, 1, 1, 1]),
        helper.make_node("BatchNormalization", ["a0", "gamma", "beta", "mean", "var"], ["n0"]),
        helper.make_node("GreaterOrEqual", ["n0", "zero"], ["g1"]),
        helper.make_node("Where", ["g1", "one", "minus"], ["b1"]),
        helper.make_node("Conv", ["b1", "w1"], ["a1"], pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["a1", "a0"], ["s"]),
        helper.make_node("GreaterOrEqual", ["s", "zero"], ["g2"]),
        helper.make_node("Where", ["g2", "one", "minus"], ["b2"]),
        helper.make_node("Flatten", ["b2"], ["f"]),
        helper.make_node("MatMul", ["f", "w2"], ["y"]),
        helper.make_node("ArgMax", ["y"], ["class"], axis=1, keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", 1, 4, 4])],
        [helper.make_tensor_value_info("class", TensorProto.INT64, ["N"])],
        [numpy_helper.from_array(np.asarray(a, np.float32), n) for n, a in tensors.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


@pytest.fixture
def frames(tmp_path):
    path = tmp_path / "frames.npz"
    np.savez(path, x=np.random.default_rng(0).random((40, 1, 4, 4)).astype(np.float32))
    return path


# ---- the table and the JSON object


def test_the_table_tells_each_layer(tmp_path):
    told = run("import", CNN, "-o", tmp_path / "net.npz", *SCALE).stdout
    lines = [re.sub(r"\s+", " ", line).strip() for line in told.splitlines()]
    assert lines[0] == "Network cnn, 10 classes"
    assert any(re.match(r"conv0 conv 3x3 8x8x1, \d bit \S+ [\d,]+ x 1 bit \d", line) for line in lines), told
    assert any(line.startswith("dense0 dense ") for line in lines)
    assert "input: A uint8 pixel is x." in lines
    assert load_network(tmp_path / "net.npz").name == "cnn"
    assert max(map(len, told.splitlines())) <= 80


def test_the_object_follows_its_schema(tmp_path, frames):
    result = run_json("import", DIGITS, "-o", tmp_path / "a" / "net.npz", *SCALE, "--images", IMAGES, "--name", "mine")
    validate(result, schema())
    assert result["network"]["name"] == "mine" and result["output"] == str(tmp_path / "a" / "net.npz")
    first, last = result["layers"][0], result["layers"][-1]
    assert first["input_shape"] == [1, 1, 192] and first["weights"] == {"count": 192 * 256, "bits": 1}
    assert first["thresholds"] == 1 and first["constant_neurons"] == 2 and first["nearest"] > 0
    assert last["output_format"]["kind"] == "sums" and last["output_shape"] == [1, 1, 10]
    assert result["input"]["stored_values"] is None  # a number makes three elements, each by another rule
    assert result["input"]["rule"] == [
        "The model takes frames of 64 numbers x; the stream carries 1x1x192.",
        "Each number makes 3 elements.",
        "x becomes +1 where x >= a threshold, else -1; the threshold is 3.5 in 64, 7.5 in 64, 11.5 in 64 elements.",
        "A uint8 pixel is x.",
    ]
    result = run_json("import", residual(tmp_path / "r.onnx"), "-o", tmp_path / "r.npz", "--images", frames)
    validate(result, schema())
    (total,) = (layer for layer in result["layers"] if layer["branches"])
    inner = [[layer["name"] for layer in branch["layers"]] for branch in total["branches"]]
    assert inner == [["signs0", "threshold0", "conv1"], []]
    assert result["layers"][0]["padding"] == {"pads": [1, 1, 1, 1], "value": 0}
    # Neuron 2 is above 0 whatever comes.
    assert total["branches"][0]["layers"][1]["constant_neurons"] == 1
    assert result["comparison"]["accuracy"] is None
    assert [layer["layer"] for layer in result["comparison"]["models"][0]["layers"]] == [
        None,
        "threshold0",
        "threshold1",
    ]


def test_nested_layers_are_indented(tmp_path):
    told = run("import", residual(tmp_path / "r.onnx"), "-o", tmp_path / "r.npz").stdout
    assert re.search(
        r"^sum0 .*\n.*\n branch 0 .*\n  signs0 .*\n.*\n  threshold0 .*\n.*\n  conv1 .*\n", told, re.MULTILINE
    )
    assert re.search(r"^ branch 1 +unchanged", told, re.MULTILINE)


def test_what_a_pixel_becomes(tmp_path):
    result = run_json("import", residual(tmp_path / "r.onnx"), "-o", tmp_path / "r.npz", "--input-scale", "1/255")
    assert result["input"]["rule"][1:] == [
        "x becomes +1 where x >= 0.5, else -1.",
        "A uint8 pixel is multiplied by 1/255 to become x.",
        "So pixels 0 to 127 become -1, 128 to 255 become +1.",
    ]
    assert result["input"]["stored_values"] == [-1] * 128 + [1] * 128


def test_ties_are_told(tmp_path):
    """A batch norm whose mean is a sum that occurs."""
    path = residual(tmp_path / "r.onnx")
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        if tensor.name in ("beta", "mean"):
            numbers = {"beta": [0, 0, 0], "mean": [1, 1, 1]}[tensor.name]
            tensor.CopyFrom(numpy_helper.from_array(np.asarray(numbers, np.float32), tensor.name))
    onnx.save(model, path)
    result = run_json("import", path, "-o", tmp_path / "r.npz")
    assert result["diagnostics"]["ties"] == ["threshold0"]
    assert result["diagnostics"]["nearest"] == {"layer": "threshold0", "distance": 0}


# ---- comparisons


@pytest.mark.parametrize("model", [DIGITS, CNN])
def test_shipped_networks_agree_with_the_reference(tmp_path, model):
    saved = tmp_path / "s" / "found.npz"
    words = ("import", model, "-o", tmp_path / "net.npz", *SCALE, "--images", IMAGES, "--limit", 50, "--save", saved)
    found = run_json(*words)["comparison"]
    assert found["images"] == 50 and found["accuracy"] == found["reference_accuracy"] > 0.9
    assert found["results_differ"] == 0 and found["first_mismatch"] is None
    (agreement,) = found["models"]
    assert agreement["orders_differ"] == 0 and agreement["reference"]
    assert len(agreement["layers"]) >= 2
    assert all(layer["codes"] and not layer["differ"] for layer in agreement["layers"])
    with np.load(saved) as arrays:
        assert arrays["scores"].shape == (50, 10)
        assert (arrays["classes"] == arrays["scores"].argmax(axis=1)).all()


def test_both_executors_say_the_same(tmp_path, frames):
    pytest.importorskip("onnxruntime")
    path, taps = residual(tmp_path / "r.onnx"), Taps()
    load_model(path, taps=taps)
    tensors = [*(tap.tensor for tap in taps.codes), taps.scores]
    x = np.load(frames)["x"]
    one, other = (make(path, tensors).run(x) for make in (numpy_executor, runtime_executor))
    assert taps.scores == "y" and len(tensors) == 4
    for tensor in tensors:
        assert np.allclose(one[tensor], other[tensor], atol=1e-4) and one[tensor].dtype == np.float64


def test_without_a_runtime_the_own_executor_compares(tmp_path, frames, monkeypatch):
    def missing(path, tensors, model):
        raise CannotRunError("ONNX Runtime is not installed")

    monkeypatch.setattr("bitweir.importers.compare.agreement.runtime_executor", missing)
    words = ("import", residual(tmp_path / "r.onnx"), "-o", tmp_path / "r.npz", "--images", frames)
    (agreement,) = run_json(*words)["comparison"]["models"]
    assert agreement["reference"] == "NumPy in float64" and agreement["remark"] == "ONNX Runtime is not installed"
    assert [layer["differ"] for layer in agreement["layers"]] == [0, 0, 0]
    assert "all equal" in run(*words).stdout


@pytest.fixture
def wrong_import(monkeypatch):
    """An importer that turns all weights of a layer round."""

    def load(path, **options):
        network = load_model(path, **options)
        dense = network.layers[-1]
        return replace(network, layers=(*network.layers[:-1], replace(dense, weights=~dense.weights)))

    monkeypatch.setattr(bitweir.model_files, "load_model", load)


def test_wrong_classes_end_with_their_own_code(tmp_path, frames, wrong_import):
    words = ("import", residual(tmp_path / "r.onnx"), "-o", tmp_path / "r.npz", "--images", frames)
    result = run(*words, "--json", code=9)
    found = json.loads(result.stdout)["comparison"]
    validate(json.loads(result.stdout), schema())
    first, many = found["first_mismatch"], found["results_differ"]
    assert many > 20 and found["models"][0]["results_differ"] == many
    assert result.stderr.splitlines()[-1] == (
        f"bitweir: The network must compute what model file 'r.onnx' computes, but the scores of dense0 give another "
        f"class to {many} of 40 images, first to image {first['image']}: the class should be {first['expected']}, "
        f"but is {first['found']}."
    )
    assert not (tmp_path / "r.npz").exists()
    plain = run(*words, code=9)
    assert f"{many} of 40 differ" in plain.stdout and plain.stderr.splitlines()[-1] == result.stderr.splitlines()[-1]


def test_the_first_code_that_differs_is_named(tmp_path, frames, monkeypatch):
    """A threshold that is too high by the whole range, in one channel of one layer."""

    def load(path, **options):
        network = load_model(path, **options)
        total = network.layers[1]
        signs, threshold, *rest = total.branches[0]
        higher = threshold.thresholds + np.array([[0], [100], [0]])
        branches = ((signs, replace(threshold, thresholds=higher), *rest), *total.branches[1:])
        layers = (network.layers[0], replace(total, branches=branches), *network.layers[2:])
        return replace(network, layers=layers)

    monkeypatch.setattr(bitweir.model_files, "load_model", load)
    path = residual(tmp_path / "r.onnx")
    result = run("import", path, "-o", tmp_path / "r.npz", "--images", frames, "--json", code=9)
    layers = json.loads(result.stdout)["comparison"]["models"][0]["layers"]
    assert layers[0]["differ"] == 0 and layers[1]["layer"] == "threshold0" and layers[1]["differ"] > 0
    first = layers[1]["first"]
    want = numpy_executor(path, [layers[1]["tensor"]]).run(np.load(frames)["x"])[layers[1]["tensor"]]
    assert first["channel"] == 1 and (first["expected"], first["found"]) == (1, -1)
    assert want[first["image"], 1, first["row"], first["column"]] == 1
    place = f"pixel ({first['row']}, {first['column']}), image {first['image']}: expected 1, found -1."
    of = sum(layer["codes"] for layer in layers)
    assert result.stderr.splitlines()[-1] == (
        f"bitweir: The network must compute what model file 'r.onnx' computes, but {layers[1]['differ']} of {of:,} "
        f"codes differ, the first in threshold0 (tensor 'b1' of the file), channel 1, {place}"
    )
    # What follows from a wrong code is not wrong by itself.
    assert layers[2]["differ"] == 0


def test_images_that_nothing_can_be_compared_with(tmp_path):
    path = residual(tmp_path / "r.onnx")
    codes = tmp_path / "codes.npz"
    np.savez(codes, codes=np.random.default_rng(0).integers(0, 2, (9, 16)), y=np.zeros(9, np.int64))
    result = run_json("import", path, "-o", tmp_path / "r.npz", "--images", codes)
    validate(result, schema())
    found = result["comparison"]
    assert found["models"][0]["remark"] == "the images hold codes, not what the model takes"
    assert found["results_differ"] is None and found["reference_accuracy"] is None and found["accuracy"] is not None
    again = run("import", tmp_path / "r.npz", "-o", tmp_path / "s.npz", "--images", codes)
    assert "none: there is no independent executor of a saved network" in again.stdout
    assert (tmp_path / "s.npz").read_bytes() == (tmp_path / "r.npz").read_bytes()


def test_quantisers_of_qonnx_in_every_rounding_mode(tmp_path):
    """The own executor against the definition of each mode, at halves, wholes and between."""
    x = np.arange(-14, 15).astype(np.float32) / 4
    halves = np.sign(x) * np.floor(np.abs(x) + 0.5)
    rounded = {
        "ROUND": np.rint(x),
        "half_even": np.rint(x),
        "CEIL": np.ceil(x),
        "FLOOR": np.floor(x),
        "UP": np.where(x > 0, np.ceil(x), np.floor(x)),
        "DOWN": np.trunc(x),
        "HALF_UP": halves,
        "HALF_DOWN": np.where(np.abs(x) % 1 == 0.5, np.trunc(x), halves),
    }
    for mode, whole in rounded.items():
        node = helper.make_node(
            "Quant", ["x", "s", "z", "b"], ["y"], domain=QONNX, signed=1, narrow=1, rounding_mode=mode
        )
        graph = helper.make_graph(
            [node],
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, len(x)])],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
            [numpy_helper.from_array(np.float32(value), name) for name, value in (("s", 1), ("z", 0), ("b", 3))],
        )
        path = tmp_path / "q.onnx"
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid(QONNX, 2)]), path)
        found = numpy_executor(path, ["y"]).run(x[None])["y"][0]
        assert (found == np.clip(whole, -3, 3)).all(), mode


# ---- votes


def test_an_ensemble_has_the_class_of_the_majority(tmp_path, frames):
    paths = [residual(tmp_path / f"r{seed}.onnx", seed) for seed in range(4)]
    networks = [load_model(path) for path in paths]
    whole = vote(networks, paths)
    codes = encode(whole.input, np.load(frames)["x"])
    votes = np.zeros((len(codes), 5), np.int64)
    for network in networks:
        votes[np.arange(len(codes)), golden(network, codes).classes] += 1
    result = golden(whole, codes)
    assert (result.scores == votes).all() and (result.classes == votes.argmax(axis=1)).all()
    assert (np.sort(votes, axis=1)[:, -1] == np.sort(votes, axis=1)[:, -2]).any()  # ties occur
    assert (trace(whole, codes)["votes"] == votes).all()
    names = [layer.name for layer, _, _ in whole.placed()]
    assert "net0_conv0" in names and "net3_vote" in names and names[-1] == "votes"
    assert whole.name == "vote_r0" and whole.notes[0] == "net0 is the file 'r0.onnx', the network r0."


def test_models_that_vote_on_the_command_line(tmp_path, frames):
    paths = [residual(tmp_path / f"r{seed}.onnx", seed) for seed in range(3)]
    result = run_json("import", *paths, "--vote", "-o", tmp_path / "v.npz", "--images", frames, "--name", "panel")
    validate(result, schema())
    assert result["network"]["name"] == "panel" and result["models"] == [str(path) for path in paths]
    found = result["comparison"]
    assert found["results_differ"] == 0 and len(found["models"]) == 3
    assert all(model["reference"] and model["results_differ"] == 0 for model in found["models"])
    assert found["models"][2]["layers"][1]["layer"] == "net2_threshold0"
    told = run("import", *paths, "--vote", "-o", tmp_path / "v.npz", "--images", frames).stdout
    assert "classes of the vote" in told
    assert load_network(tmp_path / "v.npz").outputs == 5


def test_generate_takes_models_that_vote(tmp_path, monkeypatch):
    paths = [residual(tmp_path / f"r{seed}.onnx", seed) for seed in range(2)]
    seen = []

    def stop(network, folder, *rest, **options):
        seen.append(network)
        raise ModelError("seen")

    monkeypatch.setattr("bitweir.api.choose", stop)
    run("generate", *paths, "--vote", "-o", tmp_path / "out", code=3)
    assert [layer.name for layer in seen[0].layers] == ["votes"]


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"at": 0.25}, "the thresholds of their input, 0.5 and 0.25 for element 0"),
        ({"classes": 4}, "the number of their classes, 5 and 4"),
    ],
)
def test_models_that_do_not_go_together(tmp_path, options, told):
    a, b = residual(tmp_path / "a.onnx"), residual(tmp_path / "b.onnx", **options)
    sentence = (
        f"Models that vote must have the same input and the same classes, but '{a}' and '{b}' differ in {told}: "
        "train or export them alike."
    )
    fails(sentence, 3, "import", a, b, "--vote", "-o", tmp_path / "v.npz")
    fails(sentence, 3, "generate", a, b, "--vote", "-o", tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.onnx", "b.onnx"]


# ---- mistakes


def test_a_file_that_is_none_leaves_nothing(tmp_path):
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"hello")
    told = f"Model file '{bad}' is no ONNX file, or it is damaged: export the model again."
    fails(told, 3, "import", bad, "-o", tmp_path / "net.npz")
    missing = tmp_path / "none.npz"
    fails(
        f"There is no image file '{missing}'.",
        8,
        "import",
        DIGITS,
        *SCALE,
        "-o",
        tmp_path / "n.npz",
        "--images",
        missing,
    )
    np.savez(tmp_path / "i.npz", x=np.zeros((3, 65)))
    told = "In image file 'i.npz', frames must have the shape (N, 64), not (3, 65)."
    fails(told, 8, "import", DIGITS, *SCALE, "-o", tmp_path / "n.npz", "--images", tmp_path / "i.npz")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.onnx", "i.npz"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ([], "Missing argument 'MODEL...'"),
        ([DIGITS, DIGITS], "Several models need --vote, with which each votes for its class."),
        ([DIGITS, "--vote"], "--vote needs two models or more."),
        ([DIGITS, "--limit", 3], "--limit, --save and --round-images need --images."),
        ([DIGITS, "--save", "x.npz"], "--limit, --save and --round-images need --images."),
        ([DIGITS, "-o", "net.onnx"], "The network file must end in .npz, not 'net.onnx'."),
    ],
)
def test_wrong_use(tmp_path, monkeypatch, words, told):
    monkeypatch.chdir(tmp_path)
    result = run("import", "-o", "net.npz", *words, code=2)
    assert told in result.stderr and result.stdout == "" and list(tmp_path.iterdir()) == []


HOSTILE = "[/x]$(id);`a`\n\x1b[2J<b>//.."


def test_names_of_a_model_stay_text(tmp_path, frames):
    """Names of nodes, tensors and files, full of what shells, terminals and HTML act on."""
    path = residual(tmp_path / "[red]<script> $(id).onnx", name="x" + HOSTILE)
    model = onnx.load(path)
    for node in model.graph.node:
        node.name = node.op_type + HOSTILE
        node.output[:] = [name if name == "class" else name + HOSTILE for name in node.output]
        made = {"g0", "b0", "a0", "n0", "g1", "b1", "a1", "s", "g2", "b2", "f", "y"}
        node.input[:] = [name + HOSTILE if name in made else name for name in node.input]
    onnx.save(model, path)
    target = tmp_path / "net.npz"
    result = run("import", path, "-o", target, "--images", frames)
    assert "all equal" in result.stdout and "\x1b" not in result.stdout
    network = load_network(target)
    assert network.name == "red_script_id" and network.name.isidentifier()
    assert all(layer.name.isidentifier() for layer, _, _ in network.placed())
    assert run_json("import", path, "-o", target, "--images", frames)["comparison"]["results_differ"] == 0
    model.graph.node[8].op_type = "Softplus"
    del model.graph.node[8].input[1:]
    onnx.save(model, path)
    told = run("import", path, "-o", target, code=3).stderr
    assert told.isprintable() or told.strip("\n").isprintable()
