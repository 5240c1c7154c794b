"""Drawn tests with many seeds over processes or a Dask cluster: networks, foldings, stalls and mapped netlists.

    python -m tools.drawn_checks TEST... [--seeds 100] [--first 0] [--jobs J] [--scheduler ADDRESS]

A TEST is a file, or one test of it, as pytest takes it: tests/sim/test_accelerator.py draws whole accelerators and
compares every beat, tests/host/synthesis/test_elements.py evaluates mapped netlists. Each runs with each seed of
Hypothesis, and draws with it what `make test` does not. Runs that passed are kept in the cache by the content of the
checkout: repeat a command that was interrupted, and it goes on. The failure with the lowest seed is told, whichever run
ended first, with the command that repeats it. Workers of a cluster need the same checkout. Ends with 1 if a run fails.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import bitweir
from bitweir.jobs import Report, run, sources, workers
from bitweir_hw.errors import BitweirError
from bitweir_sim.cache import cached, content_key, kept

#: The end of the output of a run that failed.
_MOST_LINES = 60


@dataclass(frozen=True)
class Check:
    """A test with a seed."""

    test: str
    seed: int

    @property
    def words(self) -> list[str]:
        """Its command, behind the interpreter."""
        return ["-m", "pytest", "-q", "-x", "--hypothesis-profile=search", f"--hypothesis-seed={self.seed}", self.test]


def checkout() -> Path:
    """The folder with sources and tests from which bitweir is installed."""
    return Path(bitweir.__file__).parents[2]


def tests() -> str:
    """A hash of all tests."""
    total = hashlib.sha256()
    for file in sorted((checkout() / "tests").rglob("*.py")):
        total.update(file.name.encode() + hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


def attempt(expected: str, report: Report, check: Check) -> str:
    """Run a test in a worker: empty if it passes, and else what it printed last."""
    if tests() != expected:
        return "This worker has other tests: it needs the same checkout."
    with tempfile.TemporaryDirectory(prefix="bitweir-") as folder:
        # Where Hypothesis kept failures of other seeds, it would begin with these.
        settings = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "HYPOTHESIS_STORAGE_DIRECTORY": folder}
        words = [sys.executable, *check.words, "-p", "no:cacheprovider"]
        done = subprocess.run(words, cwd=checkout(), env=settings, capture_output=True, text=True)
    return "\n".join((done.stdout + done.stderr).splitlines()[-_MOST_LINES:]) if done.returncode else ""


def run_checks(checks: list[Check]) -> dict[Check, str]:
    """Run what is not kept, and tell how far it is; what failed, and its output."""
    keys = {check: content_key("drawn", sources(), tests(), check.test, str(check.seed)) for check in checks}
    missing = [check for check in checks if kept(keys[check]) is None]
    started, failed = time.monotonic(), dict[Check, str]()
    print(f"{len(checks):,} runs, of which {len(checks) - len(missing):,} have passed before", flush=True)
    with closing(run(attempt, tests(), [(check,) for check in missing])) as found:
        for done, (number, output) in enumerate(found, 1):
            if output:
                failed[missing[number]] = output
            else:
                cached(keys[missing[number]], lambda folder: (folder / "passed").touch())
            seconds = time.monotonic() - started
            print(f"{done:,} of {len(missing):,} runs in {seconds:.0f} s, {len(failed):,} failed", flush=True)
    return failed


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tests", nargs="+", metavar="TEST")
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--first", type=int, default=0, help="seed")
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--scheduler")
    options = parser.parse_args()
    seeds = range(options.first, options.first + options.seeds)
    try:
        with workers(options.jobs, options.scheduler):
            failed = run_checks([Check(test, seed) for seed in seeds for test in options.tests])
    except BitweirError as error:
        print(f"{error}", file=sys.stderr)
        return error.exit_code
    if failed:
        first = min(failed, key=lambda check: (check.seed, options.tests.index(check.test)))
        print(f"{len(failed):,} runs failed, the first: python {' '.join(first.words)}\n{failed[first]}")
    return int(bool(failed))


if __name__ == "__main__":
    sys.exit(main())
