"""Files and folders appear whole or not at all, and nothing of other people's is touched."""

from __future__ import annotations

import hashlib
import json
import os
import re
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from bitweir import folders
from bitweir.folders import FileError, added_file, whole_file, whole_folder
from bitweir.manifest import MANIFEST, try_lock


class Interrupted(BaseException):
    """As Ctrl-C does, past every `except Exception`."""


def tree(folder: Path) -> dict[str, bytes]:
    """All files below a folder, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def listing(**files: str) -> bytes:
    """The manifest of a folder of some files."""
    hashes = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in sorted(files.items())}
    return (json.dumps({"format": "bitweir folder", "version": 1, "files": hashes}, indent=1) + "\n").encode()


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
    with whole_folder(path) as new:
        for name, text in files.items():
            (new / name).write_text(text)


def test_a_folder_is_written_and_replaced_as_a_whole(tmp_path):
    path = tmp_path / "deep" / "build"
    build(path, a="1", b="2")
    build(path, a="3")
    assert tree(tmp_path) == {"deep/build/a": b"3", f"deep/build/{MANIFEST}": listing(a="3")}


def test_a_folder_gets_the_usual_rights(tmp_path):
    # Folders for temporary files are closed to others.
    build(tmp_path / "build")
    (tmp_path / "usual").mkdir()
    assert (tmp_path / "build").stat().st_mode == (tmp_path / "usual").stat().st_mode


def test_an_empty_folder_is_taken(tmp_path):
    (tmp_path / "build").mkdir()
    build(tmp_path / "build", a="1")
    assert tree(tmp_path) == {"build/a": b"1", f"build/{MANIFEST}": listing(a="1")}


@pytest.mark.parametrize("error", [ValueError, Interrupted])
def test_an_error_inside_leaves_nothing_behind(tmp_path, error):
    with pytest.raises(error), whole_folder(tmp_path / "build") as new:
        (new / "a").touch()
        raise error
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("error", [ValueError, Interrupted])
def test_an_error_inside_leaves_the_old_folder(tmp_path, error):
    build(tmp_path / "build", a="1")
    before = tree(tmp_path)
    with pytest.raises(error), whole_folder(tmp_path / "build") as new:
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
    told = {
        "file": "exists and is not a folder: choose another name.",
        "folder": "was not made by bitweir, or by a version that wrote no bitweir-manifest.json: name another folder, "
        "an empty one or one that is not there yet.",
    }
    with refuses(f"'{path}' {told[other]}"):
        build(path)
    assert tree(tmp_path) == before


def test_a_folder_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("x")
    with refuses(f"Cannot write '{tmp_path / 'file' / 'build'}': '{tmp_path / 'file'}' is not a folder."):
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
    assert tree(tmp_path) == {"here/a": b"1", f"here/{MANIFEST}": listing(a="1")}


# ---- what is bitweir's, and what is not


def test_a_repository_around_a_plan_stays(tmp_path):
    # Any folder with a file of this name was once taken for one of bitweir's.
    for name in ("plan.json", "explore.json", "sources/main.c", ".git/HEAD"):
        whole_file(tmp_path / "work" / name, b"mine")
    before = tree(tmp_path)
    told = f"'{tmp_path}/work' was not made by bitweir, or by a version that wrote no {MANIFEST}: "
    with refuses(told + "name another folder, an empty one or one that is not there yet."):
        build(tmp_path / "work", a="1")
    assert tree(tmp_path) == before


def add_file(folder):
    (folder / "notes.txt").write_text("mine")


def add_repository(folder):
    whole_file(folder / ".git" / "HEAD", b"mine")


def add_folder(folder):
    (folder / "results").mkdir()


def edit(folder):
    (folder / "a").write_text("changed")


def add_link(folder):
    (folder / "link").symlink_to("nowhere")


def link_in_place(folder):
    (folder / "a").rename(folder.parent / "elsewhere")
    (folder / "a").symlink_to(folder.parent / "elsewhere")


def link_folder(folder):
    (folder.parent / "target").mkdir()
    (folder / "linked").symlink_to(folder.parent / "target")


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (add_file, "notes.txt"),
        (add_repository, ".git/HEAD"),
        (add_folder, "results"),
        (edit, "a"),
        (add_link, "link"),
        (link_in_place, "a"),
        (link_folder, "linked"),
    ],
)
def test_what_people_put_into_a_folder_stops_the_command(tmp_path, change, name):
    path = tmp_path / "build"
    build(path, a="1")
    change(path)
    before = tree(tmp_path)
    told = (
        f"'{path}' holds files that bitweir did not write, or that were changed since, and would lose them: '{name}'. "
        "Move them elsewhere, or name another folder."
    )
    with refuses(told), whole_folder(path):
        raise AssertionError("must be told before anything takes time")
    assert tree(tmp_path) == before


def test_many_foreign_files_are_counted(tmp_path):
    build(tmp_path / "build", a="1")
    for number in range(8):
        (tmp_path / "build" / f"x{number}").touch()
    told = (
        f"'{tmp_path}/build' holds files that bitweir did not write, or that were changed since, and would lose them: "
        "'x0', 'x1', 'x2', 'x3', 'x4' and 3 more. Move them elsewhere, or name another folder."
    )
    with refuses(told):
        build(tmp_path / "build", a="2")


def test_what_comes_while_a_folder_is_made_is_not_lost(tmp_path):
    path = tmp_path / "build"
    build(path, a="1")
    told = (
        f"'{path}' holds files that bitweir did not write, or that were changed since, and would lose them: 'late'. "
        "Move them elsewhere, or name another folder."
    )
    with refuses(told), whole_folder(path):
        (path / "late").write_text("mine")
    assert tree(tmp_path) == {"build/a": b"1", "build/late": b"mine", f"build/{MANIFEST}": listing(a="1")}


@pytest.mark.parametrize(
    "content",
    [b"", b"\xff\xfe", b"[]", b"{}", b"[" * 100_000, b'{"format": "bitweir folder", "version": 1, "files": {"a": 1}}'],
)
def test_a_damaged_list_is_none(tmp_path, content):
    build(tmp_path / "build", a="1")
    (tmp_path / "build" / MANIFEST).write_bytes(content)
    before = tree(tmp_path)
    with pytest.raises(FileError, match="was not made by bitweir, or by a version that wrote no"):
        build(tmp_path / "build", a="2")
    assert tree(tmp_path) == before


def test_files_that_are_added_are_bitweirs_until_they_are_edited(tmp_path):
    path = tmp_path / "build"
    build(path, a="1")
    added_file(path / "report.html", b"2")
    assert tree(path) == {"a": b"1", "report.html": b"2", MANIFEST: listing(**{"a": "1", "report.html": "2"})}
    build(path, a="3")
    assert tree(path) == {"a": b"3", MANIFEST: listing(a="3")}
    # What `whole_file` writes is a result that somebody asked for.
    whole_file(path / "found.npz", b"4")
    with pytest.raises(FileError, match=r"would lose them: 'found\.npz'\. Move them elsewhere"):
        build(path, a="5")


def test_added_files_need_no_list(tmp_path):
    added_file(tmp_path / "report.html", b"1")
    assert tree(tmp_path) == {"report.html": b"1"}


def test_a_link_to_a_folder_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    build(tmp_path / "link", a="1")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "real" / "a").read_text() == "1"
    (tmp_path / "dangling").symlink_to("later")
    build(tmp_path / "dangling", a="2")
    assert (tmp_path / "dangling").is_symlink() and (tmp_path / "later" / "a").read_text() == "2"
    build(tmp_path / "real" / ".." / "real", a="3")
    assert (tmp_path / "link" / "a").read_text() == "3"


def test_links_in_a_circle_are_told(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with refuses(f"'{tmp_path}/a' exists and is not a folder: choose another name."):
        build(tmp_path / "a")


@pytest.mark.parametrize("path", ["/", "/dev", "/dev/null", str(Path.home()), "/proc/self/cwd/../.."])
def test_folders_of_the_system_are_left_alone(path):
    with pytest.raises(FileError), whole_folder(Path(path)):
        raise AssertionError("must be told before anything is written")


def test_two_commands_at_once(tmp_path):
    """The last one wins; each sees what it needs."""
    path = tmp_path / "build"

    def make(name: str) -> None:
        for _ in range(10):
            build(path, **{name: name})

    threads = [threading.Thread(target=make, args=(name,)) for name in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(tree(tmp_path)) in ({f"build/{name}", f"build/{MANIFEST}"} for name in "ab")


def test_nothing_moves_while_it_is_looked_at(tmp_path, monkeypatch):
    """Two commands at once move the folder away for a moment, under a lock that all hold who look at it."""
    looked = []

    def under_the_lock(name):
        look = getattr(folders, name)

        def checked(*arguments):
            with try_lock(tmp_path) as free:
                looked.append((name, free))
            return look(*arguments)

        monkeypatch.setattr(folders, name, checked)

    names = ("_clean_up", "_check_replaceable", "_take_place", "_discard")
    for name in names:
        under_the_lock(name)
    for content in "ab":
        build(tmp_path / "build", file=content)
    assert set(looked) == {(name, False) for name in names}
    assert tree(tmp_path / "build")["file"] == b"b"


# ---- what was killed

MAKE = """
import sys, time
from pathlib import Path
from bitweir.folders import whole_folder
place = Path(sys.argv[1])
with whole_folder(place) as new:
    (new / "a").write_text("2")
    if sys.argv[2] == "inside":
        print("now", flush=True)
        time.sleep(60)
    rename = Path.rename
    def slow(self, target):
        if self.name == "new":
            print("now", flush=True)
            time.sleep(60)
        return rename(self, target)
    Path.rename = slow
