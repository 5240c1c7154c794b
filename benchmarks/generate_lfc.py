"""LFC (784-1024-1024-1024-10, 2.9 million weights) from its file to Verilog: seconds and memory, beside the limits.

The limits are 60 s and 2 GiB on two cores.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from bitweir.build import write_build
from bitweir_hw.plan import plan_from_foldings
from shared_data import SHARED, bnn_npz

SECONDS, GIB = 60.0, 2.0
FOLDING = "64x32,32x64,64x32,8x16"


def main() -> None:
    path = SHARED / "data/models/lfcW1A1_mnist.npz"
    if not path.is_file():
        sys.exit(f"This benchmark needs {path}.")
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        network = bnn_npz(path)
        build = write_build(network, plan_from_foldings(network, FOLDING), Path(folder) / "lfc")
        seconds = time.perf_counter() - started
        size = build.verilog.stat().st_size
    # Linux counts in KiB. Yosys is a child of its own.
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 2**20
    print(f"LFC to {size:,} bytes of Verilog, folding {FOLDING}")
    print(f"time         {seconds:6.1f} s    {seconds / SECONDS:5.2f} of the limit of {SECONDS:g} s")
    print(f"peak memory  {peak:6.2f} GiB  {peak / GIB:5.2f} of the limit of {GIB:g} GiB (largest process)")


if __name__ == "__main__":
    main()
