"""Large networks from their files to Verilog: seconds and memory, beside the limits.

LFC is 784-1024-1024-1024-10 with 2.9 million weights, CNV six convolutions and three dense layers with 1.5
million. The limits are 60 s and 2 GiB on two cores.
"""

from __future__ import annotations

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from bitweir.design import write_design
from bitweir_hw.plan import plan_from_foldings
from bitweir_sim.time.sizing import fit_depths
from support.shared_data import DATA, bnn_npz

SECONDS, GIB = 60.0, 2.0
#: The foldings of BNN-PYNQ's overlays.
NETWORKS = {
    "lfcW1A1_mnist": "64x32,32x64,64x32,8x16",
    "cnvW1A1_cifar10": "3x16,32x32,32x16,32x16,32x4,32x1,4x1,8x1,1x4",
}


def measure(name: str) -> None:
    path = DATA / f"models/{name}.npz"
    if not path.is_file():
        sys.exit(f"This benchmark needs {path}.")
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        network = bnn_npz(path)
        plan = fit_depths(network, plan_from_foldings(network, NETWORKS[name]))
        build = write_design(network, plan, Path(folder) / "build")
        seconds = time.perf_counter() - started
        size = build.verilog.stat().st_size
    # Linux counts in KiB. Yosys is a child of its own.
    peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) / 2**20
    print(f"{name} to {size:,} bytes of Verilog, folding {NETWORKS[name]}")
    print(f"time         {seconds:6.1f} s    {seconds / SECONDS:5.2f} of the limit of {SECONDS:g} s")
    print(f"peak memory  {peak:6.2f} GiB  {peak / GIB:5.2f} of the limit of {GIB:g} GiB (largest process)")


def main() -> None:
    if len(sys.argv) > 1:
        measure(sys.argv[1])
        return
    # A process each, as memory is that of the largest one so far.
    for name in NETWORKS:
        subprocess.run([sys.executable, __file__, name], check=True)


if __name__ == "__main__":
    main()
