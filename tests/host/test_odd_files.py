"""Files that are odd: a sentence and an exit code, whatever is in them."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from bitweir.cli import main
from bitweir.design import write_design
from bitweir.folders import FileError, streamed_file
from bitweir.runs import device
from bitweir_hw.plan import Folding, Plan
from bitweir_sim.compiler import compiler_command, compiler_missing
from click.testing import CliRunner
from support.samples import dense_network

PLAN = Plan(foldings=(Folding(pe=2, simd=8), Folding(pe=3, simd=4)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_design(dense_network(16, 4, 3), PLAN, tmp_path_factory.mktemp("odd") / "build").folder


def fails(code, told, *words):
    done = CliRunner().invoke(main, [str(word) for word in words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (code, f"bitweir: {told}")


def golden(folder, path, *words, code=0):
    done = CliRunner().invoke(main, ["simulate", str(folder), "--images", str(path), "--engine", "golden", *words])
    assert done.exit_code == code, done.output
    return done


# ---- images


def test_members_that_are_no_arrays(folder, tmp_path):
    path = tmp_path / "i.npz"
    np.savez(path, codes=np.zeros((3, 16), np.int8))
    with zipfile.ZipFile(path, "a") as file:
        file.writestr("README.txt", "hello")
    golden(folder, path)
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("x", "no array")
    done = golden(folder, path, code=8)
    assert "it has none." in done.stderr


def test_labels_are_counted_although_few_images_are_read(folder, tmp_path):
    path = tmp_path / "i.npz"
    np.savez(path, codes=np.zeros((5, 16), np.int8), y=np.zeros(4, np.int64))
    told = "Image file 'i.npz' must have one integer label y for each of its 5 images, not int64 of shape (4,)."
    fails(8, told, "simulate", folder, "--images", path, "--engine", "golden", "--limit", "2")


def test_a_few_of_many_images(folder, tmp_path):
    """10 GB of pixels, as the header says; only what is asked for is read."""
    header = tmp_path / "header"
    with header.open("wb") as file:
        np.lib.format.write_array_header_1_0(
            file, {"descr": "|i1", "fortran_order": False, "shape": (10**10 // 16, 16)}
        )
    with zipfile.ZipFile(tmp_path / "i.npz", "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("codes.npy", header.read_bytes() + bytes(1 << 16))
    golden(folder, tmp_path / "i.npz", "--limit", "3")
    done = golden(folder, tmp_path / "i.npz", code=8)
    assert "it must unpack to at most 8589934592 bytes, not 10000000000." in done.stderr


# ---- parameters


def test_parameters_that_never_end(folder, monkeypatch, tmp_path):
    monkeypatch.setattr(device, "_MOST_IMAGE_BYTES", 1 << 20)
    told = "is not an image of parameters: it must have at most 1,048,576 bytes."
    fails(7, f"'/dev/zero' {told}", "load", f"sim:{folder}", "/dev/zero")
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["sh", "-c", f"cat /dev/zero > {tmp_path}/pipe"], stderr=subprocess.DEVNULL) as endless:
        fails(7, f"'{tmp_path}/pipe' {told}", "load", f"sim:{folder}", tmp_path / "pipe")
        endless.wait(30)
    fails(7, "'/dev/null' is not an image of parameters: it is empty.", "load", f"sim:{folder}", "/dev/null")


# ---- compilers


STEP = """
from bitweir_hw.errors import ToolError
from bitweir_sim.time.stepping import _library
try:
    _library()
except ToolError as error:
    print(error)
else:
    print("well")
"""


def stepping(compiler: str, cache: Path) -> str:
    environment = {**os.environ, "CXX": compiler, "BITWEIR_CACHE_DIR": str(cache)}
    done = subprocess.run([sys.executable, "-c", STEP], capture_output=True, text=True, env=environment, check=True)
    return done.stdout.strip()


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.mark.skipif(compiler_missing() is not None, reason=str(compiler_missing()))
def test_odd_compilers(tmp_path):
    logs = tmp_path / "cache"

    def of(compiler: object, told: str) -> None:
        found = stepping(str(compiler), logs)
        start, _, end = found.partition(" (logs: ")
        assert (start, end.startswith(f"{logs}/cycles-")) == (told, told != "well")

    of("", "well")
    of("  ", "well")
    of("g++ -O0", "well")
    of("true", "true failed: it made no cycles.so, so it may be no C++ compiler")
    of("false", "false failed: exit code 1")
    of(script(tmp_path / "a", "echo 'error: \\377 bad' >&2; exit 3"), f"{tmp_path}/a failed: error: \ufffd bad")
    of(script(tmp_path / "c", "kill -9 $$"), f"{tmp_path}/c failed: exit code -9")
    made = script(tmp_path / "d", 'while [ "$1" != -o ]; do shift; done; echo text > "$2"')
    found = stepping(str(made), logs)
    assert found == f"{made} made no library that can be loaded: name a C++ compiler in CXX."
    (tmp_path / "no_program").write_text("text")
    (tmp_path / "no_program").chmod(0o755)
    of(tmp_path / "no_program", f"{tmp_path}/no_program cannot be started: Exec format error")


def test_compilers_of_odd_names(monkeypatch):
    for text, command in (("", ["g++"]), (" ", ["g++"]), ("a 'b c'", ["a", "b c"]), ("a 'b", ["a 'b"])):
        monkeypatch.setenv("CXX", text)
        assert compiler_command() == command
    assert compiler_missing() == (
        "Compiled simulation needs a C++ compiler, and a 'b was not found: "
        "install g++ (Debian, Ubuntu: apt install g++), or name another compiler in CXX."
    )


# ---- waveforms


@pytest.mark.skipif(compiler_missing() is not None, reason=str(compiler_missing()))
def test_waveforms_that_cannot_be_written(folder, tmp_path):
    images = tmp_path / "i.npz"
    np.savez(images, codes=np.zeros((3, 16), np.int8))
    words = ("simulate", folder, "--images", images, "--waves")
    (tmp_path / "folder.vcd").mkdir()
    fails(7, f"Cannot write '{tmp_path}/folder.vcd': Is a directory.", *words, tmp_path / "folder.vcd")
    (tmp_path / "full.vcd").symlink_to("/dev/full")
    fails(7, "Cannot write all of the waveform: the disk may be full.", *words, tmp_path / "full.vcd")
    (tmp_path / "null.vcd").symlink_to("/dev/null")
    (tmp_path / "real.vcd").write_text("old")
    (tmp_path / "link.vcd").symlink_to("real.vcd")
    for name in ("null.vcd", "link.vcd"):
        done = CliRunner().invoke(main, [str(word) for word in (*words, tmp_path / name)])
        assert done.exit_code == 0, done.stderr
        assert (tmp_path / name).is_symlink()
    assert "$enddefinitions" in (tmp_path / "real.vcd").read_text()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_file_that_a_tool_writes(tmp_path):
    path = tmp_path / "file"
    with streamed_file(path) as part:
        part.write_text("1")
        assert not path.exists()
    assert path.read_text() == "1"
    # A run that ends in an error leaves what tells why; one that was interrupted, or could not write, what was there.
    for error, content in ((ValueError, "2"), (KeyboardInterrupt, "2"), (FileError, "2")):
        with pytest.raises(error), streamed_file(path) as part:
            part.write_text("2" if error is ValueError else "3")
            raise error
        assert path.read_text() == content
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
