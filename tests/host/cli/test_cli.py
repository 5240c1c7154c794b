"""The command line: one JSON object, the same bytes, one sentence and one exit code for each mistake."""

from __future__ import annotations

import json
import re
import shutil
from importlib import resources
from pathlib import Path

import bitweir
import numpy as np
import onnx
import pytest
from bitweir.cli import main
from bitweir.design import Design, DesignFolder
from bitweir.manifest import write_manifest
from bitweir.report.collect import schema
from bitweir_sim.simulators.compiled import compiler_missing
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper
from support.schemas import validate

NETWORKS = Path(str(resources.files("bitweir.networks")))
MODEL, IMAGES = str(NETWORKS / "digits.onnx"), str(NETWORKS / "digits_test.npz")
FOLDING = "16x8,16x2"
SCALE = ("--input-scale", "1")

needs_compiler = pytest.mark.skipif(compiler_missing() is not None, reason=str(compiler_missing()))


def run(*words, code=0):
    """A command's result; nothing but an exit may end it."""
    result = CliRunner().invoke(main, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.stderr
    assert "Traceback" not in result.output
    return result


def run_json(*words, code=0):
    return json.loads(run(*words, "--json", code=code).stdout)


def fails(told, code, *words):
    """The sentence is the last line on standard error, and with --json also in the only object."""
    plain = run(*words, code=code)
    assert plain.stderr.splitlines()[-1] == f"bitweir: {told}" and plain.stdout == ""
    assert run_json(*words, code=code) == {"error": told, "exit_code": code}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("cli") / "build"
    run("generate", MODEL, "-o", path, "--folding", FOLDING, *SCALE)
    return path


@pytest.fixture
def copy(folder, tmp_path):
    return Path(shutil.copytree(folder, tmp_path / "copy"))


# ---- what works


@needs_compiler
def test_simulate_tells_that_all_is_equal(folder, tmp_path):
    saved = tmp_path / "new" / "found.npz"
    result = run_json("simulate", folder, "--images", IMAGES, "--save", saved)
    assert {"images", "accuracy", "mismatches", "cycles_per_frame", "latency_cycles", "seconds"} <= result.keys()
    assert result["images"] == 360 and result["mismatches"] == 0 and result["first_mismatch"] is None
    assert result["accuracy"] == pytest.approx(353 / 360)
    assert result["cycles_per_frame"] == 384 and result["cycles_per_frame_from"] == "simulation"
    with np.load(saved) as found, np.load(IMAGES) as images:
        assert found["scores"].shape == (360, 10)
        assert (found["classes"] == images["y"]).sum() == 353
        assert (found["classes"] == found["scores"].argmax(axis=1)).all()


def test_the_golden_engine_and_a_limit(folder):
    result = run_json("simulate", folder, "--demo-images", "--engine", "golden", "--limit", 7)
    assert (result["engine"], result["images"], result["mismatches"]) == ("golden", 7, 0)
    assert result["cycles_per_frame_from"] == "model"


def test_a_folding_on_a_part(tmp_path):
    """Wired layers are built for the part, whose cells they need."""
    model = tmp_path / "little.npz"
    dense = bitweir.dense(np.where(np.eye(4, 9), 1, -1))
    bitweir.network([dense], shape=(9,), threshold=128, name="little").save(model)
    run("generate", model, "-o", tmp_path / "out", "--part", "xc7z020", "--folding", "wired")
    assert '"xc7z020"' in (tmp_path / "out/target.json").read_text()
    assert sorted(path.name for path in (tmp_path / "out").glob("*.v")) == ["carry4.v", "little.v"]
    told = run("report", tmp_path / "out", "--synth", "ecp5", code=5).stderr
    assert "The wired layers of this build are made of Xilinx 7's carry cells, which ecp5 does not have" in told


@needs_compiler
def test_waves(folder, tmp_path):
    run("simulate", folder, "--images", IMAGES, "--limit", 1, "--waves", tmp_path / "x.vcd")
    assert "$enddefinitions" in (tmp_path / "x.vcd").read_text()


def test_report_follows_its_schema(folder):
    result = run_json("report", folder, "--clock", "50")
    validate(result, schema())
    assert result["timing"]["clock_mhz"] == 50 and result["timing"]["cycles_per_frame"] == 384


def test_the_same_input_gives_the_same_bytes(folder, tmp_path):
    run("generate", MODEL, "-o", tmp_path / "again", "--folding", FOLDING, *SCALE)
    run("generate", folder / "network.npz", "-o", tmp_path / "saved", "--folding", FOLDING)
    first = {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith("synthesis-")}
    for other in ("again", "saved"):
        assert {path.name: path.read_bytes() for path in (tmp_path / other).iterdir()} == first
    parts = {"digits.v", "network.npz", "plan.json", "target.json", "certificate.json", "README.md"}
    assert set(first) == parts | {"bitweir-manifest.json"}


# ---- a wrong design


@needs_compiler
@pytest.mark.parametrize("json_wanted", [True, False])
def test_a_wrong_bit_in_the_design_is_found(copy, monkeypatch, json_wanted):
    right = DesignFolder.open(copy).design.rtlil()
    # Words of weights of the last layer: every image sees every word of them.
    modules = re.finditer(r"^module \\digits__\w+__weights__memory$", right, flags=re.MULTILINE)
    at = right.index("connect \\DATA ", max(module.end() for module in modules))
    at = right.index("\n", at) - 1
    wrong = right[:at] + str(1 - int(right[at])) + right[at + 1 :]
    # A file that was edited is not simulated: what is wrong here is what bitweir generates.
    monkeypatch.setattr(Design, "rtlil", lambda self: wrong)
    words = ["simulate", copy, "--images", IMAGES, "--limit", 20, *["--json"] * json_wanted]
    result = run(*words, code=9)
    told = (
        r"bitweir: The design must compute what the golden model computes; 20 of 20 images differ, the first: (.*)\.\n$"
    )
    first = re.search(told, result.stderr)[1]
    assert re.fullmatch(r"image 0, score of class \d: expected -?\d+, found -?\d+", first)
    if json_wanted:
        found = json.loads(result.stdout)
        assert found["mismatches"] == 20 and found["first_mismatch"] == first


# ---- mistakes


def test_models_that_cannot_be_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    out, missing, bad = Path("out"), Path("none.onnx"), Path("bad.onnx")
    bad.write_text("hello")
    fails(f"Model file '{missing}' does not exist: check the path.", 3, "generate", missing, "-o", out)
    told = f"Model file '{bad}' is no ONNX file, or it is damaged: export the model again."
    fails(told, 3, "generate", bad, "-o", out)
    assert not out.exists()


def small_model(path, *nodes):
    tensors = {"w": np.where(np.eye(4, 3) > 0, 1, -1), "half": 0.5, "one": 1, "minus": -1}
    graph = helper.make_graph(
        [helper.make_node(op, i.split(), [o], name=f"the_{o}") for op, i, o in nodes],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(a, np.float32), n) for n, a in tensors.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


BINARY = (("GreaterOrEqual", "x half", "g"), ("Where", "g one minus", "b"))


def test_an_unsupported_operator_is_named_with_its_node(tmp_path):
    model = small_model(tmp_path / "m.onnx", *BINARY, ("Softplus", "b", "e"), ("MatMul", "e w", "y"))
    told = (
        "Node Softplus 'the_e' is a curve of which no exact thresholds are known here: use ReLU, Clip (Hardtanh), Tanh "
        "or Sigmoid before the quantiser, or leave it out where only a sign follows that it does not change."
    )
    fails(told, 3, "generate", model, "-o", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_pixels_without_a_scale(tmp_path):
    model = small_model(tmp_path / "m.onnx", *BINARY, ("MatMul", "b w", "y"))
    run("generate", model, "-o", tmp_path / "out", "--folding", "4x3")
    np.savez(tmp_path / "i.npz", x=np.zeros((2, 4), np.uint8))
    told = (
        "In image file 'i.npz', integers, such as pixels, need a rule by which they become what the model file takes: "
        "give one (--input-scale, such as 1/255, or --input-range; in Python input_scale= or input_range=). Codes go "
        "into an array named codes."
    )
    fails(told, 8, "simulate", tmp_path / "out", "--images", tmp_path / "i.npz")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            ["--folding", "16by8,1x1"],
            "A folding must be SIMDxPE, as 64x32, perhaps with :lut, :block, :stream or :stream*7, or wired, "
            "or wired/2, not '16by8'.",
        ),
        (
            ["--folding", ""],
            "A folding must be SIMDxPE, as 64x32, perhaps with :lut, :block, :stream or :stream*7, or wired, "
            "or wired/2, not ''.",
        ),
        (
            ["--folding", "16x300,1x1"],
            "PE of layer 'dense0' must be 1 to 256 for its 256 neurons, not 300; the nearest is 256.",
        ),
        (["--folding", "1x1"], "The folding must give SIMDxPE for each of the 2 layers with weights, not for 1."),
        (
            ["--fps", "1e9"],
            "The accelerator gives at most one frame a cycle, so at 100 MHz the frame rate must be 100,000,000 or "
            "less, not 1,000,000,000.",
        ),
        (["--fps", "0"], "The frame rate must be a positive number of frames/s, not 0."),
        (
            ["--stage-levels", "-1"],
            "The number of adder levels between registers must be a whole number of 0 or more, not -1.",
        ),
    ],
)
def test_plans_that_do_not_fit(tmp_path, options, told):
    fails(told, 5, "generate", MODEL, "-o", tmp_path / "out", *SCALE, *options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        ["generate", MODEL, *SCALE, "-o", "x", "--board", "icebreaker", "--family", "ecp5"],
        ["generate", MODEL, *SCALE, "-o", "x", "--board", "icebreaker", "--streams", "2"],
        ["generate", MODEL, *SCALE, "-o", "x", "--reserve-luts", "5"],
        ["build", MODEL, *SCALE, "-o", "x", "--board", "icebreaker", "--folding", "1x1,1x1", "--goal", "fps"],
    ],
)
def test_options_that_exclude_each_other(tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    assert run(*words, code=2).stderr.startswith("Usage: ")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "words",
    [
        ["generate", MODEL],
        ["generate", MODEL, "-o", "x", "--fps", "1", "--folding", "1x1"],
        ["generate", MODEL, "-o", "x", "--clock", "1e-9"],
        ["generate", MODEL, "-o", "x", "--clock", "1e30"],
        ["generate", MODEL, "-o", "x", "--clock", "nan"],
        ["generate", MODEL, "-o", "x", "--board", "icebreaker", "--part", "ecp5-25k"],
        ["generate", MODEL, "-o", "x", "--board", "icebreaker", "--goal", "latency"],
        ["compare", "x"],
        ["generate", MODEL, "-o", "x", "--clock", "0"],
        ["generate", MODEL, "-o", "x", "--part", "xc7z020", "--fps", "1"],
        ["generate", MODEL, "-o", "x", "--goal", "fps"],
        ["generate", MODEL, "-o", "x", "--clock", "1e9"],
        ["simulate", "x", "--images", IMAGES, "--limit", "0"],
        ["simulate", "x"],
        ["report", "x", "--synth", "asic"],
        ["unknown"],
    ],
)
def test_wrong_use(tmp_path, monkeypatch, words):
    monkeypatch.chdir(tmp_path)
    result = run(*words, code=2)
    assert "Error: " in result.stderr and result.stdout == "" and list(tmp_path.iterdir()) == []


