"""Rules of the input on the command line and on devices: each type of images means the same everywhere."""

from __future__ import annotations

import json

import bitweir
import numpy as np
import pytest
from bitweir.cli import main
from bitweir_hw.errors import NetworkError
from bitweir_hw.files import load_network
from bitweir_sim.simulators.compiled import compiler_missing
from bitweir_sim.values.encoding import Codes, encode
from bitweir_sim.values.fast import run as golden
from click.testing import CliRunner
from support.onnxgraphs import Graph

needs_compiler = pytest.mark.skipif(compiler_missing() is not None, reason=str(compiler_missing()))
RULE = ("--input-scale", "x/4-0.3", "--input-range", "-8:7")


def run(*words, code=0):
    result = CliRunner().invoke(main, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def run_json(*words, code=0):
    return json.loads(run(*words, "--json", code=code).stdout)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Zeros around a map of which no integer means 0."""
    g = Graph(seed=8)
    x = g.sign(g.norm(g.op("Conv", "x", g.signs(4, 2, 3, 3), pads=[1, 1, 1, 1]), 4, 2))
    return g.save(tmp_path_factory.mktemp("model") / "net.onnx", g.scores(x, 4 * 20, 3), ("N", 2, 5, 4))


@pytest.fixture(scope="module")
def integers():
    q = np.random.default_rng(2).integers(-8, 8, (30, 2, 5, 4))
    q[0], q[1] = -8, 7
    return q


def forms(q):
    """One batch as a user may have it."""
    return {
        "int8": {"x": q.astype(np.int8)},
        "int64": {"x": q},
        "float32": {"x": (q.astype(np.float32) / np.float32(4) - np.float32(0.3))},
        "float64": {"x": q / 4 - 0.3},
        "codes": {"codes": q.transpose(0, 2, 3, 1).reshape(len(q), -1) + 8},
    }


@pytest.mark.parametrize("form", forms(np.zeros((1, 2, 5, 4))))
def test_import_compares_every_code_for_each_type_of_images(tmp_path, model, integers, form):
    np.savez(tmp_path / "i.npz", **forms(integers)[form])
    save = tmp_path / "s.npz"
    result = run_json("import", model, "-o", tmp_path / "n.npz", *RULE, "--images", tmp_path / "i.npz", "--save", save)
    found = result["comparison"]
    assert found["rounded"] == 0 and result["input"]["stored"] == {"low": -8, "high": 7, "rule": "1/4*x-3/10"}
    assert result["input"]["rule"][2:] == [
        "Images stored as integers q from -8 to 7 become x = 1/4*q-3/10.",
        "The stream carries these integers, as the code q+8; floats must be such an x, but for the rounding of "
        "float32.",
        "So an integer is its value +8.",
    ]
    network = load_network(tmp_path / "n.npz")
    with np.load(save) as saved:
        assert (saved["scores"] == golden(network, encode(network.input, integers)).scores).all()
    if form == "codes":
        assert found["models"][0]["remark"] == "the images hold codes, not what the model takes"
    else:
        assert found["results_differ"] == 0 and found["models"][0]["reference"]
        assert [(layer["codes"], layer["differ"]) for layer in found["models"][0]["layers"]] == [(30 * 80, 0)]


def test_images_off_the_grid_end_with_their_own_code(tmp_path, model, integers):
    x = integers.astype(np.int16)
    x[3, 1, 2, 0], x[4, 0, 0, 0] = 9, -300
    np.savez(tmp_path / "i.npz", x=x)
    words = ("import", model, "-o", tmp_path / "n.npz", *RULE, "--images", tmp_path / "i.npz")
    told = run(*words, code=8).stderr.splitlines()[-1]
    assert told == (
        "bitweir: In image file 'i.npz', frames must hold integers from -8 to 7, but 2 of 1,200 numbers are not, "
        "the first of them 9 in image 3 at (1, 2, 0), where 7 is nearest: give images that the input rule allows "
        "(--input-scale and --input-range, in Python input_scale= and "
        "input_range=), give the rule of these images, or round them (--round-images, in Python rounding=True)."
    )
    assert "2 numbers, to the nearest that the input takes" in run(*words, "--round-images").stdout
    # The model gets what the accelerator gets.
    found = run_json(*words, "--round-images")["comparison"]
    assert found["rounded"] == 2 and found["results_differ"] == 0
    assert found["models"][0]["layers"][0]["differ"] == 0
    # A wrong rule must not look like a bad model.
    np.savez(tmp_path / "i.npz", x=x, y=np.zeros(len(x), int))
    rows = [" ".join(row.split()) for row in run(*words, "--round-images").stdout.splitlines()]
    (row,) = (place for place, told in enumerate(rows) if told.startswith("accuracy of the file "))
    assert rows[row + 1] == "on the rounded images"
    np.savez(tmp_path / "on.npz", x=integers, y=np.zeros(len(x), int))
    told = run(*words[:-1], tmp_path / "on.npz", "--round-images").stdout
    assert "accuracy of the file " in told and "on the rounded images" not in told
    assert run("import", model, "-o", tmp_path / "n.npz", *RULE, "--round-images", code=2).stderr.endswith(
        "--limit, --save and --round-images need --images.\n"
    )


@needs_compiler
@pytest.mark.parametrize("weights", ["rom", "ram"])
def test_the_design_has_start_values_at_the_edges(tmp_path, model, integers, weights):
    """Generated, simulated, and as a device; with constants and with parameters that are loaded."""
    build = tmp_path / "build"
    run("generate", model, "-o", build, *RULE, "--folding", "6x2,16x3", "--weights", weights)
    network = load_network(build / "network.npz")
    assert network.layers[0].edges is not None
    told = (build / "README.md").read_text()
    assert "- Images stored as integers q from -8 to 7 become x = 1/4*q-3/10.\n" in told
    expected = golden(network, encode(network.input, integers))
    for form, arrays in forms(integers).items():
        np.savez(tmp_path / f"{form}.npz", **arrays)
    result = run_json("simulate", build, "--images", tmp_path / "int8.npz", "--save", tmp_path / "s.npz")
    assert result["mismatches"] == 0 and result["rounded"] == 0
    with np.load(tmp_path / "s.npz") as saved:
        assert (saved["scores"] == expected.scores).all()
    for form in forms(integers):
        words = ("run", f"golden:{build}", "--images", tmp_path / f"{form}.npz", "--check")
        assert run_json(*words)["classes"] == np.bincount(expected.classes, minlength=3).tolist()
    np.savez(tmp_path / "off.npz", x=integers / 4)
    for command in (("simulate", build, "--engine", "golden"), ("run", f"golden:{build}")):
        assert "1,200 of 1,200 numbers are not" in run(*command, "--images", tmp_path / "off.npz", code=8).stderr
        assert run_json(*command, "--images", tmp_path / "off.npz", "--round-images")["rounded"] == 1200
    with bitweir.connect(f"golden:{build}") as device:
        for form, arrays in forms(integers).items():
            x = Codes(arrays["codes"]) if form == "codes" else arrays["x"]
            assert (device.run(x).scores == expected.scores).all()
        with pytest.raises(NetworkError, match="integers from -8 to 7"):
            device.classify(integers + 1)


@pytest.mark.parametrize("arrays", [{"y": 1}, {"x": 1, "codes": 1}])
def test_images_are_x_or_codes(tmp_path, model, arrays):
    np.savez(tmp_path / "i.npz", **dict.fromkeys(arrays, np.zeros((2, 40))))
    told = run("import", model, "-o", tmp_path / "n.npz", *RULE, "--images", tmp_path / "i.npz", code=8).stderr
    names = ", ".join(map(repr, arrays))
    assert (
        told.splitlines()[-1]
        == f"bitweir: Image file 'i.npz' must have an array x, or one named codes; it has {names}."
    )
