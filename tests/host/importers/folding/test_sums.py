"""Sums of real-valued streams: their units, the bound on their error, and what is told and done with it."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from bitweir.cli import main
from bitweir.importers import ModelError, load_model
from bitweir.importers.ensemble import vote
from bitweir.importers.folding.accuracy import Leaf, closest
from bitweir.importers.folding.units import ENOUGH, FixedPoint, Summand, convergents, fitted
from bitweir_hw.files import digest, load_network, save_network
from bitweir_sim.values.encoding import encode
from bitweir_sim.values.fast import run as golden
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from support.onnxgraphs import Graph, runtime
from support.shared_data import FAULTS


def gated(path: Path, gates: tuple[float, ...] = (0.37, 2.9, 0.11)) -> Path:
    """Dense layer, then sums that each take the one before, times a gate, and a layer of signs of it."""
    g = Graph(3)
    x = g.op("Sub", g.op("MatMul", "x", g.signs(9, 6)), g.rng.uniform(-9, 9, 6))
    for gate in gates:
        inner = g.op("MatMul", g.sign(x), g.signs(6, 6))
        x = g.op("Add", g.op("Mul", x, gate * g.rng.uniform(0.5, 2, 6)), g.op("Mul", inner, g.rng.uniform(1, 9, 6)))
    return g.save(path, g.op("MatMul", g.sign(x), g.signs(6, 3)), ("N", 9))


def run(*words: object, code: int = 0) -> str:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result.stdout


@pytest.mark.parametrize(
    "name, scale, codes, bounds", [("two_sums.onnx", "1", 4_800, []), ("horq_fixed.ts.onnx", "1/16", 14_400, ["sum0"])]
)
def test_published_forms(tmp_path, name, scale, codes, bounds):
    """Sums of signs, and of what these leave over, with images: every code and every class."""
    file = FAULTS / "papers" / name
    images = file.with_name("two_sums_images.npz" if name == "two_sums.onnx" else "t_u8.npz")
    if not file.is_file():
        pytest.skip(f"there is no {file}")
    found = json.loads(
        run("import", file, "--input-scale", scale, "--images", images, "-o", tmp_path / "n.npz", "--json")
    )
    layers = found["comparison"]["models"][0]["layers"]
    assert sum(layer["codes"] for layer in layers) >= codes
    assert not any(layer[key] for layer in layers for key in ("differ", "bounded"))
    assert found["comparison"]["results_differ"] == 0
    assert [bound["layer"] for bound in found["diagnostics"]["bounds"]][:1] == bounds


def test_bounds_are_kept_and_told(tmp_path):
    path = gated(tmp_path / "net.onnx")
    network = load_model(path, input_scale="1")
    assert [bound.layer for bound in network.bounds] == ["sum0", "sum1", "sum2"]
    assert network.bounds[0].exact  # two streams: few enough values to prove it
    save_network(network, tmp_path / "net.npz")
    assert load_network(tmp_path / "net.npz").bounds == network.bounds
    assert digest(replace(network, bounds=())) == digest(network)
    assert network.notes[-3:] == tuple(bound.sentence for bound in network.bounds)
    folder = tmp_path / "build"
    run("generate", tmp_path / "net.npz", "-o", folder)
    told = " ".join(run("report", folder).split())
    assert all(bound.sentence in told for bound in network.bounds)
    assert all(bound.sentence in (folder / "README.md").read_text() for bound in network.bounds)
    both = vote([network, network], [path, path])
    assert [bound.layer for bound in both.bounds] == [f"net{n}_sum{k}" for n in (0, 1) for k in range(3)]


def test_hardware_holds_stacked_sums(tmp_path):
    """Sums of up to 32 bits in RTL, compiled: every score equals golden's."""
    run("import", gated(tmp_path / "net.onnx"), "--input-scale", "1", "-o", tmp_path / "net.npz")
    run("generate", tmp_path / "net.npz", "-o", tmp_path / "build")
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "x.npz", x=rng.integers(0, 16, (40, 9)).astype(np.uint8))
    widest = max(abs(end) for _, _, to in load_network(tmp_path / "net.npz").placed() for end in (to.low, to.high))
    assert 1 << 24 < widest < 1 << 31
    found = json.loads(run("simulate", tmp_path / "build", "--images", tmp_path / "x.npz", "--json"))
    assert (found["engine"], found["images"], found["mismatches"]) == ("compiled", 40, 0)


