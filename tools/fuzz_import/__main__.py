"""Damaged and hostile model files: each must end in a network or in one sentence, in bounded time and memory.

    python -m tools.fuzz_import [--cases 20000] [--seed 0] [--jobs 2] [--only SEED] [--keep FOLDER] [--small]

Real files are changed byte by byte, or as the graphs, archives and groups that they are: operators, attributes,
shapes, tensors, names, cycles, absurd sizes, paths of side files. A graph that still imports is run by the own
executor of the importer on a few frames: a network that finds other classes or codes than the file is a failure,
unless its notes say that sums and thresholds (nearly) tie. Each case runs in a process whose memory is limited and
that is killed when it hangs. Ends with 1 if a case fails; `--only` runs its seed again.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from pathlib import Path

from tools.fuzz_import.cases import CHANGES, Summary, corpus, run_case, run_cases


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=0, help="the first one; each case has the next")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--only", type=int, help="run this seed again, and tell all of it")
    parser.add_argument("--keep", type=Path, help="folder for the files of failures")
    parser.add_argument("--suffix", action="append", choices=sorted(CHANGES), help="only files of this kind")
    parser.add_argument("--small", action="store_true", help="only files that are imported fast")
    options = parser.parse_args()
    files = corpus(small=options.small)
    files = [(path, scale) for path, scale in files if not options.suffix or path.suffix in options.suffix]
    if options.keep is not None:
        options.keep.mkdir(parents=True, exist_ok=True)
    if options.only is not None:
        with tempfile.TemporaryDirectory(prefix="bitweir-fuzz-") as name:
            case = run_case(options.only, files, Path(name))
            if options.keep is not None:
                shutil.copytree(name, options.keep / str(case.seed), symlinks=True, dirs_exist_ok=True)
        print(f"{case.outcome} in {case.seconds:.2f} s\n{case.what}\n{case.detail}")
        return int(case.failed)
    seen = 0
    started = time.perf_counter()

    def told(summary: Summary) -> None:
        nonlocal seen
        total = sum(summary.counts.values())
        if len(summary.failures) > seen:
            seen = len(summary.failures)
            case = summary.failures[-1]
            print(f"\n{case.outcome}: --only {case.seed}\n{case.what}\n{case.detail}", flush=True)
        if total % 500 == 0:
            print(f"{total:,} cases, {dict(summary.counts)}", flush=True)

    seeds = range(options.seed, options.seed + options.cases)
    summary = run_cases(seeds, files, jobs=options.jobs, keep=options.keep, told=told)
    slowest = summary.slowest
    print(f"{sum(summary.counts.values()):,} cases over {len(files)} files in {time.perf_counter() - started:.0f} s")
    print(", ".join(f"{name} {count:,}" for name, count in summary.counts.most_common()))
    if slowest is not None:
        print(f"slowest: {slowest.seconds:.2f} s, --only {slowest.seed}: {slowest.what}")
    print(f"largest process: {summary.megabytes} MB")
    if summary.failures:
        print(f"{len(summary.failures)} failures: {' '.join(f'--only {case.seed}' for case in summary.failures[:20])}")
    return int(bool(summary.failures))


if __name__ == "__main__":
    sys.exit(main())
