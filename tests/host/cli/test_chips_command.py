"""`generate --parts`, and what other commands do with its folder."""

import json

import bitweir
import numpy as np
import pytest
from bitweir.cli import main
from click.testing import CliRunner


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    rng = np.random.default_rng(2)
    signs = (-1, 1)
    net = bitweir.network(
        [
            bitweir.dense(rng.choice(signs, (8, 16)), thresholds=np.zeros(8)),
            bitweir.dense(rng.choice(signs, (4, 8))),
        ],
        shape=(16,), high=1, threshold=1, name="little",
    )  # fmt: skip
    folder = tmp_path_factory.mktemp("model")
    net.save(folder / "small.npz")
    np.savez(folder / "images.npz", x=rng.integers(0, 2, (6, 16)))
    return folder


def run(*args):
    return CliRunner().invoke(main, [*map(str, args)])


def test_a_folder_of_several_chips(model, tmp_path):
    folder = tmp_path / "chips"
    done = run(
        "generate", model / "small.npz", "-o", folder, "--parts", "ice40-up5k,ice40-up5k", "--goal", "fps",
        "--cut-bandwidth", "1e7", "--cut-latency", "3", "--json",
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert [chip["layers"] for chip in told["chips"]] == [["dense1"], ["dense2"]]
    (channel,) = told["channels"]
    assert channel["bits"] == int(8e7 / (told["clock_mhz"] * 1e6)) and channel["latency_cycles"] == 3
    again = run("report", folder, "--json")
    assert json.loads(again.stdout)["chips"] == told["chips"]
    shown = run("report", folder)
    assert "little on 2 chips" in shown.output and "dense1" in shown.output
    done = run("simulate", folder, "--images", model / "images.npz", "--engine", "golden", "--json")
    assert done.exit_code == 0 and json.loads(done.stdout)["mismatches"] == 0
    assert run("report", folder / "chip1").exit_code == 0
    done = run("report", folder, "--part", "ecp5-25k")
    assert done.exit_code == 7 and "several chips" in done.output


@pytest.mark.parametrize(
    ("args", "code", "told"),
    [
        (["--parts", "ecp5-25k,ecp5-25k", "--axi", "8"], 2, "--axi is for one FPGA"),
        (["--parts", "ecp5-25k,ecp5-25k", "--goal", "latency"], 2, "--goal is for one FPGA"),
        (["--cut", "dense1"], 2, "need --parts"),
        (["--parts", "ecp5-25k"], 2, "2 to 16 parts"),
        (["--parts", "ecp5-25k,none"], 2, "'none' is not one of ecp5-25k"),
        (["--parts", "ecp5-25k,ecp5-25k", "--cut", "dense1", "--cut", "dense1"], 2, "need --cut 1 times or never"),
        (["--parts", "ecp5-25k,ecp5-25k", "--cut", "dense2"], 5, "not behind 'dense2'"),
        (["--parts", "ecp5-25k,ecp5-25k,ecp5-25k"], 5, "into 2 at most"),
        (
            ["--parts", "ecp5-25k,ecp5-25k", "--cut-latency", "5000"],
            5,
            "in cycles must be a whole number from 0 to 4,096",
        ),
    ],
)
def test_mistakes(model, tmp_path, args, code, told):
    done = run("generate", model / "small.npz", "-o", tmp_path / "chips", *args)
    assert done.exit_code == code and told in done.output
    assert not (tmp_path / "chips").exists()
