"""Trained networks with the foldings of published overlays: every score, every class, and the promised cycles."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from bitweir.design import DesignFolder, write_design
from bitweir.images import as_images
from bitweir.importers import load_model
from bitweir.runs import simulate
from bitweir_hw.network import Affine, Network
from bitweir_hw.plan import plan_from_foldings
from bitweir_sim.simulators.compiled import compiler_missing
from bitweir_sim.time.cycles import steady_state
from bitweir_sim.values import fast
from bitweir_sim.values.encoding import encode
from support.shared_data import DATA, bnn_npz, mnist, needs_shared

pytestmark = needs_shared

#: SIMD x PE of BNN-PYNQ's overlay for all three networks.
FOLDING = "64x32,32x64,64x32,8x16"
MODELS = DATA / "models"


def tfc() -> Network:
    return load_model(MODELS / "TFC_1W1A.onnx", input_scale="1/255")


def tfc_of_two_bits() -> Network:
    return load_model(MODELS / "TFC_1W2A.onnx", input_scale="1/255")


def sfc() -> Network:
    return load_model(MODELS / "SFC_1W1A_zybo.onnx", input_scale="1/255")


def lfc() -> Network:
    return bnn_npz(MODELS / "lfcW1A1_mnist.npz")


@pytest.mark.parametrize(
    ("network", "golden", "images", "cycles"),
    [
        pytest.param(tfc, "tfcW1A1", 1000, 26, id="TFC"),
        # Compiling these takes minutes.
        pytest.param(tfc_of_two_bits, "tfcW1A2", 500, 26, id="TFC-W1A2", marks=pytest.mark.long),
        pytest.param(sfc, "sfcW1A1", 200, 104, id="SFC", marks=pytest.mark.long),
        pytest.param(lfc, "lfcW1A1", 20, 512, id="LFC", marks=pytest.mark.long),
    ],
)
def test_scores_classes_and_cycles(network, golden, images, cycles, tmp_path: Path) -> None:
    if missing := compiler_missing():
        pytest.skip(missing)
    net = network()
    build: DesignFolder = write_design(net, plan_from_foldings(net, FOLDING), tmp_path / "build")
    x, y = (array[:images] for array in mnist())
    run = simulate(build, as_images(net, x, y))

    assert (run.images, run.mismatches, run.first_mismatch) == (images, 0, None)
    with np.load(DATA / "golden" / f"{golden}_mnist.npz") as expected:
        # The accumulators of the file are those before an offset for each class.
        last = net.layers[-1]
        offset = last.offset if isinstance(last, Affine) and golden == "lfcW1A1" else 0
        np.testing.assert_array_equal(run.result.scores - offset, expected["acc"][:images])
        np.testing.assert_array_equal(run.result.classes, expected["pred"][:images])
        assert run.accuracy == (expected["pred"][:images] == y).mean()
        golden_result = fast.run(net, encode(net.input, x.reshape(images, *net.input.shape)))
        np.testing.assert_array_equal(run.result.scores, golden_result.scores)

    timing = steady_state(build.pipeline)
    assert run.cycles_per_frame_from == "simulation"
    assert run.cycles_per_frame == timing.interval == cycles <= 512
    assert run.latency_cycles == timing.latency
