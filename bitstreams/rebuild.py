"""Builds the bitstreams in this folder again, and tells whether their bytes are the same.

    python bitstreams/rebuild.py [--check] [BOARD ...]

With --check the files stay as they are, and a difference ends with exit code 1.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from bitweir.bitstreams.bitstream import MANIFEST
from bitweir.bitstreams.program import read_manifest

HERE = Path(__file__).parent
#: That ship.
NETWORKS = ("digits", "cnn")
#: Boards, with how many seeds of nextpnr the best is chosen of: on GW1N, clocks of two were 124 and 185 MHz.
SEEDS = {"icebreaker": 1, "tangnano9k": 2, "ulx3s_85f": 1}
#: What is kept of a build folder, beside the bitstream.
KEPT = (MANIFEST, "plan.json")


def rebuild(network: str, board: str, folder: Path) -> Path:
    """Build into a folder, and return the bitstream."""
    command = [sys.executable, "-c", "from bitweir.cli import main; main()", "build", network, "--board", board]
    done = subprocess.run([*command, "-o", str(folder), "--seeds", str(SEEDS[board])], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{board}/{network}: {done.stderr.strip().splitlines()[-1]}")
    return read_manifest(folder)[1]


def keep(built: Path, bitstream: Path, place: Path) -> None:
    """Put what is kept of a build folder in place of what was there."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for name in (bitstream.name, *KEPT):
        shutil.copy(built / name, place / name)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="leave the files as they are")
    parser.add_argument("boards", nargs="*", metavar="BOARD", help=f"of {', '.join(SEEDS)}")
    options = parser.parse_args()
    if unknown := set(options.boards) - set(SEEDS):
        parser.error(f"BOARD must be one of {', '.join(SEEDS)}, not {', '.join(sorted(unknown))}")
    same = True
    for board in options.boards or SEEDS:
        for network in NETWORKS:
            place = HERE / board / network
            with tempfile.TemporaryDirectory(prefix="bitweir-") as work:
                bitstream = rebuild(network, board, Path(work) / "build")
                known = place / bitstream.name
                equal = known.is_file() and known.read_bytes() == bitstream.read_bytes()
                told = json.loads((Path(work) / "build" / MANIFEST).read_text())
                print(
                    f"{board}/{network}: {'the same bytes' if equal else 'other bytes than before'},",
                    f"{told['clock_mhz']:.4g} MHz of {told['fmax_mhz']:.4g} MHz,",
                    f"{told['accelerator_fps']:,.0f} frames/s",
                    flush=True,
                )
                if not equal and not options.check:
                    keep(Path(work) / "build", bitstream, place)
            same &= equal
    if options.check and not same:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
