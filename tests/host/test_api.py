"""The Python interface: what it computes, what it refuses, and that the command line is but a face of it."""

from __future__ import annotations

import ast
import contextlib
import doctest
import re
import subprocess
import sys
import types
from importlib import import_module, metadata, resources
from pathlib import Path

import bitweir
import numpy as np
import pytest
from bitweir.images import ImageError
from bitweir.planning import BOARD_GOALS, GOALS, PART_GOALS
from bitweir_hw.errors import NetworkError, PlanError, ToolError
from bitweir_sim.simulators.compiled import compiler_missing
from hypothesis import given, settings
from hypothesis import strategies as st
from support import ROOT

HOST = Path(bitweir.__file__).parent
RNG = np.random.default_rng(5)


@pytest.fixture(scope="module")
def digits():
    return bitweir.load("digits")


# ---- the package


def test_names_and_version():
    assert set(dir(bitweir)) == set(bitweir.__all__)
    assert all(getattr(bitweir, name) is not None for name in bitweir.__all__)
    assert bitweir.__version__ == metadata.version("bitweir")
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = bitweir.nothing
    done = subprocess.run([sys.executable, "-m", "bitweir", "--version"], capture_output=True, text=True)
    assert bitweir.__version__ in done.stdout


def test_an_import_loads_nothing_else():
    code = "import sys, bitweir; sys.exit(bool({'numpy', 'click', 'amaranth', 'onnx'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_submodule_takes_no_name_of_the_interface():
    """An import of a submodule would put it in the place of the function."""
    modules = {path.stem for path in HOST.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert not modules & set(bitweir.__all__)


@pytest.mark.parametrize("name", ["bitweir", "bitweir_sim", "bitweir_hw"])
def test_types_are_for_users_too(name):
    assert (resources.files(name) / "py.typed").is_file()


def test_nothing_below_the_command_line_prints_or_knows_it():
    """Programs that train networks are command lines of their own."""
    found = []
    for path in sorted(HOST.rglob("*.py")):
        place = path.relative_to(HOST).as_posix()
        if place.startswith(("cli/", "networks/train", "train/recipes/")) or place == "__main__.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or "", *(alias.name for alias in node.names)]
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
                found.append(f"{place} prints")
            if {part for name in names for part in name.split(".")} & {"click", "cli", "Output"}:
                found.append(f"{place} imports {names}")
    assert found == []


@pytest.mark.parametrize("module", ["api", "arrays", "loading", "model"])
def test_examples(module, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(import_module(f"bitweir.{module}"))
    assert result.failed == 0 and result.attempted > 0


@pytest.mark.skipif(compiler_missing() is not None, reason=str(compiler_missing()))
def test_the_page_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"^```python\n(.*?)^```", (ROOT / "docs" / "python.md").read_text(), re.MULTILINE | re.DOTALL)
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "docs/python.md", "exec"), names)  # noqa: S102  our own page
    assert len(blocks) >= 7


# ---- networks from arrays


@settings(max_examples=25)
@given(st.data())
def test_dense_networks_compute_what_numpy_does(data):
    inputs, hidden = (data.draw(st.integers(1, 12)) for _ in range(2))
    classes = data.draw(st.integers(2, 12))
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    kind = data.draw(st.sampled_from(["bipolar", "bool", "small"]))
    first = {
        "bipolar": rng.choice([-1, 1], (hidden, inputs)),
        "bool": rng.random((hidden, inputs)) < 0.5,
        "small": rng.integers(-4, 4, (hidden, inputs)) * 2 + 3,
    }[kind]
    levels = data.draw(st.integers(1, 4))
    limits = np.sort(rng.normal(0, 3, (hidden, levels)), axis=1)
    limits[0, -1] = data.draw(st.sampled_from([limits[0, -1], np.inf]))
    last = rng.choice([-1, 1], (classes, hidden))
    threshold = data.draw(st.sampled_from([None, 3]))
    net = bitweir.network(
        [bitweir.dense(first, limits if levels > 1 else limits[:, 0]), bitweir.dense(last.astype(float))],
        shape=(inputs,), low=-2, high=7, threshold=threshold,
    )  # fmt: skip
    images = rng.integers(-2, 8, (6, inputs))
    x = images if threshold is None else np.where(images >= threshold, 1, -1)
    sums = x @ (np.where(first, 1, -1) if kind == "bool" else first).T
    codes = (sums[:, :, None] >= limits).sum(axis=2)
    values = codes if levels > 1 else 2 * codes - 1
    scores = values @ last.T
    trace = net.trace(images)
    assert np.array_equal(trace["dense1"], values) and np.array_equal(trace["dense2"], scores)
    assert np.array_equal(net.run(images).scores, scores)
    assert np.array_equal(net.classify(images), scores.argmax(axis=1))


