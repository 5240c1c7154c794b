"""Files and folders appear whole or not at all, and nothing of other people's is touched."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

import pytest
from bitweir.folders import FileError, whole_file, whole_folder

MARK = "plan.json"


class Interrupted(BaseException):
    """As Ctrl-C does, past every `except Exception`."""


def tree(folder: Path) -> dict[str, bytes]:
    """All files below a folder, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refuses(told: str):
    return pytest.raises(FileError, match=f"^{re.escape(told)}$")


# ---- files


def test_a_file_is_written_and_replaced(tmp_path):
    path = tmp_path / "new" / "folder" / "file"
    whole_file(path, b"one")
    whole_file(path, b"two")
    assert tree(tmp_path) == {"new/folder/file": b"two"}


def test_a_file_gets_the_usual_rights(tmp_path):
    whole_file(tmp_path / "file", b"")
    (tmp_path / "usual").touch()
    assert stat.S_IMODE((tmp_path / "file").stat().st_mode) == stat.S_IMODE((tmp_path / "usual").stat().st_mode)


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    whole_file(path, b"old")

    def interrupt(*_):
        raise Interrupted

    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(Interrupted):
        whole_file(path, b"new")
    assert tree(tmp_path) == {"file": b"old"}


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    whole_file(path, b"old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with refuses(f"Cannot write '{path}': No space left on device."):
        whole_file(path, b"new")
    assert tree(tmp_path) == {"file": b"old"}


def test_a_folder_is_no_place_for_a_file(tmp_path):
    (tmp_path / "folder").mkdir()
    with refuses(f"Cannot write '{tmp_path / 'folder'}': Is a directory."):
        whole_file(tmp_path / "folder", b"")
    assert tree(tmp_path) == {}


# ---- folders


def build(path: Path, **files: str) -> None:
    with whole_folder(path, mark=MARK) as new:
        (new / MARK).touch()
        for name, text in files.items():
            (new / name).write_text(text)


def test_a_folder_is_written_and_replaced_as_a_whole(tmp_path):
    path = tmp_path / "deep" / "build"
    build(path, a="1", b="2")
    build(path, a="3")
    assert tree(tmp_path) == {"deep/build/a": b"3", "deep/build/plan.json": b""}


def test_a_folder_gets_the_usual_rights(tmp_path):
    # Folders for temporary files are closed to others.
    build(tmp_path / "build")
    (tmp_path / "usual").mkdir()
    assert (tmp_path / "build").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / "build").mkdir()
    build(tmp_path / "build", a="1")
    assert tree(tmp_path) == {"build/a": b"1", "build/plan.json": b""}


@pytest.mark.parametrize("error", [ValueError, Interrupted])
def test_an_error_inside_leaves_nothing_behind(tmp_path, error):
    with pytest.raises(error), whole_folder(tmp_path / "build", mark=MARK) as new:
        (new / MARK).touch()
        raise error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [ValueError, Interrupted])
def test_an_error_inside_leaves_the_old_folder(tmp_path, error):
    build(tmp_path / "build", a="1")
    before = tree(tmp_path)
    with pytest.raises(error), whole_folder(tmp_path / "build", mark=MARK) as new:
        (new / "a").write_text("2")
        raise error
    assert tree(tmp_path) == before


def test_an_error_at_the_last_step_puts_the_old_folder_back(tmp_path, monkeypatch):
    build(tmp_path / "build", a="1")
    before = tree(tmp_path)
    rename = Path.rename

    def failing(self, target):
        if self.name == "new":
            raise OSError(5, "Input/output error")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", failing)
    with refuses(f"Cannot write '{tmp_path / 'build'}': Input/output error."):
        build(tmp_path / "build", a="2")
    assert tree(tmp_path) == before


@pytest.mark.parametrize("other", ["file", "folder"])
def test_what_is_not_ours_is_refused(tmp_path, other):
    path = tmp_path / "thesis"
    if other == "file":
        path.write_text("chapter 1")
    else:
        path.mkdir()
        (path / "chapter1").write_text("chapter 1")
    before = tree(tmp_path)
    with refuses(f"'{path}' exists and was not made by bitweir: name another folder, or remove it."):
        build(path)
    assert tree(tmp_path) == before


def test_a_folder_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with refuses(f"Cannot write '{tmp_path / 'file' / 'build'}': File exists."):
        build(tmp_path / "file" / "build")
    assert tree(tmp_path) == {"file": b"x"}


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_folder_that_may_not_be_written_is_told(tmp_path):
    tmp_path.chmod(0o500)
    with refuses(f"Cannot write '{tmp_path / 'build'}': Permission denied."):
        build(tmp_path / "build")
    with refuses(f"Cannot write '{tmp_path / 'file'}': Permission denied."):
        whole_file(tmp_path / "file", b"")


def test_the_working_folder_may_be_the_target(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    build(Path("../here"), a="1")
    assert tree(tmp_path) == {"here/a": b"1", "here/plan.json": b""}
