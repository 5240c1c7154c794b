"""Simulations and runs on devices from Python: arrays in, typed results out."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

import bitweir
import numpy as np
import pytest
from bitweir.design import write_design
from bitweir.images import ImageError, Images, as_images, load_images
from bitweir.importers import load_model
from bitweir.runs import ENGINES, load_parameters, read_parameter_image, run_on_device, simulate
from bitweir_hw.errors import BitweirError, LinkError, PlanError
from bitweir_hw.plan import plan_from_foldings
from bitweir_sim.simulators.compiled import compiler_missing
from bitweir_sim.values import fast
from bitweir_sim.values.encoding import Codes

NETWORKS = Path(str(resources.files("bitweir.networks")))
needs_compiler = pytest.mark.skipif(compiler_missing() is not None, reason=str(compiler_missing()))
SHOWN_BY_ALL = [
    "engine", "simulator", "images", "rounded", "pieces", "resumed", "accuracy", "label_accuracy", "mean_error",
    "seconds",
    "cycles_per_frame", "cycles_per_frame_from", "latency_cycles", "clock_mhz", "frames_per_second", "latency_us",
    "made_for_mhz",
]  # fmt: skip


@pytest.fixture(scope="module")
def design(tmp_path_factory):
    network = load_model(NETWORKS / "digits.onnx", input_scale="1")
    # As in other tests, which compile the same design.
    return write_design(network, plan_from_foldings(network, "16x8,16x2"), tmp_path_factory.mktemp("runs") / "build")


@pytest.fixture(scope="module")
def arrays():
    with np.load(NETWORKS / "digits_test.npz") as file:
        return file["x"][:30], file["y"][:30].astype(np.int64)


# ---- images


def test_arrays_and_files_give_the_same(design, arrays, tmp_path):
    x, y = arrays
    network = design.network
    np.savez(tmp_path / "images.npz", x=x, y=y)
    from_file = load_images(tmp_path / "images.npz", network)
    codes = Codes(from_file.codes)
    for images in (as_images(network, x, y), as_images(network, x.tolist(), list(y)), as_images(network, codes, y)):
        assert isinstance(images, Images) and len(images) == 30
        np.testing.assert_array_equal(images.codes, from_file.codes)
        np.testing.assert_array_equal(images.labels, from_file.labels)
    assert as_images(network, x).labels is None and as_images(network, codes).frames is None


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda x, y: (x[:0], None), "There must be one image or more."),
        (lambda x, y: (x[0], None), "An array of images must have the shape (images, ...), not (64,)."),
        (
            lambda x, y: (x, y[:7]),
            "An array of images must have one integer label y for each of its 30 images, not int64 of shape (7,).",
        ),
        (
            lambda x, y: (x, y + 1),
            "An array of images must have labels y from 0 to 9, one for each class, but that of image 6 is 10.",
        ),
    ],
)
def test_arrays_that_are_refused(design, arrays, change, told):
    x, y = arrays
    at = int(np.flatnonzero(y == 9)[0])
    with pytest.raises(ImageError) as error:
        as_images(design.network, *change(x.reshape(len(x), -1), y))
    assert str(error.value) == told.replace("image 6", f"image {at}")


def test_images_that_the_network_does_not_take(design, arrays):
    x, _ = arrays
    with pytest.raises(ImageError, match="shape"):
        as_images(design.network, x.reshape(len(x), -1)[:, :63])
    wide = x.astype(np.int64) + 1000
    with pytest.raises(ImageError):
        as_images(design.network, wide)
    assert as_images(design.network, wide, rounding=True).rounded == wide.size


# ---- simulations


@pytest.mark.parametrize("engine", ["golden", pytest.param("compiled", marks=needs_compiler)])
def test_simulations(design, arrays, engine):
    shown = []

    @contextmanager
    def progress(what):
        shown.append(what)
        yield lambda share: shown.append(share)

    x, y = arrays
    images = as_images(design.network, x, y)
    run = simulate(design, images, engine=engine, clock=50e6, progress=progress)
    expected = fast.run(design.network, images.codes)
    np.testing.assert_array_equal(run.result.scores, expected.scores)
    assert (run.images, run.mismatches, run.first_mismatch) == (30, 0, None)
    assert run.accuracy == (expected.classes == y).mean()
    assert run.latency_cycles == design.timing.latency and run.cycles_per_frame == design.timing.interval
    assert run.frames_per_second == 50e6 / design.timing.interval and run.clock == 50e6
    told = run.to_dict()
    last = ["mismatches", "first_mismatch"]
    if engine == "golden":
        assert list(told) == SHOWN_BY_ALL + last and shown[-1] == 1.0 and run.trace is run.cycles_per_second is None
    else:
        assert list(told) == [*SHOWN_BY_ALL, "simulated_cycles", "cycles_per_second", *last]
        assert "Simulating 30 frames" in shown and told["simulated_cycles"] == run.trace.cycles_run
    assert told["clock_mhz"] == 50 and told["made_for_mhz"] == design.target.clock / 1e6


@needs_compiler
def test_a_design_without_a_folder(design, arrays):
    run = simulate(design.design, as_images(design.network, *arrays))
    assert run.mismatches == 0 and run.simulated_cycles > 0


def test_an_engine_that_is_none(design, arrays):
    with pytest.raises(PlanError, match="^The engine must be one of compiled, cocotb, golden, not 'fast'.$"):
        simulate(design, as_images(design.network, arrays[0]), engine="fast")
    assert list(ENGINES) == ["compiled", "cocotb", "golden"]


# ---- devices


def test_a_device(design, arrays):
    x, y = arrays
    address = f"golden:{design.folder}"
    images = as_images(design.network, x, y)
    with bitweir.connect(address) as device:
        quick = run_on_device(device, images, address=address)
        whole = run_on_device(device, images, address=address, check=True)
    assert quick.mismatches is quick.first_mismatch is None and quick.result.scores.shape == (30, 0)
    assert (whole.mismatches, whole.first_mismatch, whole.result.scores.shape) == (0, None, (30, 10))
    for run in (quick, whole):
        assert run.classes == np.bincount(run.result.classes, minlength=10).tolist() and run.accuracy == 1
        assert run.labels is run.ranges is run.clock is None and not run.simulated
        assert list(run.to_dict()) == [
            "device", "network", "clock_mhz", "accelerator_frames_per_second", "images", "rounded", "result", "classes",
            "labels", "ranges", "accuracy", "label_accuracy", "mean_error", "mismatches", "first_mismatch", "engine",
            "time", "seconds", "frames_per_second",
        ]  # fmt: skip


def test_parameters_that_cannot_be_loaded(design, tmp_path):
    with pytest.raises(LinkError, match="^The parameters of the device are fixed"):
        load_parameters(f"golden:{design.folder}", b"1234")
    (tmp_path / "empty.bin").touch()
    with pytest.raises(BitweirError, match="is not an image of parameters: it is empty"):
        read_parameter_image(tmp_path / "empty.bin")


def test_nothing_here_needs_a_console():
    program = "import sys, bitweir.runs; sys.exit('rich.console' in sys.modules or 'click' in sys.modules)"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