def test_too_many_gates_are_refused(tmp_path):
    """Each gate of a fiftieth takes more bits than there are; the way out is told."""
    with pytest.raises(ModelError, match="put a quantiser, such as a sign, between"):
        load_model(gated(tmp_path / "net.onnx", (0.02,) * 9), input_scale="1")


@given(st.fractions(0, 1000), st.integers(1, 12))
def test_convergents_are_close(x, count):
    """|x - p / q| < 1 / q^2, and the last one is x."""
    found = list(convergents(x))
    assert Fraction(*found[-1]) == x
    for over, under in found[1 : count + 1]:
        assert abs(x - Fraction(over, under)) * under * under < 1


@given(st.data())
def test_closest_is_that_of_all_sums(data):
    """Against all combinations; never above the real one, and hardly below."""
    leaves = []
    for _ in range(data.draw(st.integers(1, 4))):
        low, step = data.draw(st.integers(-9, 9)), data.draw(st.integers(1, 3))
        high = low + step * data.draw(st.integers(0, 5))
        slope = data.draw(st.fractions(-10, 10, max_denominator=999))
        leaves.append(Leaf(np.array([slope], object), np.array([low]), np.array([high]), step))
    threshold = data.draw(st.fractions(-99, 99, max_denominator=99))
    grids = [[x.slopes[0] * n for n in range(int(x.low[0]), int(x.high[0]) + 1, x.step)] for x in leaves]
    real = min(abs(sum(values) - threshold) for values in product(*grids))
    found = closest(leaves, 0, [threshold])
    assert found is not None and real - Fraction(1, 10**9) <= found <= real


def test_sums_behind_layers_that_mix_channels(tmp_path):
    """What a sum behind a layer asks of one before that layer counts for all channels there."""
    g = Graph(11)
    y = g.op("MatMul", "x", g.signs(9, 24))
    for taken, made in ((24, 16), (16, 5)):
        signs = [g.op("Mul", g.sign(g.op("Sub", y, float(at))), scale) for at, scale in ((0.3, 0.7123), (2.7, 0.3191))]
        x = g.op("Add", *signs)
        parts = [g.op("Mul", g.op("MatMul", x, g.signs(taken, made)), g.rng.uniform(0.1, 1, made)) for _ in range(2)]
        y = g.op("Add", *parts)
    path = g.save(tmp_path / "net.onnx", y, ("N", 9))
    network = load_model(path, input_scale="1", result="scores")
    frames = g.rng.integers(0, 16, (80, 9)).astype(np.uint8)
    scale, offset = (
        np.array([float(Fraction(x)) for x in part]) for part in (network.readout.scales, network.readout.offsets)
    )
    found = golden(network, encode(network.input, frames)).scores * scale + offset
    bound = max(float(Fraction(one.error)) for one in network.bounds if one.of == "scores")
    assert abs(found - runtime(path, frames.astype(np.float32))[0]).max() < bound + 1e-4


@given(st.integers(0, 10**6), st.integers(1152, 4608))
def test_units_leave_room_for_the_widest_channels_of_both_streams(seed, taps):
    """Layers hand on what is as wide in all channels, so that no channel may get a large factor for a small error."""
    rng, channels = np.random.default_rng(seed), 16
    # Of a layer, and behind a sum that has 28 bits in each channel.
    reaches = (2.0 ** rng.uniform(27, 28, channels)).astype(np.int64).astype(object)
    ratios = [Fraction(float(x)) for x in 2.0 ** rng.uniform(-3, 1, channels)]
    sizes = np.array(ratios, object) * reaches * Fraction(1, taps)
    zero, one = (np.full(channels, Fraction(x), object) for x in (0, 1))
    layer = Summand(sizes, np.full(channels, taps), zero, taps)
    behind = Summand(one, reaches.astype(np.int64), zero, max(reaches), frozenset(["sum0"]), last="sum0", units=one)
    found = fitted("sum1", (layer, behind), zero, FixedPoint())
    widest = sum(max(abs(k)) * part.room for k, part in zip(found.factors, (layer, behind), strict=True))
    assert widest < 1 << 31
    ranges = sizes * taps + reaches
    assert (found.error * found.unit <= ranges * ENOUGH).all()