@settings(max_examples=25)
@given(st.data())
def test_convolutions_compute_what_numpy_does(data):
    rows, columns, channels, filters = (data.draw(st.integers(2, 5)) for _ in range(4))
    kernel, stride, pad = data.draw(st.integers(1, 2)), data.draw(st.integers(1, 2)), data.draw(st.integers(0, 1))
    pad, value = min(pad, kernel - 1), data.draw(st.sampled_from([-1, 0, 1]))
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    weights = rng.choice([-1, 1], (filters, kernel, kernel, channels))
    images = rng.choice([-1, 1], (3, rows, columns, channels))
    padded = np.pad(images, ((0, 0), (pad, pad), (pad, pad), (0, 0)), constant_values=value)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (kernel, kernel), axis=(1, 2))[:, ::stride, ::stride]
    wanted = np.where(np.einsum("nijcab,fabc->nijf", windows, weights) >= 0, 1, -1)
    size = wanted[0].size
    net = bitweir.network(
        [
            bitweir.conv(weights, np.zeros(filters), stride=stride, padding=pad, pad_value=value),
            bitweir.max_pool(1),
            bitweir.dense(rng.choice([-1, 1], (2, size))),
        ],
        shape=(rows, columns, channels), low=-1, high=1, threshold=0,
    )  # fmt: skip
    found = net.trace(images)["conv1"]
    assert np.array_equal(found.reshape(wanted.shape), wanted)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: bitweir.dense([[0, 1]]),
            "The weights of a dense layer are all 0 or 1, which may be bits or ",
        ),
        (lambda: bitweir.dense([[0.5, 1]]), "The weights of a dense layer must be whole numbers, such as -1 and +1: "),
        (lambda: bitweir.dense([1, -1]), "The weights of a dense layer must be an array (neurons, inputs), not of "),
        (lambda: bitweir.dense([["a"]]), "The weights of a dense layer must be bool or numbers, not <U1."),
        (lambda: bitweir.dense([[1]], [np.nan]), "The thresholds of a dense layer must be numbers, not NaN."),
        (
            lambda: bitweir.dense([[1]], [1, 2]),
            "The thresholds of a dense layer must be numbers, a row for each ",
        ),
        (lambda: bitweir.conv(np.ones((1, 3, 3, 1)), padding=1), "A convolution with padding must have a pad_value, "),
        (lambda: bitweir.network([], shape=(1,)), "A network must have a layer, not none."),
        (lambda: bitweir.network([bitweir.dense([[1]])], shape=()), "The shape of a frame must be (K,), (H, W) or "),
        (lambda: bitweir.network([bitweir.dense([[1]])], shape=(1,), low=3, high=3), "Frames must hold integers from "),
        (
            lambda: bitweir.network([bitweir.dense([[1]])], shape=(1,), threshold=[1, 2]),
            "The threshold of the input must be one number, or an array of the shape (1,) of a frame, not (2,).",
        ),
        (
            lambda: bitweir.network([bitweir.dense([[1, 1]])], shape=(1,)),
            "Layer 'dense1' takes 2 inputs, but 1 arrive.",
        ),
    ],
)
def test_arrays_that_make_no_network(make, text):
    with pytest.raises(NetworkError) as error:
        make()
    assert str(error.value).startswith(text)


