"""Speed of the golden model beside ONNX Runtime and plain NumPy loops, on the LFC network; and on CNV.

    python benchmarks/golden_speed.py [--batch 1000] [--rounds 25] [--threads N]
    python benchmarks/golden_speed.py --cnv [--rounds 25]

All ways run in turns in one process and must give the same scores. A ratio is the median over the rounds of
the quotient of the two times in one round, so a machine that others use changes it little. ONNX Runtime runs
float32 graphs of the same network on frames that are -1 and +1 in float32 already; golden starts from uint8 codes.
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
parser.add_argument(
    "--cnv", action="store_true", help="CNV alone: frames one by one and 50 at a time, beside ONNX Runtime"
)
parser.add_argument("--batch", type=int, default=1000, help="frames a run")
parser.add_argument("--rounds", type=int, default=25, help="runs of each way")
parser.add_argument("--threads", type=int, default=0, help="of each library; 0 leaves it to them")

Scores = Callable[[], Any]


def onnx_model(layers: list[tuple[Any, Any]], offset: Any, *, gemm: bool) -> bytes:
    """The network in float32: Gemm and Sign, or MatMul, Greater and Where."""
    import numpy as np
    from onnx import TensorProto, checker, helper, numpy_helper

    nodes: list[Any] = []
    constants: list[Any] = []
    stream = "x"

    def node(kind: str, *inputs: Any, **attributes: Any) -> str:
        names = []
        for value in inputs:
            names.append(value if isinstance(value, str) else f"constant{len(constants)}")
            if not isinstance(value, str):
                constants.append(numpy_helper.from_array(np.asarray(value, np.float32), names[-1]))
        nodes.append(helper.make_node(kind, names, [f"{kind}{len(nodes)}"], **attributes))
        return f"{kind}{len(nodes) - 1}"

    for weights, threshold in layers:
        matrix = np.ascontiguousarray(weights.T)
        if threshold is None:
            stream = node("Gemm", stream, matrix, offset)
        elif gemm:
            # Half a step below the threshold no sum is 0, whose Sign would be 0.
            stream = node("Sign", node("Gemm", stream, matrix, 0.5 - threshold))
        else:
            stream = node("Where", node("Greater", node("MatMul", stream, matrix), threshold - 0.5), 1.0, -1.0)
    graph = helper.make_graph(
        nodes,
        "lfc",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", layers[0][0].shape[1]])],
        [helper.make_tensor_value_info(stream, TensorProto.FLOAT, ["N", len(offset)])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    checker.check_model(model)
    return bytes(model.SerializeToString())


def convolutional_model(network: Any) -> bytes:
    """A network of convolutions, pools and dense layers in float32: maps (N, C, H, W) of values to scores."""
    import numpy as np
    from bitweir_hw.network import Affine, Conv, Dense, Pool
    from onnx import TensorProto, checker, helper, numpy_helper

    nodes: list[Any] = []
    constants: list[Any] = []
    stream, flat = "x", False

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
        elif isinstance(layer, Affine):
            stream = node("Add", node("Mul", stream, layer.scale.astype(np.float32)), layer.offset.astype(np.float32))
        else:
            weights = 2 * layer.weights.astype(np.float32) - 1
            if isinstance(layer, Conv):
                stream = node("Conv", stream, np.ascontiguousarray(weights.transpose(0, 3, 1, 2)))
            else:
                assert isinstance(layer, Dense)
                if not flat:
                    stream = node("Flatten", node("Transpose", stream, perm=(0, 2, 3, 1)))
                flat = True
                stream = node("MatMul", stream, np.ascontiguousarray(weights.T))
            if layer.thresholds is not None:
                limits = layer.thresholds[:, 0].astype(np.float32) - np.float32(0.5)
                limits = limits if flat else limits[:, None, None]
                stream = node("Where", node("Greater", stream, limits), np.float32(1), np.float32(-1))
    rows, columns, channels = network.input.map.shape
    graph = helper.make_graph(
        nodes,
        "cnv",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", channels, rows, columns])],
        [helper.make_tensor_value_info(stream, TensorProto.FLOAT, ["N", network.classes])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    checker.check_model(model)
    return bytes(model.SerializeToString())


def compare_convolutional(path: Path, rounds: int, threads: int) -> None:
    """Print how fast golden is beside ONNX Runtime, for frames one by one and 50 at a time; drawn pixels."""
    import numpy as np
    import onnxruntime
    from bitweir_sim.values.fast import prepare
    from support.shared_data import bnn_npz

    network = bnn_npz(path)
    settings = onnxruntime.SessionOptions()
    if threads:
        settings.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(convolutional_model(network), settings, providers=["CPUExecutionProvider"])
    model, form = prepare(network), network.input.format
    print(f"{path.stem}, median of {rounds} rounds, all scores equal")
    for batch in (1, 50):
        codes = np.random.default_rng(1).integers(0, form.codes, (batch, network.input.size)).astype(np.uint8)
        maps = form.values(codes).astype(np.float32).reshape(batch, *network.input.map.shape)
        maps = np.ascontiguousarray(maps.transpose(0, 3, 1, 2))
        if not np.array_equal(session.run(None, {"x": maps})[0], model.run(codes).scores):
            sys.exit("ONNX Runtime and golden differ.")
        ratios, times = [], []
        for _ in range(rounds):
            spent = []
            for way in (lambda: session.run(None, {"x": maps}), lambda: model.run(codes)):  # noqa: B023
                time.sleep(0.05)
                start = time.perf_counter()
                way()
                spent.append(time.perf_counter() - start)
            ratios.append(spent[0] / spent[1])
            times.append(spent[1])
        print(
            f"batch {batch:2}: golden {batch / statistics.median(times):8,.1f} frames/s, "
            f"{statistics.median(ratios):.2f} of the speed of ONNX Runtime"
        )


def plain_loop(layers: list[tuple[Any, Any]], offset: Any, frames: Any) -> Scores:
    """A float32 matrix product and a comparison a layer, as one writes it at first."""
    import numpy as np

    def scores() -> Any:
        stream = frames
        for weights, threshold in layers:
            stream = stream @ weights.T
            if threshold is not None:
                stream = np.where(stream >= threshold, np.float32(1), np.float32(-1))
        return stream + offset

    return scores


def packed_loop(layers: list[tuple[Any, Any]], offset: Any, codes: Any) -> Scores:
    """XNOR and popcount on 64-bit words."""
    import numpy as np

    def words(bits: Any) -> Any:
        bits = np.pad(bits, ((0, 0), (0, -bits.shape[1] % 64)))
        return np.packbits(bits, axis=1, bitorder="little").view(np.uint64)

    packed = [(words(weights > 0), weights.shape[1], threshold) for weights, threshold in layers]

    def scores() -> Any:
        parts = []
        for start in range(0, len(codes), 16):  # 16 frames at a time stay in the cache
            stream = codes[start : start + 16]
            for weights, inputs, threshold in packed:
                differ = np.bitwise_count(words(stream)[:, None] ^ weights).sum(axis=2, dtype=np.int32)
                stream = inputs - 2 * differ
                if threshold is not None:
                    stream = stream >= threshold
            parts.append(stream)
        return np.concatenate(parts) + offset

    return scores


def main() -> None:
    options = parser.parse_args()
    if options.threads:
        # Read once, when NumPy is imported; so the imports come after it.
        os.environ["OPENBLAS_NUM_THREADS"] = str(options.threads)
    import numpy as np
    from bitweir_hw.network import Affine, Dense
    from bitweir_sim.values.encoding import encode
    from bitweir_sim.values.fast import prepare

    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
    from support.shared_data import DATA, bnn_npz, mnist

    path, cnv = (DATA / "models" / name for name in ("lfcW1A1_mnist.npz", "cnvW1A1_cifar10.npz"))
    for file in (path, cnv):
        if not file.is_file():
            sys.exit(f"This benchmark needs the trained network {file}, which is not there.")
    try:
        import onnxruntime
    except ImportError:
        sys.exit("This benchmark needs onnxruntime: pip install 'bitweir[dev]'.")

    if options.cnv:
        compare_convolutional(cnv, options.rounds, options.threads)
        return
    network = bnn_npz(path)
    pixels = np.resize(mnist()[0], (options.batch, network.input.size))
    codes = encode(network.input, pixels)
    frames = network.input.format.values(codes).astype(np.float32)
    layers: list[tuple[Any, Any]] = []
    offset = np.zeros(network.outputs, np.float32)
    for layer in network.layers:
        if isinstance(layer, Dense):
            threshold = None if layer.thresholds is None else layer.thresholds[:, 0].astype(np.float32)
            layers.append((2 * layer.weights.astype(np.float32) - 1, threshold))
        elif isinstance(layer, Affine):
            offset = layer.offset.astype(np.float32)

    def session(*, gemm: bool) -> Scores:
        settings = onnxruntime.SessionOptions()
        if options.threads:
            settings.intra_op_num_threads = options.threads
        model = onnx_model(layers, offset, gemm=gemm)
        ready = onnxruntime.InferenceSession(model, settings, providers=["CPUExecutionProvider"])
        return lambda: ready.run(None, {"x": frames})[0]

    model = prepare(network)
    ways: dict[str, Scores] = {
        "ONNX Runtime, Gemm and Sign": session(gemm=True),
        "ONNX Runtime, MatMul, Greater, Where": session(gemm=False),
        "golden, from codes": lambda: model.run(codes).scores,
        "golden, from uint8 pixels": lambda: model.run(encode(network.input, pixels)).scores,
        "plain float32 loop": plain_loop(layers, offset, frames),
        "packed XNOR-popcount loop": packed_loop(layers, offset, codes),
    }
    expected = model.run(codes).scores
    for name, way in ways.items():
        if not np.array_equal(way(), expected):
            sys.exit(f"{name} and golden differ.")
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(options.rounds):
        for name, way in ways.items():
            time.sleep(0.05)  # the threads of the one before spin for a while and would take the cores
            start = time.perf_counter()
            way()
            times[name].append(time.perf_counter() - start)
    best = min(list(ways)[:2], key=lambda name: statistics.median(times[name]))
    print(f"{path.stem}, batch {options.batch}, {options.rounds} rounds, all scores equal")
    print(f"{'':38}{'frames/s':>10}  of {best}")
    for name, spent in times.items():
        ratio = statistics.median(o / t for o, t in zip(times[best], spent, strict=True))
        print(f"{name:38}{options.batch / statistics.median(spent):10,.0f}  {ratio:.2f}")
    compare_convolutional(cnv, options.rounds, options.threads)


if __name__ == "__main__":
    main()
