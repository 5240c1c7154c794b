"""Plants small faults into gateware, models and link, one at a time, and tells which of them no test notices.

``python -m tools.mutants [--count N] [--only WORD] [--until HH:MM]``: takes N of all mutants, the same ones each time,
and goes on where an earlier run has ended. Ends with 1 if one has survived that `explained.py` does not explain.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict
from itertools import zip_longest
from pathlib import Path

from .explained import why
from .mutate import Mutant, mutants
from .run import Outcome, Tree
from .targets import Target, files_of

ROOT = Path(__file__).parents[2]


def sample(root: Path, only: str) -> Iterator[tuple[Mutant, Target]]:
    """All mutants in the order in which they are taken: of each file one, then of each a second one, and so on."""
    files = {name: target for name, target in files_of(root).items() if only in name}
    drawn = [sorted(mutants(name, (root / name).read_bytes()), key=lambda mutant: mutant.key) for name in files]
    targets = list(files.values())
    for row in zip_longest(*drawn):
        yield from ((mutant, target) for mutant, target in zip(row, targets, strict=True) if mutant is not None)


class Results:
    """What earlier runs found, a line of JSON for each mutant, and what this one adds."""

    def __init__(self, path: Path) -> None:
        self.path = path
        lines = path.read_text().splitlines() if path.is_file() else []
        self.known = {entry["key"]: entry for entry in map(json.loads, lines)}

    def add(self, mutant: Mutant, outcome: Outcome) -> None:
        entry = {"key": mutant.key, "mutant": str(mutant), **asdict(outcome)}
        self.known[mutant.key] = entry
        with self.path.open("a") as file:
            file.write(json.dumps(entry) + "\n")


def run(given: argparse.Namespace) -> list[tuple[Mutant, str]]:
    """Run what is asked for; returns all mutants of the sample that were run so far, each with its status."""
    given.work.mkdir(parents=True, exist_ok=True)
    results, good = Results(given.work / "results.jsonl"), set[str]()
    tree: Tree | None = None
    taken = list(zip(range(given.count), sample(ROOT, given.only), strict=False))
    for number, (mutant, target) in taken:
        known = results.known.get(mutant.key)
        if known and not (given.again and known["status"] == "survived"):
            continue
        if given.until and time.strftime("%H:%M") >= given.until:
            break
        tree = tree or Tree(ROOT, given.work / "tree")
        outcome = tree.mutated(mutant.file, mutant.of((ROOT / mutant.file).read_bytes()), target.tests)
        test = outcome.by
        if outcome.status == "killed" and test not in good:
            # It must pass without the mutant; one that does not pass is no test.
            if "::" in test and (found := tree.run((test,))).status != "survived":
                sys.exit(f"{test} is {found.status} without a mutant, see {tree.place / 'mutants.out'}.")
            good.add(test)
        results.add(mutant, outcome)
        print(f"{number:4} {outcome.seconds:5.1f} s {outcome.status:8} {mutant} {outcome.by}", flush=True)
    return [(mutant, results.known[mutant.key]["status"]) for _, (mutant, _) in taken if mutant.key in results.known]


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tools.mutants", description="which small faults no test notices")
    parser.add_argument("--count", type=int, default=300, metavar="N", help="mutants of the sample; 300 by default")
    parser.add_argument("--only", default="", metavar="WORD", help="files whose paths have this word")
    parser.add_argument("--until", metavar="HH:MM", help="begin no further one from then on, by the local clock")
    parser.add_argument("--again", action="store_true", help="run those again that survived")
    place = Path(tempfile.gettempdir()) / "bitweir-mutants"
    parser.add_argument("--work", type=Path, default=place, metavar="FOLDER", help=f"copy and results; {place}")
    found = run(parser.parse_args())
    lines = {mutant: (ROOT / mutant.file).read_text().splitlines()[mutant.line - 1].strip() for mutant, _ in found}
    survived = [mutant for mutant, status in found if status == "survived"]
    unexplained = [mutant for mutant in survived if not why(mutant, lines[mutant])]
    for mutant in survived:
        print(f"survived: {mutant}\n    {lines[mutant]}\n    {why(mutant, lines[mutant]) or 'not explained'}")
    late = sum(status == "timeout" for _, status in found)
    killed = sum(status == "killed" for _, status in found)
    print(
        f"{len(found)} run, {killed} killed, {late} late, {len(survived)} survived, of which "
        f"{len(survived) - len(unexplained)} are explained."
    )
    return 1 if unexplained else 0


if __name__ == "__main__":
    sys.exit(main())