"""


@pytest.mark.parametrize("moment", ["inside", "swap"])
def test_what_a_killed_command_left_is_cleaned_up(tmp_path, moment):
    path = tmp_path / "build"
    build(path, a="1")
    with subprocess.Popen([sys.executable, "-c", MAKE, path, moment], stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout and killed.stdout.readline() == "now\n"
        # While it lives, what it made is not touched: not even where the folder is away for a moment.
        left = [entry for entry in tmp_path.iterdir() if entry != path]
        assert len(left) == 1 and path.exists() == (moment == "inside")
        if moment == "inside":
            build(tmp_path / "other", a="1")
        killed.send_signal(signal.SIGKILL)
    assert left[0].is_dir()
    build(tmp_path / "other", a="1")
    with pytest.raises(Interrupted), whole_folder(path):
        assert [entry.name for entry in sorted(tmp_path.iterdir()) if not entry.name.startswith(".")] == [
            "build", "other"
        ]  # fmt: skip
        assert tree(path)["a"] == b"1" and not left[0].exists()
        raise Interrupted
    build(path, a="3")
    assert set(tree(tmp_path)) == {f"{name}/{file}" for name in ("build", "other") for file in ("a", MANIFEST)}
    assert tree(path)["a"] == b"3"


def test_a_part_of_a_file_that_was_cut_off_is_bitweirs(tmp_path):
    build(tmp_path / "build", a="1")
    (tmp_path / "build" / ".report.html.abcdefgh.bitweir-part").write_text("half")
    build(tmp_path / "build", a="2")
    assert tree(tmp_path / "build") == {"a": b"2", MANIFEST: listing(a="2")}


# ---- devices and links as files


def test_a_device_is_written_to_and_stays(tmp_path):
    whole_file(Path("/dev/null"), b"gone")
    assert stat.S_ISCHR(Path("/dev/null").stat().st_mode)
    with refuses("Cannot write '/dev/full': No space left on device."):
        whole_file(Path("/dev/full"), b"too much")
    assert stat.S_ISCHR(Path("/dev/full").stat().st_mode)


def test_a_pipe_is_written_to_and_stays(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    found = []
    reader = threading.Thread(target=lambda: found.append((tmp_path / "pipe").read_bytes()))
    reader.start()
    whole_file(tmp_path / "pipe", b"content")
    reader.join()
    assert found == [b"content"] and stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_standard_output_by_its_name(tmp_path):
    program = "from pathlib import Path; from bitweir.folders import *; whole_file(Path('/dev/stdout'), b'content')"
    assert subprocess.run([sys.executable, "-c", program], stdout=subprocess.PIPE, check=True).stdout == b"content"
    with (tmp_path / "file").open("wb") as file:
        subprocess.run([sys.executable, "-c", program], stdout=file, check=True)
    assert (tmp_path / "file").read_bytes() == b"content"


def test_a_link_to_a_file_stays_a_link(tmp_path):
    (tmp_path / "file").write_text("old")
    (tmp_path / "link").symlink_to("file")
    whole_file(tmp_path / "link", b"new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "file").read_text() == "new"
    (tmp_path / "dangling").symlink_to("later")
    whole_file(tmp_path / "dangling", b"new")
    assert (tmp_path / "dangling").is_symlink() and (tmp_path / "later").read_text() == "new"


def test_the_rights_of_a_file_stay(tmp_path):
    (tmp_path / "secret").touch(mode=0o600)
    whole_file(tmp_path / "secret", b"new")
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


def test_the_longest_name(tmp_path):
    whole_file(tmp_path / ("x" * 255), b"1")
    assert tree(tmp_path) == {"x" * 255: b"1"}
    with refuses(f"Cannot write '{tmp_path / ('x' * 256)}': File name too long."):
        whole_file(tmp_path / ("x" * 256), b"1")


@pytest.mark.parametrize("name", ["plan.json", "net.v", "network.npz", "README.md", MANIFEST])
def test_no_page_takes_the_place_of_a_part(tmp_path, name):
    folder = tmp_path / "build"
    with whole_folder(folder) as new:
        for part in ("plan.json", "net.v", "network.npz", "README.md", "report.html"):
            (new / part).write_text("part")
    before = (folder / name).read_bytes()
    (tmp_path / "link").symlink_to(folder / name)
    for path in (folder / name, tmp_path / "link"):
        with pytest.raises(FileError) as error:
            added_file(path, b"<html>")
        assert (
            str(error.value) == f"{str(folder / name)!r} is a part of a folder that bitweir wrote: choose another name."
        )
    assert (folder / name).read_bytes() == before
    for page in ("report.html", "other.html", "results.npz"):
        added_file(folder / page, b"<html>")
        assert (folder / page).read_bytes() == b"<html>"
