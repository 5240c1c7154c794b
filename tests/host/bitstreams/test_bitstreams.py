"""The bitstreams that are kept: whole, of the networks that ship, and what their manifests say."""

import hashlib
import json
from pathlib import Path

import pytest
from bitweir.bitstreams.bitstream import MANIFEST
from bitweir.bitstreams.program import read_manifest
from bitweir.importers import load_model
from bitweir.shipped import located
from bitweir_hw.boards import BOARDS
from bitweir_hw.files import digest, load_plan
from bitweir_hw.lower import lower
from bitweir_sim.time.cycles import steady_state
from support import ROOT

KEPT = ROOT / "bitstreams"


@pytest.mark.parametrize("network", ["digits", "cnn"])
@pytest.mark.parametrize("board", sorted(path.name for path in KEPT.iterdir() if path.name in BOARDS))
def test_a_bitstream_belongs_to_its_manifest(board, network):
    folder = KEPT / board / network
    manifest = json.loads((folder / MANIFEST).read_text())
    content = (folder / manifest["bitstream"]["file"]).read_bytes()
    assert manifest["bitstream"]["bytes"] == len(content)
    assert manifest["bitstream"]["sha256"] == hashlib.sha256(content).hexdigest()
    assert manifest["plan"]["sha256"] == hashlib.sha256((folder / "plan.json").read_bytes()).hexdigest()
    assert (manifest["board"], manifest["device"]) == (board, BOARDS[board].device)
    assert manifest["fmax_mhz"] >= 1.05 * manifest["clock_mhz"]
    # As `bitweir program` reads it.
    assert read_manifest(folder)[1] == folder / manifest["bitstream"]["file"]


@pytest.mark.parametrize("network", ["digits", "cnn"])
@pytest.mark.parametrize("board", sorted(path.name for path in KEPT.iterdir() if path.name in BOARDS))
def test_a_bitstream_holds_the_network_that_ships(board, network):
    folder = KEPT / board / network
    manifest, plan = json.loads((folder / MANIFEST).read_text()), load_plan(folder / "plan.json")
    files, scale = located((Path(network),), None)
    shipped = load_model(files[0], input_scale=scale)
    assert manifest["network"]["digest"] == digest(shipped)
    timing = steady_state(lower(shipped, plan))
    assert (manifest["cycles_per_frame"], manifest["latency_cycles"]) == (timing.interval, timing.latency)
    assert manifest["accelerator_fps"] == pytest.approx(1e6 * manifest["clock_mhz"] / timing.interval, abs=0.1)
