"""Networks that are compared with their files."""

from __future__ import annotations

from dataclasses import replace
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from bitweir.cli import main
from bitweir.importers import load_model
from bitweir.importers.compare.agreement import Member
from bitweir.importers.folding.provenance import Taps
from bitweir.importers.onnx.reference import numpy_executor, runtime_executor
from bitweir_hw.network import Conv, Dense
from bitweir_sim.values import fast
from bitweir_sim.values.encoding import encode
from click.testing import CliRunner
from support.kerasmodels import KerasModel
from support.onnxgraphs import Graph

__all__ = [
    "CNN",
    "DIGITS",
    "damaged",
    "larq",
    "loaded",
    "members",
    "other_results",
    "place_of",
    "residual",
    "run",
]

NETWORKS = Path(str(resources.files("bitweir.networks")))


DIGITS = NETWORKS / "digits.onnx"


CNN = NETWORKS / "cnn.onnx"


def members(path, network, taps):
    return [Member(path=path, network=network, taps=taps, last=network.layers[-1].name)]


def loaded(path, scale="1"):
    taps = Taps()
    return load_model(path, input_scale=scale, taps=taps), taps


def residual(path, seed=0, spread=3.0, size=1.0):
    """Signs of a map -> convolution, batch norm, sign -> convolution and shortcut, sign -> dense; and some tensors."""
    graph = Graph(seed)
    first = graph.op("Conv", graph.sign("x"), graph.signs(3, 1, 3, 3), pads=[1, 1, 1, 1])
    norm = graph.op("Mul", graph.norm(first, 3, spread), size)
    bits = graph.sign(norm)
    second = graph.op("Conv", bits, graph.signs(3, 3, 3, 3), pads=[1, 1, 1, 1])
    total = graph.op("Add", second, first)
    graph.save(path, graph.scores(graph.sign(total), 48), shape=("N", 1, 4, 4))
    return norm, bits, total


def larq(path):
    """Convolution, batch norm, sign -> convolution, pool, sign -> dense."""
    model = KerasModel((8, 8, 1), seed=2)
    model.conv(1, 6, 3, 3, padding="same")
    model.norm(6, 20)
    model.conv(6, 8, 3, 3, input_quantizer="ste_sign")
    model("MaxPooling2D", pool_size=[2, 2], strides=None)
    model.norm(8, 4)
    model.head(3 * 3 * 8)
    model("Activation", activation="softmax")
    return model.save(path)


def place_of(network, kind):
    """The layer of a network that a fault hits: one with codes; a last one hands on scores."""
    (place, *_) = (
        place
        for place, layer in enumerate(network.layers)
        if isinstance(layer, (Dense, Conv)) and (layer.thresholds is not None) == (kind != "score")
    )
    return place


def damaged(network, kind, seed):
    """A network with one fault, and the name of its layer."""
    rng = np.random.default_rng(seed)
    place = place_of(network, kind)
    layer = network.layers[place]
    if kind in ("weight", "score"):
        weights = layer.weights.copy()
        flat = weights.reshape(-1)
        at = rng.integers(flat.size)
        flat[at] = not flat[at]
        layer = replace(layer, weights=weights)
    elif kind == "threshold":
        # Sums of an even number of signs are even: two is the next one.
        thresholds = layer.thresholds.copy()
        thresholds[rng.integers(len(thresholds))] += 2
        layer = replace(layer, thresholds=thresholds)
    else:
        order = np.arange(layer.outputs)
        order[[0, 1]] = [1, 0]
        layer = replace(layer, weights=layer.weights[order], thresholds=layer.thresholds[order])
    return replace(network, layers=(*network.layers[:place], layer, *network.layers[place + 1 :])), layer.name


def run(*words, code=0):
    result = CliRunner().invoke(main, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.stderr
    return result


def other_results(path, network, x):
    """Of how many frames file and network say another class, and put the scores in another order."""
    taps = Taps()
    load_model(path, taps=taps)
    runs = runtime_executor if find_spec("onnxruntime") else numpy_executor
    file = runs(path, [taps.scores]).run(x)[taps.scores].reshape(len(x), -1)
    own = fast.run(network, encode(network.input, x)).scores
    orders = [np.argsort(-scores, axis=1, kind="stable") for scores in (file, own)]
    return int((file.argmax(axis=1) != own.argmax(axis=1)).sum()), int((orders[0] != orders[1]).any(axis=1).sum())
