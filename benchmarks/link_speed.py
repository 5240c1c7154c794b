"""Frames a second over the simulated UART of a board, beside what the wire can carry.

The device is the whole gateware, compiled, behind a pseudo-terminal; the host is the one for boards of hardware. Time
is that of the simulated clock. The limit is the rate at which the wire carries the bytes of frames and nothing else,
or those of answers, if they are more; packets, their check sums and the time between them are what is lost of it.

    python benchmarks/link_speed.py [--frames 4000]
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from importlib import resources
from pathlib import Path

import numpy as np
from bitweir.client.client import Client
from bitweir.client.linked import LinkedDevice
from bitweir.client.simulated import BoardTransport, SimulatedBoard
from bitweir.design import DesignFolder, write_design
from bitweir.importers import load_model
from bitweir.shipped import NETWORKS
from bitweir_hw.plan import plan_for_fps
from bitweir_sim.values import fast
from bitweir_sim.values.encoding import encode

#: Hz and bits a second: the least cycles a bit may last, and usual ones.
RATES = ((12_000_000, 3_000_000), (25_000_000, 1_000_000))
GOAL = 0.9


def measure(build: DesignFolder, codes: np.ndarray, *, clock: int, baud: int) -> None:
    expected = fast.run(build.network, codes)
    board = SimulatedBoard(build, clock=clock, baud=baud)
    with LinkedDevice(Client(BoardTransport(board))) as device:
        about = device.identity
        answers = {"classes": about.class_bytes, "scores": about.scores_bytes + about.class_bytes}
        for what, ask in (("classes", device.classify), ("scores", device.run)):
            start = board.cycles
            found = ask(codes.astype(np.int64))
            seconds = (board.cycles - start) / clock
            if not np.array_equal(found if what == "classes" else found.scores, getattr(expected, what)):
                sys.exit("The device and golden differ.")
            limit = baud / 10 / max(about.frame_bytes, answers[what])
            share = len(codes) / seconds / limit
            print(
                f"{clock / 1e6:4g} MHz {baud:9,} baud {what:8} {about.frame_bytes:3} bytes a frame, "
                f"{answers[what]:2} back: {len(codes) / seconds:8,.0f} of {limit:8,.0f} frames/s, {share:.1%}"
            )
            if share < GOAL:
                sys.exit(f"The goal is {GOAL:.0%}.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--frames", type=int, default=4000)
    frames = parser.parse_args().frames
    shipped, files = NETWORKS["digits"], resources.files("bitweir.networks")
    with resources.as_file(files / shipped.model) as path:
        network = load_model(path, input_scale=shipped.input_scale)
    with resources.as_file(files / shipped.images) as path, np.load(path) as arrays:
        images = arrays["x"]
    codes = np.resize(encode(network.input, images), (frames, network.input.size))
    with tempfile.TemporaryDirectory(prefix="bitweir-") as folder:
        build = write_design(network, plan_for_fps(network, 20_000, 12e6), Path(folder) / "build")
        for clock, baud in RATES:
            measure(build, codes, clock=clock, baud=baud)


if __name__ == "__main__":
    main()
