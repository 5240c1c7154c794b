"""Results for each pixel of a map: from the model file to simulated Verilog and devices, against ONNX Runtime."""

from __future__ import annotations

import json

import bitweir
import numpy as np
import pytest
from bitweir.cli import main
from bitweir.client.golden import GoldenDevice
from bitweir.design import write_design
from bitweir.importers import ModelError, load_model
from bitweir.model_files import load_networks
from bitweir.results import Quality, describe_result, label_problem, numbers, quality, save_result
from bitweir_hw.errors import LinkError, NetworkError
from bitweir_hw.link.protocol import Identity
from bitweir_hw.lower import lower
from bitweir_hw.network import Argmax
from bitweir_hw.plan import Folding, Plan, plan_from_foldings
from bitweir_sim.simulators.compiled import compiler_missing
from bitweir_sim.values.encoding import encode
from bitweir_sim.values.fast import run
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.onnxgraphs import C, Graph, H, W, runtime
from support.shared_data import FAULTS, needs_shared

DRAWN = settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
ROWS, COLUMNS = H - 2, W - 2


def logits(g: Graph, channels: int, *, norm: bool = True) -> str:
    """A small network that ends in a map; about half of the slopes of its batch norms are negative."""
    x = g.sign(g.norm(g.start(4, 3, 3), 4, 9))
    x = g.op("Conv", x, g.signs(channels, 4, 1, 1))
    return g.norm(x, channels, 2) if norm else x


def frames(count: int = 30, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 16, (count, C, H, W)).astype(np.uint8)


def command(*arguments) -> dict:
    found = CliRunner().invoke(main, [*map(str, arguments), "--json"])
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


# ---- what a graph says

ENDS = {
    "scores": lambda g, x: x,
    "rows": lambda g, x: g.op("Transpose", x, perm=[0, 2, 3, 1]),
    "softmax": lambda g, x: g.op("Softmax", x, axis=1),
    "argmax": lambda g, x: g.op("ArgMax", x, axis=-3, keepdims=0),
    "softmax of rows": lambda g, x: g.op("Softmax", g.op("Transpose", x, perm=[0, 2, 3, 1]), axis=-1),
    "sigmoid": lambda g, x: g.op("Sigmoid", x),
    "round": lambda g, x: g.op("Round", g.op("Clip", x, -2.0, 5.0)),
    "pool of rounds": lambda g, x: g.op(
        "MaxPool", g.op("Round", g.op("Clip", x, -2.0, 5.0)), kernel_shape=[1, 1], strides=[1, 1]
    ),
    "round of rows": lambda g, x: g.op("Round", g.op("Clip", g.op("Transpose", x, perm=[0, 2, 3, 1]), -2.0, 5.0)),
}


@DRAWN
@given(seed=st.integers(0, 2**16), channels=st.integers(2, 4), end=st.sampled_from(sorted(ENDS)), norm=st.booleans())
def test_each_pixel_is_what_the_runtime_says(tmp_path, seed, channels, end, norm):
    g, pixels = Graph(seed), frames()
    before = logits(g, channels, norm=norm)
    path = g.save(tmp_path / "net.onnx", ENDS[end](g, before))
    (of_model,) = runtime(g.save(tmp_path / "before.onnx", before), pixels.astype(np.float32))
    wanted = of_model.transpose(0, 2, 3, 1).astype(np.float64)
    imported = load_networks([path], input_scale="1")
    net = imported.network
    found = run(net, encode(net.input, pixels))
    if end in ("softmax", "argmax", "softmax of rows"):
        assert net.readout.kind == "classes" and net.result_shape == (ROWS, COLUMNS) and net.classes == channels
        assert isinstance(net.layers[-1], Argmax)
        # Equal integers may differ by a rounding in floats.
        told = np.take_along_axis(wanted, found.classes.reshape(len(pixels), ROWS, COLUMNS, 1), 3)
        assert (told >= wanted.max(axis=3, keepdims=True) - 1e-5).all()
        assert len(np.unique(found.classes)) > 1
    elif end == "sigmoid":
        assert net.readout.kind == "labels" and net.result_shape == (ROWS, COLUMNS, channels)
        assert np.array_equal(found.labels.reshape(wanted.shape), wanted > 0)
    else:
        kind = "codes" if "round" in end else "scores"
        assert net.readout.kind == kind and net.result_shape == (ROWS, COLUMNS, channels)
        wanted = np.round(wanted.clip(-2, 5)) if kind == "codes" else wanted
        assert np.allclose(numbers(net, found.scores).reshape(wanted.shape), wanted, atol=1e-4)
        exact = [float(number) for number in net.readout.exact(found.scores[0])] if kind == "scores" else None
        assert exact is None or np.allclose(exact, wanted[0].ravel(), atol=1e-4)
    assert imported.drawn.difference is None and imported.drawn.frames > 100


