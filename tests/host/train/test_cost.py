"""Cost of models in training, beside what a design of the exported network has."""

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-train")

import bitweir  # noqa: E402
from bitweir import train  # noqa: E402
from torch import nn  # noqa: E402


def model(hidden, bits=1):
    sign = train.Sign() if bits == 1 else train.Unsigned(bits)
    return nn.Sequential(train.Linear(36, hidden), nn.BatchNorm1d(hidden), sign, train.Linear(hidden, 3))


def test_the_estimates_are_those_of_a_report(tmp_path):
    net = model(12)
    found = train.cost(net, (36,), input_range=(0, 16), folding="12x4,12x3")
    network = train.export(net, (36,), input_range=(0, 16), compare=False)
    design = bitweir.generate(network, tmp_path / "net", folding="12x4,12x3", family="ecp5")
    assert found.cycles == design.cycles_per_frame and found.latency == design.latency_cycles
    assert found.frames_per_second == 100e6 / found.cycles
    assert train.cost(network, folding="12x4,12x3") == found
    assert found.lut_sites > 0 and found.block_rams >= 0


def test_weights_change_nothing_and_widths_do():
    costs = [train.cost(model(12), (36,), input_range=(0, 16)) for _ in range(2)]
    assert costs[0] == costs[1]
    few = train.cost(model(12), (36,), input_range=(0, 16), fps=5e6)
    many = train.cost(model(24), (36,), input_range=(0, 16), fps=5e6)
    bits = train.cost(model(12, 3), (36,), input_range=(0, 16), fps=5e6)
    assert many.lut_sites > few.lut_sites and bits.lut_sites > few.lut_sites
    assert few.cycles <= 20


def test_modules_that_only_look_alike_are_told_apart():
    class Scaled(nn.Module):
        def __init__(self, function):
            super().__init__()
            self.function = function

        def forward(self, x):
            return self.function(x)

    def built(function):
        return nn.Sequential(train.Linear(36, 12), nn.BatchNorm1d(12), Scaled(function), train.Linear(12, 3))

    one, three = train.Sign(), train.Unsigned(3)
    costs = [train.cost(built(lambda x, f=f: f(x)), (36,), input_range=(0, 16), fps=5e6) for f in (one, three)]
    assert costs[0].lut_sites < costs[1].lut_sites


def test_the_shape_of_a_module_is_needed():
    with pytest.raises(
        ValueError, match=r"^The cost of a module needs its input: a batch of images, or the shape of one"
    ):
        train.cost(model(4))
