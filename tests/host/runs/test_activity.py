"""How often the registers of each block change."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import bitweir
import numpy as np
import pytest
from bitweir.accelerator import Accelerator
from bitweir.design import write_design
from bitweir.runs.activity import activity_schema
from bitweir_hw.plan import plan_from_foldings
from bitweir_hw.popcount import STYLE, Popcount
from bitweir_sim.compiler import compiler_missing
from support.samples import dense_network
from support.schemas import validate

pytestmark = pytest.mark.skipif(compiler_missing() is not None, reason=str(compiler_missing()))
NETWORK = dense_network(24, 20, 4)
IMAGES = np.random.default_rng(3).choice([-1.0, 1.0], (30, 24))


@pytest.fixture(scope="module", params=["fused", "ecp5"])
def accelerator(request, tmp_path_factory) -> Accelerator:
    style = request.param if request.param != "ecp5" else STYLE["ecp5"]
    plan = plan_from_foldings(NETWORK, "8x5,4x2", popcount=Popcount(style=style, levels_per_stage=1))
    return Accelerator(written=write_design(NETWORK, plan, tmp_path_factory.mktemp(request.param) / "build"))


def test_each_block_has_its_share(accelerator) -> None:
    found = accelerator.activity(IMAGES)
    validate(found.to_dict(), activity_schema())
    assert [block.block for block in found.blocks] == [block.name for block in accelerator.written.pipeline.blocks]
    assert found.images == 30 and found.cycles > 30 * accelerator.cycles_per_frame * 0.9
    assert sum(block.toggles for block in found.blocks) + found.around == pytest.approx(found.toggles)
    assert sum(block.share for block in found.blocks) == pytest.approx(1 - found.around / found.toggles)
    dense = found.blocks[0]
    assert dense.layer == "dense0" and dense.toggles > 0
    # No more bits than there are, in no more cycles; words of weights are in registers here.
    registers = 4 * accelerator.report(advice=False).estimate.blocks["dense0"].ff + 400
    assert dense.toggles * 30 < registers * found.cycles


def test_images_that_are_all_the_same_change_less(tmp_path) -> None:
    # With all lanes at once; folded, other weights come in each cycle.
    whole = Accelerator(written=write_design(NETWORK, plan_from_foldings(NETWORK, "24x20,20x4"), tmp_path / "build"))
    same = whole.activity(np.repeat(IMAGES[:1], 30, axis=0))
    assert same.toggles < 0.5 * whole.activity(IMAGES).toggles


def test_loaded_parameters_are_refused(tmp_path) -> None:
    plan = replace(plan_from_foldings(NETWORK, "8x5,4x2"), weights="ram")
    loads = Accelerator(written=write_design(NETWORK, plan, tmp_path / "build"))
    with pytest.raises(bitweir.BitweirError, match="^Registers are counted of designs whose parameters are constants"):
        loads.activity(IMAGES)


def test_command(accelerator, tmp_path) -> None:
    np.savez(tmp_path / "images.npz", x=IMAGES)
    command = [
        sys.executable,
        "-m",
        "bitweir",
        "activity",
        str(accelerator.folder),
        "--images",
        tmp_path / "images.npz",
    ]
    told = subprocess.run([*command, "--json"], capture_output=True, text=True, check=True).stdout
    assert json.loads(told) == accelerator.activity(IMAGES).to_dict()