def test_a_class_of_each_pixel_can_be_asked_for(tmp_path):
    g = Graph(2)
    path = g.save(tmp_path / "net.onnx", logits(g, 3))
    one, other = (load_model(path, input_scale="1", result=kind) for kind in ("class", "classes"))
    assert one.readout == other.readout and one.readout.kind == "classes"
    assert load_model(path, input_scale="1").readout.kind == "scores"
    assert list(describe_result(one)) == [
        "The result is a class for each of 20 pixels: of 3, the lowest one with the highest score.",
        "It is a map of 5 x 4 pixels with 1 channel, row by row.",
    ]
    (tmp_path / "net.npz").write_bytes(b"")
    bitweir.load(path, input_scale="1", result="class").save(tmp_path / "net.npz")
    assert load_model(tmp_path / "net.npz", result="class").readout.kind == "classes"


@pytest.mark.parametrize(
    ("end", "options", "told"),
    [
        (lambda g, x: g.op("Flatten", x), {}, "The output of the model must be one vector, or the map of 5 x 4 pixels "
         "of 2 channels that conv1 hands on, not its elements in the shape (40,): end with a dense layer or a pool "
         "over the whole map, or export the map itself."),
        (lambda g, x: g.op("Transpose", x, perm=[0, 3, 1, 2]), {}, "The output of the model must be one vector, or the "
         "map of 5 x 4 pixels of 2 channels that conv1 hands on, not its elements in the shape (4, 2, 5): end with a "
         "dense layer or a pool over the whole map, or export the map itself."),
        (lambda g, x: g.op("Softmax", x, axis=2), {}, "Node Softmax 'n6' cannot be folded: its axis must be that of "
         "the classes, the last one of a vector or that of the channels of a map: export the network up to its "
         "scores."),
        (lambda g, x: g.op("Mul", x, g.const(g.rng.normal(size=(1, 2, 5, 4)))), {}, "The output of the model cannot be "
         "told: all pixels of a channel must be treated alike, but its parameters differ from pixel to pixel of the "
         "map that conv1 hands on: use one parameter a channel."),
        (lambda g, x: g.op("Tanh", x), {}, "Tanh 'n6' at the end of a map may be there for its numbers or for what is "
         "greatest in each pixel: say --result scores (what it takes), --result labels (whether that is greater than "
         "0) or --result classes."),
        (lambda g, x: g.sign(x), {"result": "classes"}, "The result cannot be the classes of pixels, because the model "
         "ends in a quantiser: leave out --result, or export the model up to its scores."),
        (lambda g, x: g.scores(g.sign(x), 40), {"result": "classes"}, "The result can be the classes of pixels only "
         "where the model ends in a map, and this one ends in a vector: say --result class."),
    ],
)  # fmt: skip
def test_what_is_no_map_of_results(tmp_path, end, options, told):
    g = Graph(4)
    path = g.save(tmp_path / "net.onnx", end(g, logits(g, 2, norm=False)))
    with pytest.raises(ModelError) as error:
        load_model(path, input_scale="1", **options)
    assert str(error.value) == told


@needs_shared
@pytest.mark.parametrize(("wanted", "kind"), [(None, "scores"), ("class", "classes"), ("labels", "labels")])
def test_a_detection_head(wanted, kind):
    imported = load_networks([FAULTS / "papers" / "fcn_head.ts.onnx"], input_scale="1/16", result=wanted)
    assert imported.network.readout.kind == kind and imported.network.end.shape[:2] == (4, 4)
    assert imported.drawn.difference is None and not imported.drawn.excused.any()


# ---- from arrays


def segments(channels=3, kind="classes"):
    rng = np.random.default_rng(7)
    layers = [
        bitweir.conv(rng.random((4, 3, 3, 1)) < 0.5, np.zeros(4), padding=1, pad_value=-1),
        bitweir.conv(rng.random((channels, 1, 1, 4)) < 0.5, np.zeros(channels) if kind == "labels" else None),
    ]
    return bitweir.network(layers, shape=(4, 5), threshold=128, result=kind, name="segments")


