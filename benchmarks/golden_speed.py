"""Speed of the golden model: native kernels and NumPy beside ONNX Runtime, on LFC, CNV and Bi-Real-18.

    python benchmarks/golden_speed.py [--threads 1] [--rounds 25] [--networks lfc,cnv,bireal18]

All ways run in turns in one process, on the same codes, and must give the same scores. A ratio is the median over the
rounds of the quotient of the two times in one round. With one thread, times are those of the processor, so that a
machine that others use changes them little; else those of the clock. ONNX Runtime runs
float32 graphs of the same network on frames that are values in float32 already, the faster of two graphs for LFC; the
engines start from codes. Sums of Bi-Real-18 are too large for float32, so there is no graph of it. `--threads 0` gives
each way all cores. Bi-Real-18 has drawn weights, the others are trained.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--rounds", type=int, default=25, help="runs of each way")
parser.add_argument("--threads", type=int, default=1, help="of each way; 0 for all cores")
parser.add_argument("--networks", default="lfc,cnv,bireal18", help="which ones")

#: A way to compute the scores of a batch.
Way = Callable[[], Any]
#: Frames at a time.
BATCHES = {"lfc": (1, 100, 1000), "cnv": (1, 100), "bireal18": (1, 4)}
#: Seconds that calls are timed for.
_SECONDS = 0.01
REFERENCE, NATIVE, NUMPY = "ONNX Runtime", "native", "NumPy"


def float_graph(network: Any, *, signs: bool) -> bytes:
    """A network of convolutions, pools and dense layers in float32, from values (N, C, H, W) to scores.

    Thresholds are Greater and Where; or, with `signs`, an addition and Sign.
    """
    import numpy as np
    from bitweir_hw.network import Affine, Conv, Pool
    from onnx import TensorProto, checker, helper, numpy_helper

    nodes: list[Any] = []
    constants: list[Any] = []
    stream, flat = "x", network.input.map.pixels == 1

    def node(kind: str, *inputs: Any, **attributes: Any) -> str:
        names = []
        for value in inputs:
            names.append(value if isinstance(value, str) else f"constant{len(constants)}")
            if not isinstance(value, str):
                constants.append(numpy_helper.from_array(np.asarray(value), names[-1]))
        nodes.append(helper.make_node(kind, names, [f"{kind}{len(nodes)}"], **attributes))
        return f"{kind}{len(nodes) - 1}"

    for layer in network.layers:
        if isinstance(layer, Pool):
            stream = node("MaxPool", stream, kernel_shape=layer.kernel, strides=layer.stride)
            continue
        if isinstance(layer, Affine):
            stream = node("Add", node("Mul", stream, layer.scale.astype(np.float32)), layer.offset.astype(np.float32))
            continue
        weights = 2 * layer.weights.astype(np.float32) - 1
        # Half a step below the threshold no sum is 0, whose Sign would be 0.
        limits = None if layer.thresholds is None else layer.thresholds[:, 0].astype(np.float32) - np.float32(0.5)
        if isinstance(layer, Conv):
            stream = node("Conv", stream, np.ascontiguousarray(weights.transpose(0, 3, 1, 2)))
            limits = None if limits is None else limits[:, None, None]
        else:
            if not flat:
                stream, flat = node("Flatten", node("Transpose", stream, perm=(0, 2, 3, 1))), True
            matrix = np.ascontiguousarray(weights.T)
            stream = (
                node("Gemm", stream, matrix, -limits)
                if signs and limits is not None
                else node("MatMul", stream, matrix)
            )
        if limits is not None and signs:
            stream = node("Sign", stream)
        elif limits is not None:
            stream = node("Where", node("Greater", stream, limits), np.float32(1), np.float32(-1))
    rows, columns, channels = network.input.map.shape
    shape = [channels] if network.input.map.pixels == 1 else [channels, rows, columns]
    graph = helper.make_graph(
        nodes,
        network.name,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", *shape])],
        [helper.make_tensor_value_info(stream, TensorProto.FLOAT, ["N", network.classes])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    checker.check_model(model)
    return bytes(model.SerializeToString())


def graphs(name: str, network: Any) -> list[bytes]:
    """The float graphs of a network."""
    if name == "bireal18":
        return []
    return [float_graph(network, signs=signs) for signs in ((True, False) if name == "lfc" else (False,))]


def frames_of(network: Any, codes: Any) -> Any:
    """Codes as ONNX Runtime takes them: values in float32, channels first."""
    import numpy as np

    values = network.input.format.values(codes).astype(np.float32)
    if network.input.map.pixels == 1:
        return values
    return np.ascontiguousarray(values.reshape(len(codes), *network.input.map.shape).transpose(0, 3, 1, 2))


def ways_of(name: str, network: Any, codes: Any, threads: int) -> dict[str, Way]:
    """All ways to compute a batch, checked to agree."""
    import numpy as np
    import onnxruntime
    from bitweir_sim.values import fast, native

    ways: dict[str, Way] = {}
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = threads
    for number, graph in enumerate(graphs(name, network)):
        session = onnxruntime.InferenceSession(graph, settings, providers=["CPUExecutionProvider"])
        frames = frames_of(network, codes)
        ways[f"{REFERENCE} {number}"] = lambda session=session, frames=frames: session.run(None, {"x": frames})[0]
    numpy, kernels = fast.prepare(network), native.prepare(network)
    ways[NUMPY] = lambda: numpy.run(codes).scores
    ways[NATIVE] = lambda: kernels.run(codes, threads=threads or None).scores
    expected = ways[NUMPY]()
    for way, scores in ways.items():
        if not np.array_equal(scores(), expected):
            sys.exit(f"{way} and NumPy differ.")
    return ways


def measured(ways: dict[str, Way], rounds: int, clock: Callable[[], float]) -> dict[str, list[float]]:
    """Seconds of each way in each round; of the graphs of ONNX Runtime, those of the faster one.

    A call before it brings weights back into caches, and short calls are timed in a row.
    """
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, scores in ways.items():
            time.sleep(0.02)  # the threads of the one before spin for a while and would take the cores
            start = clock()
            scores()
            calls = max(1, int(_SECONDS / (clock() - start)))
            start = clock()
            for _ in range(calls):
                scores()
            times[way].append((clock() - start) / calls)
    reference = [times.pop(way) for way in ways if way.startswith(REFERENCE)]
    return ({REFERENCE: min(reference, key=statistics.median)} if reference else {}) | times


def compare(name: str, network: Any, batch: int, options: argparse.Namespace) -> None:
    """Print a line."""
    import numpy as np

    codes = np.random.default_rng(1).integers(0, network.input.format.codes, (batch, network.input.size))
    ways = ways_of(name, network, codes.astype(np.uint8), options.threads)
    times = measured(ways, options.rounds, time.process_time if options.threads == 1 else time.perf_counter)
    speeds = {way: batch / statistics.median(spent) for way, spent in times.items()}

    def ratio(way: str) -> str:
        if way not in times:
            return "-"
        return f"{statistics.median(o / n for o, n in zip(times[way], times[NATIVE], strict=True)):.1f}"

    told = [f"{speeds[way]:,.1f}" if way in speeds else "-" for way in (REFERENCE, NUMPY, NATIVE)]
    latency = f"{statistics.median(times[NATIVE]) * 1e6:,.0f} us"
    print("".join(cell.rjust(14) for cell in (name, str(batch), *told, latency, ratio(REFERENCE), ratio(NUMPY))))


def main() -> None:
    options = parser.parse_args()
    # A type of core that was set for another machine would slow NumPy down.
    os.environ.pop("OPENBLAS_CORETYPE", None)
    if options.threads:
        # Read once, when NumPy is imported; so the imports come after it.
        os.environ["OPENBLAS_NUM_THREADS"] = str(options.threads)
    else:
        os.environ.pop("OPENBLAS_NUM_THREADS", None)
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    from bitweir_sim.values import native
    from support.imagenet import bireal18
    from support.shared_data import DATA, bnn_npz

    files = {"lfc": DATA / "models" / "lfcW1A1_mnist.npz", "cnv": DATA / "models" / "cnvW1A1_cifar10.npz"}
    threads = f"{options.threads} thread(s)" if options.threads else "all cores"
    print(f"{threads}, {native.chosen().name} kernels, medians of {options.rounds} rounds, all scores equal; frames/s")
    head = ("network", "batch", REFERENCE, NUMPY, NATIVE, "batch takes", "x ONNX R.", "x NumPy")
    print("".join(cell.rjust(14) for cell in head))
    for name in options.networks.split(","):
        if name in files and not files[name].is_file():
            sys.exit(f"This benchmark needs the trained network {files[name]}, which is not there.")
        network = bnn_npz(files[name]) if name in files else bireal18(224)
        for batch in BATCHES[name]:
            compare(name, network, batch, options)


if __name__ == "__main__":
    main()