@pytest.mark.parametrize("result", ["class", "labels", "scores"])
def test_results(result, tmp_path):
    layer = bitweir.dense(RNG.choice([-1, 1], (3, 8)), thresholds=np.zeros(3) if result == "labels" else None)
    net = bitweir.network([layer], shape=(8,), low=-1, high=1, threshold=0, result=result)
    images = RNG.choice([-1, 1], (5, 8))
    sums = images @ np.where(layer.weights, 1, -1).T
    if result == "scores":
        assert np.array_equal(net.run(images).scores, sums)
        with pytest.raises(NetworkError, match="neither a class nor labels: use run"):
            net.classify(images)
    else:
        assert np.array_equal(net.classify(images), sums.argmax(axis=1) if result == "class" else sums >= 0)
    net.save(tmp_path / "net.npz")
    again = bitweir.load(tmp_path / "net.npz")
    assert np.array_equal(again.run(images).scores, net.run(images).scores)


# ---- models


def test_a_model_shows_what_it_is(digits):
    assert repr(digits).splitlines()[0] == "digits: 64 to 10 classes"
    assert digits._repr_html_().count("<tr>") == 3
    assert (digits.name, digits.shape, digits.outputs, digits.result) == ("digits", (64,), 10, "class")
    assert digits.comparison.difference is None and digits.compare(bitweir.demo_images()[0]).difference is None


def test_images_from_arrays_and_files(digits, tmp_path):
    images, labels = bitweir.demo_images()
    np.savez(tmp_path / "i.npz", x=images, y=labels)
    assert np.array_equal(digits.classify(images), digits.classify(tmp_path / "i.npz"))
    with pytest.raises(ImageError):
        digits.classify(images[:, :10])
    design = bitweir.generate(digits, tmp_path / "build", folding="16x8,16x2")
    with pytest.raises(ImageError, match="has its own labels"):
        design.simulate(tmp_path / "i.npz", labels)


def test_what_is_no_network_or_has_no_file(tmp_path):
    with pytest.raises(
        NetworkError, match=r"must be what bitweir\.load or .*, not 'digits': bitweir\.load\('digits'\) reads"
    ):
        bitweir.generate("digits", tmp_path / "build")
    net = bitweir.network([bitweir.dense([[1, -1], [1, 1]])], shape=(2,))
    with pytest.raises(NetworkError, match="^Network 'net' has no model file to compare with.$"):
        net.compare(np.zeros((1, 2), int))
    with pytest.raises(NetworkError, match=r"must end in \.npz, not 'net'"):
        net.save(tmp_path / "net")


# ---- accelerators


