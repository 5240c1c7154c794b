"""ONNX graphs, node by node, and what ONNX Runtime makes of them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from bitweir.importers import load_model
from bitweir_hw.network import Network
from bitweir_sim.values.encoding import encode
from bitweir_sim.values.fast import run
from bitweir_sim.values.golden import trace
from onnx import TensorProto, helper, numpy_helper

__all__ = ["QONNX", "C", "Graph", "H", "W", "agree", "names", "runtime"]

QONNX = "qonnx.custom_op.general"
C, H, W = 2, 7, 6


class Graph:
    """An ONNX graph, node by node."""

    def __init__(self, seed: int = 0, opset: int = 18) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []
        self.opset = opset
        self.rng = np.random.default_rng(seed)

    def const(self, value, dtype=np.float32) -> str:
        name = f"c{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def op(self, kind: str, *inputs, domain: str = "", **attributes) -> str:
        names = [x if isinstance(x, str) else self.const(x) for x in inputs]
        out = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, names, [out], name=f"n{len(self.nodes)}", domain=domain, **attributes))
        return out

    def sign(self, x: str) -> str:
        return self.op("Where", self.op("GreaterOrEqual", x, 0.0), 1.0, -1.0)

    def signs(self, *shape: int) -> np.ndarray:
        return self.rng.choice([-1.0, 1.0], shape).astype(np.float32)

    def norm(self, x: str, channels: int, spread: float = 3) -> str:
        gamma = self.rng.normal(size=channels)  # about half of the slopes are negative
        shift, mean = self.rng.normal(size=channels), self.rng.normal(scale=spread, size=channels)
        return self.op("BatchNormalization", x, gamma, shift, mean, self.rng.uniform(0.5, 4, channels))

    def start(self, channels: int, *window: int) -> str:
        """A first convolution, over pixels about 0."""
        return self.op("Conv", self.op("Sub", "x", 7.5), self.signs(channels, C, *window))

    def scores(self, x: str, inputs: int, classes: int = 5) -> str:
        return self.op("MatMul", self.op("Flatten", x), self.signs(inputs, classes))

    def save(self, path: Path, output: str, shape=("N", C, H, W)) -> Path:
        graph = helper.make_graph(
            self.nodes,
            "g",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(shape))],
            [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
            self.tensors,
        )
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid(QONNX, 2)]
        onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
        return path


def runtime(path: Path, x, outputs=None) -> list[np.ndarray]:
    ort = pytest.importorskip("onnxruntime")
    return ort.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(outputs, {"x": x})


def agree(path: Path, *, frames: int = 40, top: int = 16, scale: str | None = "1", scores: bool = True) -> Network:
    """Import a file and compare with the runtime: integer scores if `scores`, else the order of the classes."""
    net = load_model(path, input_scale=scale)
    rng = np.random.default_rng(1)
    bright = rng.integers(0, top, (frames, *(1 for _ in net.input.shape)))
    pixels = np.clip(bright + rng.integers(-top // 2, top // 2, (frames, *net.input.shape)), 0, top).astype(np.uint8)
    expected = runtime(path, pixels.astype(np.float32))[0].reshape(frames, -1)
    codes = encode(net.input, pixels if scale else pixels.astype(np.float32))
    result = run(net, codes)
    assert (trace(net, codes)[net.layers[-1].name].reshape(result.scores.shape) == result.scores).all()
    if scores:
        assert abs(result.scores - expected).max() < 1e-3
    else:
        assert (result.scores.argsort(axis=1) == expected.argsort(axis=1)).all()
    assert len(np.unique(result.scores, axis=0)) > 4
    return net


def names(net: Network) -> str:
    return " ".join(layer.name for layer, _, _ in net.placed())
