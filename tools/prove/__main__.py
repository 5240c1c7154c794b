"""Proves what `registry.CLAIMS` says: ``python -m tools.prove [--only WORD] [--quick | --all] [--write]``.

tests/ must be on the path. Prints a line for each claim, and ends with 1 if a run that must prove does not, or a
planted fault is not refuted.
"""

from __future__ import annotations

import argparse
import sys

from .run import Result, results
from .table import row, seconds, write

HEAD = ("claim", "parameters", "method", "tool", "CPU s", "result")


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(prog="python -m tools.prove", description="prove what is claimed of gateware")
    parser.add_argument("--only", default="", metavar="WORD", help="claims whose names have this word")
    extent = parser.add_mutually_exclusive_group()
    extent.add_argument("--quick", action="store_true", help="few parameters of each claim")
    extent.add_argument("--all", action="store_true", help="many parameters, which take long")
    parser.add_argument("--jobs", type=int, default=2, metavar="N", help="runs at once; 2 by default")
    parser.add_argument("--write", action="store_true", help="write the table of docs/proofs.md")
    given = parser.parse_args()
    wrong = list[Result]()
    print(" | ".join(HEAD), flush=True)
    for claim, found in results(only=given.only, quick=given.quick, thorough=given.all, jobs=given.jobs):
        print(row(claim, found), flush=True)
        wrong += [result for result in found if not result.right]
        if given.write:
            write({claim.name: seconds(found)})
    for result in wrong:
        print(f"\n{result.claim}, {result.case}: {result.verdict.status} {result.verdict.told}")
        if result.verdict.trace is not None:
            print(result.verdict.trace.table())
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
