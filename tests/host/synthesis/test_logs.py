"""Logs of tools that failed: beside the folder that could not be made, without the loss of anything."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from bitweir.synthesis import route
from bitweir.synthesis.logs import logs_kept, working_folder
from bitweir_hw.boards import BOARDS
from bitweir_hw.errors import ToolError
from bitweir_hw.tools import keep_output

LOST = (
    "ecppack failed: no. What the tools said could not be kept: '{}' holds files that bitweir did not write, or that "
    "were changed since, and would lose them: 'notes.txt'. Move them elsewhere, or name another folder."
)


def fail(folder: Path, log: str = "said") -> str:
    """What is told of a tool that fails in a folder of its own, with a log."""
    with pytest.raises(ToolError) as failure, logs_kept(folder), working_folder() as work:
        (work / "yosys.log").write_text(log)
        (work / "netlist.json").write_text("large")
        (work / "seed2").mkdir()
        done = subprocess.CompletedProcess(["x"], 3, stdout="out\n", stderr="ERROR: no\n")
        keep_output("ecppack", ["--bit", "a b"], done, work / "seed2")
        raise ToolError("ecppack failed: no.")
    assert not work.exists()
    return str(failure.value)


def test_logs_are_kept_and_those_of_the_next_failure_take_their_place(tmp_path: Path) -> None:
    place = tmp_path / "out.failed"
    for log in ("first", "second"):
        assert fail(tmp_path / "out", log) == f"ecppack failed: no. What the tools said is in '{place}'."
        assert (place / "yosys.log").read_text() == log
    output = (place / "seed2" / "ecppack-output.log").read_text()
    assert output == "$ ecppack --bit 'a b'\nout\nERROR: no\n\nexit code 3\n"
    names = {path.relative_to(place).as_posix() for path in place.rglob("*") if path.is_file()}
    assert names == {"yosys.log", "seed2/ecppack-output.log", "bitweir-manifest.json"}
    assert [path.name for path in tmp_path.iterdir()] == ["out.failed"]


def test_what_somebody_wrote_there_stays(tmp_path: Path) -> None:
    fail(tmp_path / "out")
    (tmp_path / "out.failed" / "notes.txt").write_text("mine")
    assert fail(tmp_path / "out") == LOST.format(tmp_path / "out.failed")
    assert (tmp_path / "out.failed" / "notes.txt").read_text() == "mine"


def test_the_current_folder_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert fail(Path()).endswith(f"is in '{tmp_path}/here.failed'.")


def test_without_logs_there_is_no_folder(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match=r"^nextpnr is missing\.$"), logs_kept(tmp_path / "out"):
        raise ToolError("nextpnr is missing.")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("asked", "told"), [(42e6, "42 MHz, attempt 1, x"), (None, "42 MHz, attempt 1 of at most 4, x")]
)
def test_attempts_are_counted(asked: float | None, told: str) -> None:
    said: list[str] = []
    run = route._Run(None, BOARDS["icebreaker"], 1, None, said.append, asked=asked)  # type: ignore[arg-type]
    telling = run._telling(42e6)
    assert telling
    telling("x")
    assert said == [told]
