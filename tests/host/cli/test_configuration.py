"""Defaults from the configuration file, and how much a command tells."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest
from bitweir.cli import configuration, main
from bitweir.cli.configuration import configuration_file, defaults, without_excluded
from bitweir_hw.files import save_network
from click.testing import CliRunner, Result
from support.samples import dense_network

FILE = """
jobs = 1

[generate]
part = "ecp5-25k"
goal = "fps"
clock = 40

[explore]
jobs = 3
part = ["ecp5-25k", "ice40-up5k"]
"""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config.toml"
    path.write_text(FILE)
    monkeypatch.setenv("BITWEIR_CONFIG", str(path))
    return path


def run(*words: str | Path, code: int = 0) -> Result:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result


def target(folder: Path) -> dict[str, object]:
    told: dict[str, object] = json.loads((folder / "target.json").read_text())["target"]
    return told


def test_the_command_line_goes_before_the_file(config: Path, tmp_path: Path) -> None:
    save_network(dense_network(64, 16, 4), tmp_path / "net.npz")
    generate = ["generate", tmp_path / "net.npz", "-q", "-o"]
    run(*generate, tmp_path / "a")
    assert (target(tmp_path / "a")["part"], target(tmp_path / "a")["clock"]) == ("ecp5-25k", 40e6)
    run(*generate, tmp_path / "b", "--part", "gw1n-9", "--clock", "30")
    assert (target(tmp_path / "b")["part"], target(tmp_path / "b")["clock"]) == ("gw1n-9", 30e6)
    # What the command line excludes counts no more: a board determines the part, and a folding excludes goals.
    run(*generate, tmp_path / "c", "--board", "icebreaker", "--folding", "16x8,16x4")
    assert (target(tmp_path / "c")["board"], target(tmp_path / "c")["part"]) == ("icebreaker", "ice40-up5k")


def test_tables_are_of_commands_and_the_rest_of_all(config: Path) -> None:
    found = defaults(main, click.Context(main))
    assert found["explore"] == {"jobs": 3, "parts": ["ecp5-25k", "ice40-up5k"]}
    assert found["simulate"] == {"jobs": 1} and found["parts"] == {}
    assert without_excluded(found["generate"], ["board", "name"]) == {"goal": "fps", "clock": 40}
    assert "goal" not in without_excluded(found["generate"], ["fps"])
    assert not {"part", "board"} & set(without_excluded(found["generate"], ["family"]))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('bord = "x"', "there is 'bord', which is no option: the nearest is board"),
        ("[biuld]", "there is 'biuld', which is no command: the nearest is build"),
        ("[build]\nseed = 3", "there is 'seed', which is no option of build: the nearest is seeds"),
        ('[build]\nboard = "x"', "board of build is wrong: 'x' is not one of colorlight_5a75b, "),
        ('clock = "fast"', "clock of generate is wrong: 'fast' is not a valid float"),
        ("clock = -3", "clock of generate must be 0.01 to 10,000 MHz, not -3"),
        ("jobs = [1]", "must not be a list"),
        ('[explore]\npart = "ecp5-25k"', "part of explore must be a list"),
        ("[generate]\nweights = true", "weights of generate must be a number or a text"),
        ("[simulate]\nquiet = 1", "quiet of simulate must be true or false"),
        ('output = "x"', "there is 'output', which is no option"),
        ('[run]\nsave = "x"', "there is 'save', which is no option of run"),
        ("a = [", "is no configuration: Invalid value"),
        ("quiet = true\nverbose = true", "quiet and verbose exclude each other"),
        ("jobs = 1" + "#" * 70_000, "has more than 65,536 bytes"),
    ],
)
def test_what_is_no_configuration(config: Path, text: str, told: str) -> None:
    config.write_text(text)
    result = run("parts", code=7)
    assert told in result.stderr and str(config) in result.stderr and result.stderr.count("\n") == 1


def test_which_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BITWEIR_CONFIG", str(tmp_path / "none.toml"))
    assert "Cannot read" in run("parts", code=7).stderr
    monkeypatch.setenv("BITWEIR_CONFIG", "")
    assert configuration_file() is None and run("parts").stdout
    monkeypatch.delenv("BITWEIR_CONFIG")
    monkeypatch.setattr(configuration.platformdirs, "user_config_path", lambda *_, **__: tmp_path)
    assert configuration_file() == tmp_path / "config.toml"
    # That one need not be there, nor does one in the current folder count.
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bitweir.toml").write_text("nonsense")
    assert run("parts").stdout
    (tmp_path / "config.toml").write_text("nonsense")
    assert "is no configuration" in run("parts", code=7).stderr


def test_how_much_is_told(tmp_path: Path) -> None:
    assert run("parts", "-q").output == "" and json.loads(run("parts", "-q", "--json").stdout)["parts"]
    assert "--quiet and --verbose exclude each other" in run("parts", "-q", "-v", code=2).stderr
    save_network(dense_network(16, 8, 4), tmp_path / "net.npz")
    told = run("generate", tmp_path / "net.npz", "-o", tmp_path / "out", "-v")
    assert "Fitting FIFOs ...\n" in told.stderr and re.search(r"^Fitting FIFOs.*: done$", told.stderr, re.MULTILINE)
    # Errors are told in any case.
    assert "Cannot read" in run("report", tmp_path / "out", "-q", "--part", "none.toml", code=7).stderr
    assert run("report", tmp_path / "out", "-q").output == ""


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        ("bitweir boa", "boards"),
        ("bitweir build digits --board ul", "ulx3s_85f"),
        ("bitweir report x --part xc7k", "xc7k325t"),
    ],
)
def test_shells_can_complete(words: str, wanted: str) -> None:
    environment = {
        "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1), "_BITWEIR_COMPLETE": "bash_complete",
        "PYTHONPATH": ":".join(sys.path), "BITWEIR_CONFIG": "",
    }  # fmt: skip
    command = [sys.executable, "-c", "from bitweir.__main__ import run; run()"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.split() == [f"plain,{wanted}"], done.stderr
