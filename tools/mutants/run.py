"""Runs tests against mutants, each in a process of its own and in a copy of the tree."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import Phase, is_hypothesis_test, settings

__all__ = ["Outcome", "Tree"]

# What tests import from elsewhere is imported once, before the children; bitweir only in these, as it is mutated.
for _name in ("amaranth.back.verilog", "amaranth.sim", "hypothesis.extra.numpy", "numpy", "msgspec", "onnx", "serial"):
    import_module(_name)

_ROOTS = ("tests", ".", "host", "sim", "hw")
#: CPU seconds that a mutant has, where tests take up to 20 without one.
_LIMIT = 60
#: Seconds by the clock for each second of CPU: the machine may be busy, and a test may wait for ever.
_SLOWER = 15
_OUT = "mutants.log"


@dataclass(frozen=True)
class Outcome:
    """What tests said.

    Parameters
    ----------
    status : str
        ``"survived"``, ``"killed"`` by a test or an error, ``"timeout"``.
    by : str
        The test, or else why.
    seconds : float
        CPU seconds.
    """

    status: str
    by: str
    seconds: float


class _Quick:
    """A plugin: names the first test that fails, and lets Hypothesis shrink nothing."""

    def __init__(self, place: Path) -> None:
        self.place = place

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for test in {item.obj: None for item in items if is_hypothesis_test(getattr(item, "obj", None))}:
            asked = getattr(test, "_hypothesis_internal_use_settings", settings.default)
            test._hypothesis_internal_use_settings = settings(asked, phases=(Phase.explicit, Phase.generate))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.place.write_text(report.nodeid)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.place.write_text(f"{report.nodeid} (import)")


class Tree:
    """A copy of the repository, in which one file at a time is mutated.

    Parameters
    ----------
    root : Path
        The repository; nothing in it is changed.
    place : Path
        Where the copy goes, in place of an older one.
    """

    def __init__(self, root: Path, place: Path) -> None:
        self.place = place
        shutil.rmtree(place, ignore_errors=True)
        listed = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=root, check=True, capture_output=True
        )
        for name in filter(None, listed.stdout.decode().split("\0")):
            if (root / name).is_file():
                (place / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(root / name, place / name)

    def run(self, tests: tuple[str, ...], *, writes: bool = True) -> Outcome:
        """Run tests on the tree as it is; `writes` is whether compiled modules are kept."""
        by = self.place / _OUT
        by.unlink(missing_ok=True)
        began = time.monotonic()
        child = os.fork()
        if not child:
            self._child(tests, writes)
        status, used = self._wait(child, began + _SLOWER * _LIMIT)
        by_text = by.read_text() if by.is_file() else ""
        if status is None or (os.WIFSIGNALED(status) and os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL)):
            return Outcome("timeout", "", used)
        if os.WIFSIGNALED(status):
            return Outcome("killed", f"signal {os.WTERMSIG(status)}", used)
        code = os.WEXITSTATUS(status)
        if code in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED):
            return Outcome("killed" if code else "survived", by_text, used)
        return Outcome("killed", by_text or f"pytest ended with {code}", used)

    def mutated(self, file: str, text: bytes, tests: tuple[str, ...]) -> Outcome:
        """Run tests with another text of a file."""
        path = self.place / file
        kept = path.read_bytes()
        try:
            path.write_bytes(text)
            # It tells changes by whole seconds and the size.
            for compiled in path.parent.glob(f"__pycache__/{path.stem}.*.pyc"):
                compiled.unlink()
            return self.run(tests, writes=False)
        finally:
            path.write_bytes(kept)

    def _child(self, tests: tuple[str, ...], writes: bool) -> None:
        """Never returns."""
        code = 99
        try:
            os.setsid()
            with (self.place / "mutants.out").open("wb") as out:
                os.dup2(out.fileno(), 1)
                os.dup2(out.fileno(), 2)
            resource.setrlimit(resource.RLIMIT_CPU, (_LIMIT, _LIMIT + 1))
            sys.dont_write_bytecode = not writes
            os.chdir(self.place)
            roots = [str(self.place / name) for name in _ROOTS]
            sys.path[:0] = roots
            os.environ |= {
                "PYTHONPATH": os.pathsep.join(roots), "BITWEIR_CACHE_DIR": str(self.place / ".cache"),
                "OPENBLAS_NUM_THREADS": "1",
            }  # fmt: skip
            words = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "--tb=short", *tests]
            code = pytest.main(words, plugins=[_Quick(self.place / _OUT)])
        finally:
            os._exit(code)

    @staticmethod
    def _wait(child: int, until: float) -> tuple[int | None, float]:
        """The status of a child, None if it was ended as too late; and its CPU seconds."""
        late = False
        while True:
            found, status, used = os.wait4(child, os.WNOHANG if not late else 0)
            if found:
                return None if late else status, used.ru_utime + used.ru_stime
            if time.monotonic() > until and not late:
                os.killpg(child, signal.SIGKILL)
                late = True
            time.sleep(0.02)