def test_a_folder_of_somebody_else_is_left_alone(tmp_path):
    (tmp_path / "thesis").write_text("chapter 1")
    told = (
        f"'{tmp_path}' was not made by bitweir, or by a version that wrote no bitweir-manifest.json: "
        "name another folder, an empty one or one that is not there yet."
    )
    fails(told, 7, "generate", MODEL, "-o", tmp_path, "--folding", FOLDING, *SCALE)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis"]


@pytest.mark.parametrize(
    ("arrays", "told"),
    [
        ({"z": np.zeros(3)}, "Image file 'i.npz' must have an array x, or one named codes; it has 'z'."),
        ({"x": np.zeros(64)}, "Image file 'i.npz' must have x of shape (images, ...), not (64,)."),
        ({"x": np.zeros((3, 65))}, "In image file 'i.npz', frames must have the shape (N, 64), not (3, 65)."),
        (
            {"x": np.full((3, 64), np.nan)},
            "In image file 'i.npz', frames must hold finite numbers, not nan, as image 0 does at (0).",
        ),
        (
            {"x": np.zeros((3, 64)), "y": np.zeros(4, np.int64)},
            "Image file 'i.npz' must have one integer label y for each of its 3 images, not int64 of shape (4,).",
        ),
    ],
)
def test_images_that_do_not_fit(folder, tmp_path, arrays, told):
    np.savez(tmp_path / "i.npz", **arrays)
    fails(told, 8, "simulate", folder, "--images", tmp_path / "i.npz", "--save", tmp_path / "out.npz")
    assert not (tmp_path / "out.npz").exists()


