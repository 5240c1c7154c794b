"""Routes accelerators, fits the delays of the clock's estimate to them, and tells how far off it is for others.

    python -m tools.calibrate_clock [--minutes 25] [--jobs 2] [--chip ulx3s_25f] [--no-route] [--write]

What was routed is kept in `tools/calibrate_clock/routed.json`, and not routed again unless the design or nextpnr is
another. The error of a family is the worst of all designs, each with delays that were fitted to the others; --write
puts delays and errors into the package.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from typing import Any

import numpy as np
from bitweir_hw.cost.speed import Delays, delays
from bitweir_hw.parts import PARTS

from tools.calibrate_clock import FILE, RECORDS
from tools.calibrate_clock.designs import DESIGNS, Routing, available
from tools.calibrate_clock.fit import NAMES, case_of, fit, left_out, predicted
from tools.calibrate_clock.harness import CHIPS, key_of, paths_of, route, text_of

#: Fewer designs of a family tell nothing of its error.
_FEWEST = 3
_LOCK = threading.Lock()

_Record = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--minutes", type=float, default=25.0, help="stop routing after so many")
    parser.add_argument("--jobs", type=int, default=2, help="designs at once")
    parser.add_argument("--chip", choices=sorted(CHIPS), action="append", help="only designs for these")
    parser.add_argument("--no-route", action="store_true", help="fit to what was routed before")
    parser.add_argument("--write", action="store_true", help="put delays and errors into the package")
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one is not None:
        print(json.dumps(_one(DESIGNS[options.one])))
        return
    wanted = [design for design in available() if not options.chip or design.chip in options.chip]
    if not options.no_route:
        _route_all(wanted, minutes=options.minutes, jobs=options.jobs)
    found = _fit_all([record for record in _kept().values() if not options.chip or record["chip"] in options.chip])
    if options.write:
        FILE.write_text(json.dumps(json.loads(FILE.read_text()) | found, indent=1) + "\n")
        print(f"Written: {FILE}")


# ---- routing


def _one(design: Routing) -> _Record:
    """What is kept of a design, routed anew if it is another than the one that was kept."""
    chip, pipeline = CHIPS[design.chip], design.pipeline()
    text = text_of(pipeline)
    key, before = key_of(text, chip), _kept().get(design.name)
    same = before is not None and before["key"] == key
    return {
        "name": design.name,
        "key": key,
        "chip": design.chip,
        "part": chip.part_name,
        "paths": paths_of(pipeline, chip.family),
        "routed": before["routed"] if same else asdict(route(pipeline, text, chip)),
    }


def _route_all(designs: list[Routing], *, minutes: float, jobs: int) -> None:
    """Route what is new, in processes of their own, which end with the time."""
    end = time.monotonic() + 60 * minutes

    def one(design: Routing) -> None:
        left = end - time.monotonic()
        if left < 1:
            print(f"no time      {design.name}", flush=True)
            return
        command = [sys.executable, "-m", "tools.calibrate_clock", "--one", str(DESIGNS.index(design))]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        try:
            told, trouble = process.communicate(timeout=left)
        except subprocess.TimeoutExpired:
            # The tools that it started, too.
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            print(f"no time      {design.name}", flush=True)
            return
        if process.returncode:
            print(f"failed       {design.name}: {trouble.strip().splitlines()[-1:]}", flush=True)
            return
        record: _Record = json.loads(told)
        with _LOCK:
            _keep(record)
        routed = record["routed"]
        print(f"{routed['mhz']:6.1f} MHz   {design.name}, {routed['seconds']:.0f} s", flush=True)

    with ThreadPoolExecutor(jobs) as pool:
        list(pool.map(one, designs))


def _kept() -> dict[str, _Record]:
    """Records, by name."""
    records: list[_Record] = json.loads(RECORDS.read_text()) if RECORDS.exists() else []
    return {record["name"]: record for record in records}


def _keep(record: _Record) -> None:
    kept = _kept() | {record["name"]: record}
    text = ",\n".join(json.dumps(kept[name]) for name in sorted(kept))
    RECORDS.write_text(f"[\n{text}\n]\n")


# ---- the fit


def _fit_all(records: list[_Record]) -> dict[str, Any]:
    """Delays and errors of each kind of FPGA of which there are enough designs."""
    found: dict[str, Any] = {}
    groups = Counter(PARTS[record["part"]].speed for record in records)
    for group, count in groups.items():
        own = [record for record in records if PARTS[record["part"]].speed == group]
        cases = [case_of(record) for record in own]
        before = np.array([getattr(delays(own[0]["part"]), name) for name in NAMES])
        fitted = fit(cases, before)
        errors = left_out(cases, before) if count >= _FEWEST else []
        print(f"\n{group}: {count} designs" + ("" if errors else ", too few to tell an error"))
        for at, (record, case) in enumerate(zip(own, cases, strict=True)):
            routed = record["routed"]
            unseen = f"{errors[at]:+7.1%} unseen" if errors else ""
            place = routed["start"] if routed["start"] == routed["end"] else f"{routed['start']} to {routed['end']}"
            print(
                f"  {case.mhz:6.1f} MHz routed, {predicted(fitted, case):6.1f} fitted, {predicted(before, case):6.1f} "
                f"before {unseen}  {case.name}; longest in {place}"
            )
        told = Delays(**{name: round(float(value), 3) for name, value in zip(NAMES, fitted, strict=True)})
        print("  " + ", ".join(f"{name} {value:g}" for name, value in vars(told).items()))
        if errors:
            sizes = np.abs(errors)
            print(
                f"  error of designs that the fit did not see: median {np.median(sizes):.1%}, worst {sizes.max():.1%}"
            )
            found[group] = {
                "designs": count, "error": round(float(np.ceil(100 * sizes.max()) / 100), 2),
                "median": round(float(np.median(sizes)), 3), "delays": vars(told),
            }  # fmt: skip
    return found


if __name__ == "__main__":
    main()
