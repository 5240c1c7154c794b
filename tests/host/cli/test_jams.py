"""Build folders whose FIFOs are too shallow: every command that needs to know the cycles refuses them."""

import hashlib
import json

import numpy as np
import pytest
from bitweir.cli import main
from bitweir.folders import whole_folder
from bitweir_hw.files import digest, network_bytes, plan_text
from bitweir_hw.plan import Folding, Plan
from click.testing import CliRunner
from support.residuals import residual_network

TOLD = (
    "bitweir: The accelerator jams with the depths of its plan: its FIFO 'sum0_fifo1' must hold at least 9 beats, "
    "not 2; bitweir generate finds depths that cost no cycle."
)


def certificate(network, plan):
    """One that claims a state of this plan, as its sender can."""
    parts = json.dumps([plan_text(plan)]).encode()
    tree = {"format": "bitweir certificate", "version": 1, "network": digest(network)}
    return json.dumps({**tree, "plan": hashlib.sha256(parts).hexdigest(), "state": [[0]], "instead": ""})


@pytest.fixture
def folder(tmp_path):
    """What a folder would hold if `generate` wrote such plans; the Verilog is not looked at before."""
    network = residual_network(2)
    foldings = tuple(Folding(simd=simd, pe=2) for simd in (18, 18, 2))
    plan = Plan(foldings=foldings, depths=(("sum0_fifo0", 2), ("sum0_fifo1", 2)))
    path = tmp_path / "build"
    with whole_folder(path) as new:
        (new / "network.npz").write_bytes(network_bytes(network))
        (new / "plan.json").write_text(plan_text(plan))
        (new / "certificate.json").write_text(certificate(network, plan))
        (new / "net.v").write_text("module net; endmodule\n")
    np.savez(tmp_path / "images.npz", codes=np.zeros((3, network.input.size), np.int64))
    return path


@pytest.mark.parametrize(
    "words",
    [
        ("report", "{}"),
        ("simulate", "{}", "--images", "{}/../images.npz"),
        ("simulate", "{}", "--images", "{}/../images.npz", "--engine", "golden"),
        ("run", "sim:{}", "--images", "{}/../images.npz"),
        ("simboard", "{}"),
    ],
    ids=lambda words: "-".join(word for word in words if "{" not in word),
)
def test_a_plan_that_jams(folder, words):
    result = CliRunner().invoke(main, [word.format(folder) for word in words])
    assert (result.exit_code, result.stderr.splitlines()[-1]) == (5, TOLD)
