"""Each method of the survey, from its file to integers: equal to ONNX Runtime on all test images, or refused in
these words. Where real weights are rounded, it is equal to ONNX Runtime with the rounded weights.
"""

from __future__ import annotations

import json
from importlib import resources
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from bitweir.cli import main
from click.testing import CliRunner
from support.methods import INPUT, METHODS, MODELS, OUTCOMES

IMAGES = Path(str(resources.files("bitweir.networks"))) / "digits_test.npz"
TAKEN = [method for method in METHODS if method.outcome != "refused"]
REFUSED = [method for method in METHODS if method.told]
by_name = {"ids": lambda method: method.name}


def command(*words, code=0):
    """The JSON object that a command prints."""
    result = CliRunner().invoke(main, [str(word) for word in (*words, "--json")])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.stderr
    return json.loads(result.stdout)


def images():
    with np.load(IMAGES) as file:
        return file["x"], file["y"]


def runtime_classes(path):
    """What ONNX Runtime says of the test images."""
    session = onnxruntime.InferenceSession(path.read_bytes())
    entry = session.get_inputs()[0]
    x = images()[0].astype(np.float32) / 16
    (scores,) = session.run(None, {entry.name: x.reshape(-1, *entry.shape[1:])})
    return scores.argmax(axis=1)


def test_every_model_is_in_the_list():
    assert sorted(method.name for method in METHODS) == sorted(path.stem for path in MODELS.glob("*.onnx"))
    assert {method.outcome for method in METHODS} <= set(OUTCOMES)
    for method in METHODS:
        assert (MODELS.parent / "train" / f"{method.script}.py").is_file(), method.name
        assert (method.outcome == "refused") == bool(method.possible), method.name
        assert (method.outcome in ("refused", "rounded")) == bool(method.told), method.name
        assert (method.outcome == "rounded") == bool(method.weight_bits), method.name


def test_models_are_small():
    sizes = [method.file.stat().st_size for method in METHODS]
    assert max(sizes) <= 36_000 and sum(sizes) <= 1_300_000


@pytest.mark.parametrize("method", METHODS, **by_name)
def test_the_file_computes_what_torch_computed(method):
    assert runtime_classes(method.file).tolist() == list(method.classes)
    assert int((np.array(method.classes) == images()[1]).sum()) == method.right


@pytest.mark.parametrize("method", TAKEN, **by_name)
def test_a_method_becomes_integers_that_agree_with_its_file(method, tmp_path):
    told = command(
        "import", method.file, "-o", tmp_path / "x.npz", *method.options, "--images", IMAGES,
        "--save", tmp_path / "results.npz",
    )  # fmt: skip
    compared = told["comparison"]
    (model,) = compared["models"]
    assert compared["images"] == 360 and model["reference"].startswith("ONNX Runtime")
    assert compared["results_differ"] == compared["results_excused"] == compared["results_bounded"] == 0
    for layer in model["layers"]:
        assert layer["codes"] > 0
        assert layer["differ"] == layer["bounded"] == 0 and layer["ties"] <= method.ties, layer
    approximate = any(note.startswith("Approximate") for note in told["notes"])
    assert approximate == (method.outcome in ("fixed point", "rounded"))
    assert [one["results_differ"] for one in compared.get("originals", ())] == (
        [method.classes_differ] if method.weight_bits else []
    )
    with np.load(tmp_path / "results.npz") as results:
        assert int((results["classes"] != method.classes).sum()) == method.classes_differ


@pytest.mark.parametrize("method", REFUSED, **by_name)
def test_a_method_that_is_refused_hears_why(method, tmp_path):
    told = command("import", method.file, "-o", tmp_path / "x.npz", *INPUT, code=3)
    assert told == {"error": method.told, "exit_code": 3}


def test_members_of_an_ensemble_vote(tmp_path):
    """BENN's bagging: the class with the most votes, and the lowest of those that tie."""
    members = [method for method in METHODS if method.name.startswith("benn_bagging")]
    files = [method.file for method in members]
    told = command(
        "import", *files, "--vote", "-o", tmp_path / "x.npz", *INPUT, "--images", IMAGES, "--save", tmp_path / "r.npz"
    )
    assert len(told["models"]) == 3 and told["comparison"]["results_differ"] == 0
    votes = [
        np.bincount(said, minlength=10).argmax() for said in zip(*(method.classes for method in members), strict=True)
    ]
    with np.load(tmp_path / "r.npz") as results:
        assert results["classes"].tolist() == votes


@pytest.mark.long
@pytest.mark.parametrize("method", TAKEN, **by_name)
def test_a_method_runs_in_gateware(method, tmp_path):
    """Every result of 20 frames, in the number of cycles that the cycle model tells."""
    made = command("generate", method.file, "-o", tmp_path / "design", *method.options, "--family", "ecp5")
    run = command("simulate", tmp_path / "design", "--images", IMAGES, "--limit", 20)
    assert run["images"] == 20 and run["mismatches"] == 0
    assert run["cycles_per_frame"] == made["report"]["timing"]["cycles_per_frame"]
