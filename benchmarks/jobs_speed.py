"""Speed of `simulate` over processes beside one run, and what pieces cost, on LFC-like dense layers.

    python benchmarks/jobs_speed.py [--images 4000] [--jobs 2] [--rounds 3]

One run of all images, pieces in one process, and pieces in several run in turns on the same compiled design and must
give the same results. A ratio is the median over the rounds of the quotient of the two times in one round. Processes
are started before, as they are kept. On a machine that others use, a second process gains less.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import numpy as np
from bitweir.design import Design
from bitweir.images import as_images
from bitweir.runs import Simulation, simulate
from bitweir_hw.network import BIPOLAR, Dense, Input, Network, check
from bitweir_hw.plan import plan_from_foldings
from bitweir_sim.values.encoding import Codes

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--images", type=int, default=4000)
parser.add_argument("--jobs", type=int, default=2)
parser.add_argument("--rounds", type=int, default=3)


def network(width: int = 256) -> Network:
    rng = np.random.default_rng(1)
    entry = Input(
        shape=(width,), format=BIPOLAR, thresholds=np.array([[0.5]]), source=np.arange(width), map_shape=(1, 1, width)
    )
    hidden = [
        Dense(name=f"dense{n}", weights=weights, thresholds=np.zeros((width, 1), np.int64), output=BIPOLAR)
        for n, weights in enumerate(rng.random((2, width, width)) < 0.5)
    ]
    return check(
        Network(name="mlp", input=entry, layers=(*hidden, Dense(name="last", weights=rng.random((10, width)) < 0.5)))
    )


def main() -> None:
    options = parser.parse_args()
    net = network()
    design = Design(network=net, plan=plan_from_foldings(net, "32x16,32x16,32x1"))
    images = as_images(net, Codes(np.random.default_rng(2).integers(0, 2, (options.images, 256))))
    # Compiles, and starts the processes.
    simulate(design, as_images(net, Codes(images.codes[:8])), jobs=options.jobs)
    ways = {"one run": None, "pieces, 1 process": 1, f"pieces, {options.jobs} processes": options.jobs}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    found: dict[str, Simulation] = {}
    for _ in range(options.rounds):
        for name, jobs in ways.items():
            started = time.perf_counter()
            found[name] = simulate(design, images, jobs=jobs)
            seconds[name].append(time.perf_counter() - started)
    first = found["one run"]
    for name, run in found.items():
        assert run.mismatches == 0 and (run.result.scores == first.result.scores).all()
        cycles = run.simulated_cycles or 0
        ratio = statistics.median(a / b for a, b in zip(seconds["one run"], seconds[name], strict=True))
        print(
            f"{name:24} {min(seconds[name]):7.2f} s  {cycles:,} cycles in {run.pieces} runs  "
            f"{ratio:.2f} times the speed of one run"
        )


if __name__ == "__main__":
    main()