def test_files_that_are_not_there(folder, tmp_path):
    none = tmp_path / "none"
    fails(f"There is no image file '{none}'.", 8, "simulate", folder, "--images", none)
    told = f"There is no folder '{none}': make it with bitweir generate."
    fails(told, 7, "simulate", none, "--images", IMAGES)
    fails(told, 7, "report", none)
    told = f"'{tmp_path}' is not a build folder, as it has no network.npz: make it with bitweir generate."
    fails(told, 7, "report", tmp_path)
    told = f"Cannot write '{none}/x.vcd': there is no folder '{none}'."
    fails(told, 7, "simulate", folder, "--images", IMAGES, "--waves", none / "x.vcd")
    told = "The golden engine writes no waveforms: leave out --waves (in Python waves=), or use another engine."
    fails(told, 7, "simulate", folder, "--images", IMAGES, "--engine", "golden", "--waves", tmp_path / "x.vcd")


@pytest.mark.parametrize(
    ("name", "told", "code"),
    [
        ("plan.json", "File 'plan.json' is not a bitweir plan of version 2: 'format'.", 5),
        ("network.npz", "File 'network.npz' is not a bitweir network of version 3: File is not a zip file.", 4),
    ],
)
def test_damaged_build_folders(copy, name, told, code):
    (copy / name).write_text("{}")
    wrong = f"In build folder '{copy}', '{name}' is not what bitweir wrote there"
    fails(f"{wrong}: make it again with bitweir generate.", 7, "report", copy)
    write_manifest(copy)
    fails(told, code, "report", copy)
    fails(told, code, "simulate", copy, "--images", IMAGES)


def test_a_build_without_its_verilog(copy):
    (copy / "digits.v").unlink()
    told = f"Build folder '{copy}' is incomplete, as it has no digits.v: make it again with bitweir generate."
    fails(told, 7, "simulate", copy, "--images", IMAGES)


def test_a_missing_compiler(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("CXX", "/nonexistent/g++")
    monkeypatch.setenv("BITWEIR_CACHE_DIR", str(tmp_path / "cache"))
    told = (
        "Compiled simulation needs a C++ compiler, and /nonexistent/g++ was not found: "
        "install g++ (Debian, Ubuntu: apt install g++), or name another compiler in CXX."
    )
    fails(told, 6, "simulate", folder, "--images", IMAGES)


def test_a_cache_that_cannot_be_written(folder, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("CXX", "true")
    monkeypatch.setenv("BITWEIR_CACHE_DIR", str(tmp_path / "file" / "cache"))
    told = f"Cannot use '{tmp_path}/file/cache': Not a directory."
    fails(told, 7, "simulate", folder, "--images", IMAGES)
