"""The cache: what is in it counts only if it is whole, and if nobody else could have put it there."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import bitweir_sim.cache as cache_module
import pytest
from bitweir_hw.errors import FileError, ToolError
from bitweir_sim.cache import cached, content_key, kept
from bitweir_sim.simulators.compiled import compiler_missing

needs_compiler = pytest.mark.skipif(compiler_missing() is not None, reason=str(compiler_missing()))


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    monkeypatch.setenv("BITWEIR_CACHE_DIR", str(folder))
    return folder


def fill(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "a").write_bytes(bytes(range(200)))
    (folder / "sub" / "b").write_text("other")


def never(folder: Path) -> None:
    raise AssertionError("built again")


def is_whole(folder: Path) -> bool:
    return (folder / "a").read_bytes() == bytes(range(200)) and (folder / "sub" / "b").read_text() == "other"


def test_an_entry_is_built_once(root):
    folder = cached("key", fill)
    assert folder == root / "key" and is_whole(folder)
    assert cached("key", never) == kept("key") == folder
    assert kept("none") is None
    assert stat.S_IMODE(root.stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["a", "sub/b", "contents.json"])
@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "remove", "grow", "folder"])
def test_a_damaged_entry_is_built_again(name, damage):
    folder = cached("key", fill)
    path = folder / name
    content = path.read_bytes()
    for at in range(0, len(content), max(1, len(content) // 20)):
        path.unlink(missing_ok=True)
        if damage == "flip":
            path.write_bytes(content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :])
        elif damage == "folder":
            path.mkdir()
        elif damage != "remove":
            path.write_bytes({"truncate": content[:at], "empty": b"", "grow": content + b"x"}[damage])
        if name == "contents.json" and damage == "flip" and cache_module._whole(folder):
            # A letter of white space: the list says the same.
            assert json.loads(path.read_text()) == json.loads(content)
        else:
            assert kept("key") is None
        assert cached("key", fill) == folder and is_whole(folder) and kept("key") == folder
        if damage in ("empty", "remove", "folder"):
            break


def test_what_a_killed_build_left_is_cleaned_up(root):
    root.mkdir()
    (root / "key.building").mkdir()
    (root / "key.building" / "half").write_text("half")
    (root / "key.lock").touch()
    folder = cached("key", fill)
    assert is_whole(folder) and not (folder / "half").exists() and not (root / "key.building").exists()


def test_a_build_that_fails_says_where_its_logs_are(root):
    def fail(folder: Path) -> None:
        (folder / "compiler.log").write_text("why")
        raise ToolError("g++ failed: no reason.")

    told = f"g++ failed: no reason (logs: {root}/key.building)."
    with pytest.raises(ToolError, match=f"^{re.escape(told)}$"):
        cached("key", fail)
    assert (root / "key.building" / "compiler.log").read_text() == "why"
    assert is_whole(cached("key", fill)) and not (root / "key.building").exists()


# ---- who else may write


def refused(path: Path, why: str) -> None:
    told = (
        f"The cache '{os.environ['BITWEIR_CACHE_DIR']}' is not used, as '{path}' {why}: "
        "name a folder of your own in BITWEIR_CACHE_DIR."
    )
    for ask in (lambda: cached("key", never), lambda: kept("key")):
        with pytest.raises(FileError, match=f"^{re.escape(told)}$"):
            ask()


@pytest.mark.parametrize("mode", [0o777, 0o1777, 0o707])
def test_a_cache_that_all_can_write_is_not_used(root, mode):
    cached("key", fill)
    root.chmod(mode)
    refused(root, "can be written by other users")
    root.chmod(0o755)
    assert cached("key", never) == root / "key"


def test_a_cache_that_a_group_can_write_is_not_used(root, monkeypatch):
    cached("key", fill)
    root.chmod(0o770)
    os.chown(root, -1, os.getgid())
    monkeypatch.setattr(cache_module, "_own_group", lambda number: False)
    entry = os.stat_result((0o40770, 1, 1, 1, os.getuid(), 4711, 0, 0, 0, 0))
    assert not cache_module._only_owner_writes(entry, may_be_sticky=False)
    monkeypatch.setattr(cache_module, "_own_group", lambda number: number == 4711)
    assert cache_module._only_owner_writes(entry, may_be_sticky=False)


def test_a_parent_that_others_can_write(root, tmp_path, monkeypatch):
    cached("key", fill)
    tmp_path.chmod(0o777)
    refused(tmp_path, "can be written by other users")
    # As /tmp is: others cannot rename what is not theirs.
    tmp_path.chmod(0o1777)
    assert cached("key", never) == root / "key"
    (tmp_path / "link").symlink_to("open")
    (tmp_path / "open").mkdir(mode=0o777)
    (tmp_path / "open").chmod(0o777)
    monkeypatch.setenv("BITWEIR_CACHE_DIR", str(tmp_path / "link"))
    refused(tmp_path / "open", "can be written by other users")


@pytest.mark.skipif(os.getuid() != 0, reason="only the superuser gives folders away")
@pytest.mark.parametrize("level", ["root", "parent", "link"])
def test_a_cache_of_another_user_is_not_used(root, tmp_path, level):
    if level == "link":
        (tmp_path / "real").mkdir(mode=0o700)
        root.symlink_to("real")
    cached("key", fill)
    path = tmp_path if level == "parent" else root
    os.chown(path, 4711, -1, follow_symlinks=level != "link")
    refused(path, "belongs to another user")


def test_users_that_a_container_does_not_know(monkeypatch):
    cache_module._unknown_users.cache_clear()
    read = Path.read_text

    def container(self, *words, **options):
        return "0 1000 1" if str(self) == "/proc/self/uid_map" else read(self, *words, **options)

    monkeypatch.setattr(Path, "read_text", container)
    assert cache_module._unknown_users() == {int(read(Path("/proc/sys/kernel/overflowuid")))}
    assert cache_module._trusted_users(within=True) == {0, os.getuid()}
    cache_module._unknown_users.cache_clear()


# ---- libraries

USE = """
import sys
import numpy as np
from pathlib import Path
from bitweir_sim.time.cycles import steady_state
from bitweir_sim.simulators.compiled import compile_design
from bitweir_hw.lower import lower
from bitweir_hw.plan import Plan, Folding
from bitweir_hw.accelerator import accelerator_rtlil
from support.samples import dense_network