def test_arrays_results_and_labels(tmp_path):
    net, images = segments(), np.random.default_rng(1).integers(0, 256, (6, 4, 5), np.uint8)
    assert (net.result_shape, net.outputs, net.result) == ((4, 5), 20, "classes")
    scores = segments(kind="scores")
    assert scores.result_shape == (4, 5, 3)
    of_scores = scores.run(images).scores.reshape(6, 4, 5, 3)
    classes = net.classify(images)
    assert classes.shape == (6, 4, 5) and np.array_equal(classes, of_scores.argmax(axis=3))
    assert segments(kind="labels").classify(images).shape == (6, 4, 5, 3)
    with pytest.raises(NetworkError, match="neither a class nor labels"):
        scores.classify(images)
    found = net.run(images)
    assert np.array_equal(found.classes, classes.reshape(6, 20)) and np.array_equal(found.scores, found.classes)
    assert np.array_equal(GoldenDevice(net.network).classify(images), found.classes)
    y = classes.copy()
    y[0, 0, 0] = (y[0, 0, 0] + 1) % 3
    assert label_problem(y, net.network, 6) is None
    assert quality(net.network, found, y) == Quality(accuracy=119 / 120)
    assert label_problem(y[:, 0], net.network, 6) == (
        "integer labels y of shape (6, 4, 5), one for each pixel, not int64 of shape (6, 5)"
    )
    assert label_problem(y + 1, net.network, 6) == "labels y from 0 to 2, one for each class, not 3"
    save_result(tmp_path / "classes.npz", net.network, found)
    with np.load(tmp_path / "classes.npz") as saved:
        assert set(saved) == {"classes"} and np.array_equal(saved["classes"], classes)
    save_result(tmp_path / "scores.npz", scores.network, scores.run(images))
    with np.load(tmp_path / "scores.npz") as saved:
        assert np.array_equal(saved["scores"], of_scores) and np.array_equal(saved["numbers"], of_scores)


def test_from_the_model_file_to_simulated_verilog(tmp_path):
    g, pixels = Graph(13), frames(12)
    path = g.save(tmp_path / "net.onnx", g.op("Cast", g.op("ArgMax", logits(g, 3), axis=1), to=1))
    y = runtime(path, pixels.astype(np.float32))[0].reshape(12, ROWS, COLUMNS).astype(np.int64)
    np.savez(tmp_path / "images.npz", x=pixels, y=y)
    images = ("--images", tmp_path / "images.npz")
    read = command("import", path, "-o", tmp_path / "net.npz", "--input-scale", "1", *images)
    assert read["result"]["kind"] == "classes" and read["result"]["shape"] == [ROWS, COLUMNS]
    assert read["comparison"]["results_differ"] == 0 and read["comparison"]["accuracy"] == 1
    build = tmp_path / "build"
    made = command("generate", path, "-o", build, "--input-scale", "1", "--streams", 2)
    assert made["report"]["network"]["result"]["shape"] == [ROWS, COLUMNS]
    assert "a class for each of 20 pixels" in (build / "README.md").read_text()
    simulated = command("simulate", build, *images, "--engine", "golden", "--save", tmp_path / "found.npz")
    assert simulated["mismatches"] == 0 and simulated["accuracy"] == 1
    with np.load(tmp_path / "found.npz") as saved:
        assert np.array_equal(saved["classes"], y)
    device = command("run", f"golden:{tmp_path / 'net.npz'}", *images, "--check")
    assert device["result"] == "classes" and device["mismatches"] == 0 and device["accuracy"] == 1
    assert device["classes"] == np.bincount(y.ravel(), minlength=3).tolist()
    told = CliRunner().invoke(main, ["run", f"golden:{tmp_path / 'net.npz'}", *map(str, images)]).stdout
    assert f"1: {(y == 1).sum()}" in told


# ---- the link


def test_over_the_link_of_a_simulated_board(tmp_path):
    if missing := compiler_missing():
        pytest.skip(missing)
    net = segments()
    images = np.random.default_rng(2).integers(0, 256, (9, 4, 5), np.uint8)
    write_design(net.network, plan_from_foldings(net.network, "9x1,4x1"), tmp_path / "build")
    with bitweir.connect(f"sim:{tmp_path / 'build'}") as device:
        assert device.result == "classes"
        assert np.array_equal(device.run(images).classes, net.run(images).classes)
        assert np.array_equal(device.classify(images), net.run(images).classes)


def test_an_identity_says_that_there_is_a_class_for_each_pixel():
    pipeline = lower(segments().network, Plan(foldings=(Folding(pe=4, simd=9), Folding(pe=3, simd=4))))
    identity = Identity.of(
        pipeline, capacity=4096, clock=12_000_000, cycles=99, latency=120, digest=bytes(16), plan=bytes(8)
    )
    data = identity.to_bytes()
    assert data[4] == 4 and Identity.from_bytes(data) == identity and identity.result == "classes"
    with pytest.raises(LinkError, match="its result is of no known kind"):
        Identity.from_bytes(data[:5] + bytes([data[5] | 7 << 1]) + data[6:])


def test_more_results_than_the_link_carries():
    rng = np.random.default_rng(1)
    layers = [bitweir.conv(rng.random((17, 1, 1, 1)) < 0.5)]
    large = bitweir.network(layers, shape=(64, 64), threshold=128, result="scores").network
    with pytest.raises(LinkError) as error:
        Identity.of(
            lower(large, Plan(foldings=(Folding(pe=1, simd=1),))), capacity=4096, clock=1, cycles=1, latency=1,
            digest=bytes(16), plan=bytes(8),
        )  # fmt: skip
    assert str(error.value) == (
        "The link carries at most 65,535 numbers of a result, but a frame has 69,632: take a smaller map as the "
        "result, or another port than the link."
    )
