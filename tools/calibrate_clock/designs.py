"""The accelerators that are routed: networks, plans and chips, the largest designs last."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from bitweir.importers import load_model
from bitweir.shipped import model_file
from bitweir_hw.blocks.pipeline import Pipeline
from bitweir_hw.lower import lower
from bitweir_hw.network import BIPOLAR, Conv, Dense, Input, Network, Pool, check
from bitweir_hw.plan import plan_for_fps, plan_from_foldings
from bitweir_hw.popcount import Popcount
from bitweir_sim.time.sizing import fit_depths
from support.shared_data import DATA, bnn_npz

from .harness import CHIPS

__all__ = ["DESIGNS", "Routing", "available", "network_of"]


@dataclass(frozen=True, kw_only=True)
class Routing:
    """An accelerator to route.

    Parameters
    ----------
    network : str
        ``"digits"``, ``"cnn"``, a file of the shared models, or a name of a network that is drawn below.
    plan : str or float
        Foldings, or frames/s at 100 MHz.
    levels : int
        Adder levels between registers.
    chip : str
        A key of `CHIPS`.
    """

    network: str
    plan: str | float
    levels: int
    chip: str

    @property
    def name(self) -> str:
        """Tells it from the others."""
        plan = self.plan if isinstance(self.plan, str) else f"{self.plan:,.0f} frames/s"
        return f"{self.network}, {plan}, stage levels {self.levels}, {self.chip}"

    def pipeline(self) -> Pipeline:
        """The blocks, with FIFOs as `generate` makes them."""
        network = network_of(self.network)
        popcount = Popcount.of(CHIPS[self.chip].family, self.levels)
        if isinstance(self.plan, str):
            plan = plan_from_foldings(network, self.plan, popcount=popcount)
        else:
            plan = plan_for_fps(network, self.plan, 100e6, popcount=popcount)
        return lower(network, fit_depths(network, plan))


_TFC, _SFC = "TFC_1W1A.onnx", "SFC_1W1A_zybo.onnx"
_LFC, _CNV = "lfcW1A1_mnist.npz", "cnvW1A1_cifar10.npz"

#: At least three of each kind of FPGA, small ones first.
DESIGNS = tuple(
    Routing(network=network, plan=plan, levels=levels, chip=chip)
    for network, plan, levels, chip in (
        ("digits", 1e5, 1, "icebreaker"),
        ("digits", 1e5, 1, "tangnano9k"),
        ("digits", 1e5, 1, "tangnano20k"),
        ("digits", 1e5, 1, "hx8k"),
        ("digits", 1e6, 1, "ulx3s_25f"),
        ("mlp", "16x8,16x4,16x2", 1, "icebreaker"),
        ("mlp", "32x8,16x8,16x2", 1, "tangnano9k"),
        ("mlp", "32x16,32x8,16x2", 2, "ulx3s_25f"),
        ("mlp", "32x8,16x8,16x2", 2, "hx8k"),
        ("maps", "9x8,24x4,24x4,16x2", 1, "icebreaker"),
        ("maps", "9x8,24x8,24x4,16x2", 1, "tangnano9k"),
        ("maps", "9x16,72x8,48x8,16x5", 1, "ulx3s_25f"),
        ("cnn", 1e4, 1, "icebreaker"),
        ("cnn", 1e4, 1, "hx8k"),
        ("cnn", 1e4, 1, "tangnano9k"),
        ("cnn", 1e5, 1, "tangnano20k"),
        ("mlp", "32x16,32x8,16x2", 2, "tangnano20k"),
        ("digits", 1e6, 2, "tangnano9k"),
        ("cnn", 1e5, 1, "ulx3s_25f"),
        ("cnn", 4e5, 2, "ulx3s_25f"),
        # The plans of `generate --goal fps`.
        ("mlp", "32x12,12x8:lut,8x1", 1, "icebreaker"),
        ("mlp", "86x16,32x11,11x3:block", 1, "tangnano20k"),
        ("maps", "27x16,144x12,12x16:block,1x10", 1, "ulx3s_25f"),
        ("maps", "9x16,48x12:block,36x2,2x2", 1, "tangnano9k"),
        (_TFC, "16x8,8x8,8x8,8x10", 1, "ulx3s_25f"),
        (_TFC, "49x16,8x8,8x8,8x10", 1, "ulx3s_85f"),
        (_TFC, "49x16,8x8,8x8,8x10", 2, "ulx3s_25f"),
        (_SFC, "49x16,16x16,16x16,16x10", 1, "ulx3s_45f"),
        (_SFC, "64x32,32x64,64x32,8x16", 1, "ulx3s_85f"),
        (_LFC, "64x32,32x64,64x32,8x16", 1, "ulx3s_85f"),
        (_CNV, "3x16,32x32,32x16,32x16,32x4,32x1,4x1,8x1,1x4", 1, "ulx3s_85f"),
        (_CNV, "3x64,64x64,20x64,64x32,32x10,18x4,4x4,32x1,1x10", 1, "ulx3s_85f"),
    )
)


def available() -> Iterator[Routing]:
    """Those whose network is there."""
    for design in DESIGNS:
        if "." not in design.network or (DATA / "models" / design.network).is_file():
            yield design


@cache
def network_of(name: str) -> Network:
    """A network by its name."""
    if name in _DRAWN:
        return _DRAWN[name]()
    if name.endswith(".npz"):
        return bnn_npz(DATA / "models" / name)
    if name.endswith(".onnx"):
        return load_model(DATA / "models" / name, input_scale="1/255")
    return load_model(model_file(name), input_scale="1")


def _mlp() -> Network:
    """256-128-64-10."""
    rng = np.random.default_rng(14)
    layers = (
        Dense(name="dense0", **_drawn(rng, 128, 256)),
        Dense(name="dense1", **_drawn(rng, 64, 128)),
        Dense(name="scores", weights=rng.random((10, 64)) < 0.5),
    )
    return check(Network(name="mlp", input=_input(256), layers=layers))


def _maps() -> Network:
    """Three convolutions over 16 x 16 pixels, one pooling, ten classes."""
    rng = np.random.default_rng(15)
    layers = (
        Conv(name="conv0", **_drawn(rng, 16, 3, 3, 3)),
        Conv(name="conv1", **_drawn(rng, 24, 3, 3, 16)),
        Pool(name="pool1", kind="max", kernel=(2, 2), stride=(2, 2)),
        Conv(name="conv2", **_drawn(rng, 16, 3, 3, 24)),
        Dense(name="scores", weights=rng.random((10, 256)) < 0.5),
    )
    return check(Network(name="maps", input=_input(768, (16, 16, 3)), layers=layers))


def _input(size: int, shape: tuple[int, int, int] | None = None) -> Input:
    """Bits as they come."""
    return Input(
        shape=(size,), format=BIPOLAR, thresholds=np.array([[0.5]]), source=np.arange(size),
        map_shape=shape or (1, 1, size),
    )  # fmt: skip


def _drawn(rng: np.random.Generator, *shape: int) -> dict[str, Any]:
    """Weights, and thresholds that many sums are near to."""
    size = int(np.prod(shape[1:]))
    return {
        "weights": rng.random(shape) < 0.5,
        "thresholds": rng.integers(-size // 4, size // 4, (shape[0], 1)).astype(np.int64),
        "output": BIPOLAR,
    }


_DRAWN = {"mlp": _mlp, "maps": _maps}