network = dense_network(16, 4, 3)
pipeline = lower(network, Plan(foldings=(Folding(pe=2, simd=8), Folding(pe=3, simd=4))))
print(steady_state(pipeline).interval)
if sys.argv[1] == "time":
    sys.exit()
design = compile_design(accelerator_rtlil(pipeline, name="d"), top="d", optimise=1)
trace = design.run(np.arange(8, dtype=np.uint64).reshape(-1, 1), max_cycles=200)
print(len(trace.o), trace.o.cycles.tolist(), trace.o.payloads.tolist())
"""


#: With the modules that this process finds: the tests' own, too.
USE = f"import sys; sys.path[:] = {sys.path!r}\n{USE}"


def use(what: str) -> tuple[int, str]:
    done = subprocess.run([sys.executable, "-c", USE, what], capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout + done.stderr


def damaged(content: bytes, at: int, kind: int) -> bytes:
    """A byte flipped, a piece of zeros, what is behind cut off: by turns."""
    if kind == 0:
        return content[:at] + bytes([content[at] ^ 0xFF]) + content[at + 1 :]
    if kind == 1:
        return content[:at] + bytes(min(4096, len(content) - at)) + content[at + 4096 :]
    return content[:at]


def check_damaged_libraries(root: Path, what: str, many: int, rebuilt: int) -> None:
    expected = use(what)
    assert expected[0] == 0
    libraries = sorted(root.rglob("*.so"), key=lambda path: path.name)
    assert [path.name for path in libraries] == {"time": ["flow.so"], "all": ["design.so", "flow.so"]}[what]
    draw = random.Random(11)
    whole = {path: path.read_bytes() for path in libraries}
    # All damage is seen; to build again each time would take long.
    copy = root.with_name("copy")
    shutil.copytree(root, copy)
    for number in range(many):
        for path, content in whole.items():
            # Headers matter most.
            at = draw.randrange(4096 if number % 2 else len(content))
            path.write_bytes(damaged(content, at, number % 3))
        assert not any(cache_module._whole(path.parent) for path in libraries)
        if number < rebuilt:
            assert use(what) == expected
            assert all(cache_module._whole(path.parent) for path in libraries)
        shutil.rmtree(root)
        shutil.copytree(copy, root)


@needs_compiler
def test_damaged_libraries_are_built_again(root):
    check_damaged_libraries(root, "time", 60, 2)


@pytest.mark.long
@needs_compiler
def test_many_damaged_libraries_are_built_again(root):
    check_damaged_libraries(root, "all", 60, 30)


@needs_compiler
@pytest.mark.parametrize("number", [0, *(pytest.param(n, marks=pytest.mark.long) for n in range(1, 10))])
def test_killed_builds_do_no_harm(root, number):
    """SIGKILL at a drawn moment of a build; what comes next finds no half of it."""
    draw, what = random.Random(number), "all" if number else "cycles"
    with subprocess.Popen(
        [sys.executable, "-c", USE, what], stdout=subprocess.DEVNULL, start_new_session=True
    ) as killed:
        while not list(root.glob("*.building")):
            assert killed.poll() is None
            time.sleep(0.01)
        time.sleep(draw.random() * (5 if number else 1))
        os.killpg(killed.pid, signal.SIGKILL)
    for path in root.iterdir():
        if path.is_dir() and not path.name.endswith(".building"):
            assert cache_module._whole(path)
    assert use(what)[0] == 0
    assert not list(root.glob("*.building"))


def test_keys_tell_lists_apart():
    keys = {content_key("k", *parts) for parts in (("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""))}
    assert len(keys) == 4
