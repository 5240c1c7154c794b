"""What long work shows on standard error: what it does and how far it is, for people and for programs."""

from __future__ import annotations

import json
import re
import sys
import time

import bitweir.cli.console as console
import pytest
from bitweir.cli.console import Output, Step
from bitweir_hw.tools import followed, following, run_yosys


def lines(capsys):
    return capsys.readouterr().err.splitlines()


def wait_for(capsys, text):
    """All lines until one has the text: a busy machine may be late."""
    found = []
    for _ in range(6000):
        found += lines(capsys)
        if any(text in line for line in found):
            return found
        time.sleep(0.01)
    raise AssertionError(f"There is no {text!r} in {found}.")


def test_programs_get_a_line_of_json_from_time_to_time(capsys, monkeypatch):
    monkeypatch.setattr(console, "JSON_SECONDS", 0.02)
    with Output(as_json=True).working("Simulating") as show:
        found = wait_for(capsys, "Simulating")
        show(0.25)
        show("piece 3\n")
        found += wait_for(capsys, "piece 3")
    told = [json.loads(line) for line in found + lines(capsys)]
    assert all(entry["progress"] == "Simulating" and entry["seconds_left"] is None for entry in told)
    assert [entry["seconds"] for entry in told] == sorted(entry["seconds"] for entry in told)
    first, last = told[0], told[-1]
    assert (first["share"], first["now"], "done" in first) == (None, None, False)
    assert (last["share"], last["now"], last["done"]) == (0.25, "piece 3\n", True)
    assert len(told) >= 3 and told[-2]["share"] == 0.25 and "done" not in told[-2]
    assert all(list(entry)[:5] == ["progress", "share", "now", "seconds", "seconds_left"] for entry in told)


def test_people_without_a_terminal_get_a_line_from_time_to_time(capsys, monkeypatch):
    monkeypatch.setattr(console, "LINE_SECONDS", 0.02)
    with Output(as_json=False).working("Simulating") as show:
        show(0.25)
        show("a\x1b[2J\nb")
        told = wait_for(capsys, "2J")
    # One may come before the share.
    assert told[-1] == r"Simulating: 25% (a\x1b[2J\nb)" and set(told[:-1]) <= {
        "Simulating",
        "Simulating: 25%",
        told[-1],
    }


def test_short_steps_show_nothing_without_a_terminal(capsys):
    with Output(as_json=False).working("Simulating") as show:
        show(0.5)
    assert lines(capsys) == []


def test_nobody_listens(monkeypatch):
    class Closed:
        def write(self, text):
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Closed())
    with Output(as_json=True).working("Simulating") as show:
        show(0.5)


def test_the_time_that_is_left_counts_from_the_first_share(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: now[0])
    step = Step("Simulating")
    assert str(step) == "Simulating"
    # Half was done by an earlier run.
    step.show(0.5)
    now[0] += 30
    step.show(0.6)
    assert str(step) == "Simulating: 60%, 0:00:30, about 0:02:00 left" and step.to_dict()["seconds_left"] == 120
    now[0] += 30
    step.show(1.0)
    assert str(step) == "Simulating: 100%, 0:01:00" and f"{step.__rich__()}" == "Simulating: 100%, 0:01:00 ..."


def test_errors_end_a_step(capsys, monkeypatch):
    monkeypatch.setattr(console, "JSON_SECONDS", 0.01)
    with pytest.raises(KeyboardInterrupt), Output(as_json=True).working("Simulating"):
        raise KeyboardInterrupt
    told = lines(capsys)
    time.sleep(0.05)
    assert lines(capsys) == [] and "done" not in json.loads(told[-1])


def test_logs_are_followed(tmp_path, monkeypatch):
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.01)
    log, told = tmp_path / "log", []

    def read(line):
        return line.removeprefix("Info: ") if line.startswith("Info: ") else None

    with followed(log, read, told.append):
        time.sleep(0.05)
        with log.open("w") as file:
            for text in ("Info: one\nInfo: two\nother\nInf", "o: three", "\n", "Info: " + "x" * 100 + "\n"):
                file.write(text)
                file.flush()
                time.sleep(0.2)
    assert told == ["two", "three", "x" * 60]
    with followed(tmp_path / "none", read, None):
        pass


def test_yosys_tells_its_passes(tmp_path, monkeypatch):
    monkeypatch.setattr(following, "LOOK_SECONDS", 0.005)
    (tmp_path / "a.v").write_text("module a(input [15:0] x, output [15:0] y); assign y = x * x; endmodule")
    told = []
    run_yosys("read_verilog a.v\nsynth_ice40 -top a\n", tmp_path, told=told.append)
    assert len(told) > 1 and all(re.match(r"\d+(\.\d+)* \S", line) for line in told)
    assert any(line.startswith("2.") for line in told) and not any("Executing" in line for line in told)
