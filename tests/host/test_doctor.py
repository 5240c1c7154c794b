"""What the doctor says is so: of what is there, of what is missing, and of what is there and does not work."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bitweir import doctor
from bitweir.cli import main
from bitweir.doctor import Check, diagnose, doctor_schema
from bitweir.synthesis import nextpnr
from bitweir_hw.errors import ToolError
from bitweir_hw.tools import yosys_version
from click.testing import CliRunner
from serial.tools.list_ports_common import ListPortInfo
from support.schemas import validate


def found(name: str) -> Check:
    (check,) = [check for check in diagnose().checks if check.name == name]
    return check


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing but the compiler is tried."""
    monkeypatch.setattr(doctor, "_try_yosys", lambda folder: None)
    monkeypatch.setattr(doctor, "NEXTPNR", {})
    monkeypatch.setattr(doctor, "loader", lambda: "/bin/echo")
    monkeypatch.setenv("BITWEIR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("YOWASP_CACHE_DIR", str(tmp_path / "yowasp"))


def test_what_is_there_works(monkeypatch: pytest.MonkeyPatch) -> None:
    """Yosys maps something, and the compiler makes a library that computes."""
    monkeypatch.setattr(doctor, "loader", lambda: "/bin/echo")
    done = CliRunner().invoke(main, ["doctor", "--json"])
    told = json.loads(done.stdout)
    validate(told, doctor_schema())
    states = {check["name"]: check["state"] for check in told["checks"]}
    assert done.exit_code == (0 if told["ok"] else 6) and states["Yosys"] == "ok"
    (yosys,) = [check for check in told["checks"] if check["name"] == "Yosys"]
    assert yosys["version"] == yosys_version() and yosys["seconds"] > 0 and yosys["remedy"] == ""
    assert all(bool(check["remedy"]) == (check["state"] != "ok") for check in told["checks"])
    shown = CliRunner().invoke(main, ["doctor"])
    assert shown.exit_code == done.exit_code and all(name in shown.stdout for name in states)


@pytest.mark.usefixtures("quick")
def test_a_missing_compiler_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    check = found("no-such-compiler")
    assert (check.state, check.needed) == ("missing", True) and "apt install g++" in check.remedy
    done = CliRunner().invoke(main, ["doctor"])
    assert done.exit_code == 6 and "missing, needed" in " ".join(done.stdout.split())


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("program", ["true", "false"])
def test_a_compiler_that_is_none_is_broken(monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    monkeypatch.setenv("CXX", program)
    check = found(program)
    assert check.state == "broken" and check.remedy.startswith(f"{program} failed: ") and not diagnose().ok


@pytest.mark.usefixtures("quick")
def test_what_is_missing_and_not_needed_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    real = doctor.find_spec
    monkeypatch.setattr(doctor, "find_spec", lambda name: None if name == "distributed" else real(name))
    gone = replace(nextpnr.NEXTPNR["ice40"], package="yowasp-nextpnr-missing")
    monkeypatch.setattr(doctor, "NEXTPNR", {"ice40": gone})
    monkeypatch.setitem(nextpnr.NEXTPNR, "ice40", gone)

    def absent() -> str:
        raise ToolError("openFPGALoader is not installed.")

    monkeypatch.setattr(doctor, "loader", absent)
    told = {check.name: (check.state, check.remedy) for check in diagnose().checks}
    assert told["Dask"] == ("missing", "Install it with pip install 'bitweir[dask]'.")
    assert told["nextpnr-ice40"] == (
        "missing", "nextpnr-ice40 is not installed: install it with pip install 'bitweir[pnr]'."
    )  # fmt: skip
    assert told["openFPGALoader"] == ("missing", "openFPGALoader is not installed.")
    assert diagnose().ok


@pytest.mark.usefixtures("quick")
def test_a_programmer_without_its_libraries_is_broken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "openFPGALoader"
    program.write_text("#!/bin/sh\necho 'error while loading shared libraries: libftdi1.so.2' >&2; exit 127\n")
    program.chmod(0o755)
    monkeypatch.setattr(doctor, "loader", lambda: str(program))
    check = found("openFPGALoader")
    assert check.state == "broken" and check.remedy.startswith("error while loading shared libraries: libftdi1.so.2. I")
    program.write_text("#!/bin/sh\necho openFPGALoader v1.1.1\n")
    assert (found("openFPGALoader").state, found("openFPGALoader").version) == ("ok", "v1.1.1")


@pytest.mark.usefixtures("quick")
def test_ports_and_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def ports() -> list[Any]:
        one, two = ListPortInfo(str(tmp_path / "ttyA")), ListPortInfo(str(tmp_path / "ttyB"))
        one.description = "a board"
        return [two, one]

    (tmp_path / "ttyA").touch()
    (tmp_path / "cache" / "entry").mkdir(parents=True)
    (tmp_path / "cache" / "entry" / "a").write_bytes(bytes(1000))
    (tmp_path / "cache" / "link").symlink_to("/")
    monkeypatch.setattr(doctor.list_ports, "comports", ports)
    told = diagnose()
    assert [(Path(port.port).name, port.usable) for port in told.ports] == [("ttyA", True), ("ttyB", False)]
    assert told.ports[0].description == "a board"
    assert [(Path(folder.path).name, folder.bytes) for folder in told.folders] == [("cache", 1000), ("yowasp", 0)]