def test_an_accelerator_is_what_the_command_writes(digits, tmp_path):
    command = [sys.executable, "-m", "bitweir", "generate", "digits", "-o", tmp_path / "b", "--fps", "50000"]
    subprocess.run(command, check=True, capture_output=True)
    design = bitweir.generate(digits, tmp_path / "a", fps=50e3)
    for name in ("digits.v", "network.npz", "plan.json", "target.json", "README.md"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    assert design.frames_per_second >= 50e3 and design.frames_per_second == 100e6 / design.cycles_per_frame
    assert repr(design).splitlines()[0] == "Accelerator of digits" and "<table>" in design._repr_html_()
    again = bitweir.open(tmp_path / "a")
    assert (again.plan, again.target, again.latency_cycles) == (design.plan, design.target, design.latency_cycles)


def test_parameters_of_another_network(tmp_path):
    one, two = (
        bitweir.network([bitweir.dense(RNG.choice([-1, 1], (4, 8)))], shape=(8,), threshold=1, name=name)
        for name in ("one", "two")
    )
    design = bitweir.generate(one, tmp_path / "build", weights="ram")
    assert design.parameters(one) == (tmp_path / "build" / "parameters.bin").read_bytes() != design.parameters(two)
    with pytest.raises(PlanError):
        bitweir.generate(one, tmp_path / "rom").parameters(two)


@pytest.mark.parametrize(
    ("wishes", "text"),
    [
        (
            {"folding": "1x1", "fps": 1.0},
            "A folding excludes a frame rate and a goal, as it determines the frame rate.",
        ),
        ({"goal": "fps"}, "Goal fps needs a part, as what is best depends on the part: name one."),
        (
            {"goal": "area", "part": "ecp5-25k"},
            "Goal area needs a frame rate, and the other goals exclude it.",
        ),
        ({"goal": "link", "part": "ecp5-25k"}, "The goal must be one of fps, area, latency, not 'link'."),
        ({"goal": "area", "board": "ulx3s_85f"}, "The goal must be one of link, fps, not 'area'."),
        (
            {"board": "ulx3s_85f", "part": "ecp5-25k"},
            "A board determines the part and the family: name neither.",
        ),
        ({"board": "ulx3s_85f", "streams": 2}, "A board takes one frame at a time, not 2 parallel frames."),
        (
            {"part": "xc7a35t", "family": "ecp5", "folding": "wired"},
            "Part xc7a35t is of family xilinx, and has no primitives of ecp5: leave the family out, or name generic.",
        ),
        ({"part": "none"}, "The part must be one of "),
        ({"family": "none"}, "The family must be one of "),
        ({"weights": "none"}, "The kind of weights must be one of rom, ram, not 'none'."),
        ({"clock": 0}, "The clock must be 0.01 to 10,000 MHz, in Python in Hz, such as 100e6, not 0."),
    ],
)
def test_wishes_that_exclude_each_other(digits, tmp_path, wishes, text):
    with pytest.raises(PlanError) as error:
        bitweir.generate(digits, tmp_path / "build", **wishes)
    assert str(error.value).startswith(text)
    assert not list(tmp_path.iterdir())


def test_one_list_of_goals():
    assert set(PART_GOALS) | set(BOARD_GOALS) == set(GOALS)


def test_a_plan_for_a_board_leaves_room_for_its_link(digits, tmp_path):
    design = bitweir.generate(digits, tmp_path / "build", board="icebreaker")
    assert (design.target.board, design.search.goal) == ("icebreaker", "link")
    assert design.search.sites <= design.search.available_sites


def test_explorations_of_parts(digits, tmp_path, monkeypatch):
    monkeypatch.setenv("BITWEIR_CACHE_DIR", str(tmp_path / "cache"))
    found = bitweir.explore(digits, "ecp5-25k", points=2, jobs=1)
    assert found.front and all(point.part == "ecp5-25k" for point in found.points)
    with pytest.raises(PlanError, match="^The part must be one of "):
        bitweir.explore(digits, ["none"])
    with pytest.raises(PlanError, match="^An exploration needs a part"):
        bitweir.explore(digits, [])
    with pytest.raises(PlanError, match=r"^The number of points must be a whole number from 1 to 1,000, not 0\.$"):
        bitweir.explore(digits, ["ecp5-25k"], points=0)


# ---- PyTorch


class _Module:
    training = True

    def eval(self):
        self.training = False

    def train(self, mode):
        self.training = mode


def _torch(monkeypatch, export):
    torch = types.ModuleType("torch")
    torch.zeros = np.zeros
    torch.no_grad = contextlib.nullcontext
    torch.onnx = types.SimpleNamespace(export=export, TrainingMode=types.SimpleNamespace(PRESERVE=None))
    monkeypatch.setitem(sys.modules, "torch", torch)


def test_a_module_that_cannot_be_exported(monkeypatch):
    def export(*_, **__):
        raise RuntimeError("no such\noperator.")

    _torch(monkeypatch, export)
    with pytest.raises(ToolError, match=r"^PyTorch cannot export the module: no such operator\.$"):
        bitweir.check(_Module(), np.zeros((1, 64)))


def test_without_pytorch_there_is_one_sentence(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ToolError, match="^PyTorch is not installed, which exports the module: pip install torch, or "):
        bitweir.check(_Module(), np.zeros((1, 64)))
