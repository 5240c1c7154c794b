"""`bitweir.check`: the module, its network and its accelerator on images, and what it says where they differ."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-train")

import bitweir  # noqa: E402
from bitweir import checking, train  # noqa: E402
from bitweir_hw.errors import PlanError  # noqa: E402
from torch import nn  # noqa: E402

IMAGES = np.random.default_rng(0).integers(0, 17, (60, 1, 6, 6))


def model(first=None):
    torch.manual_seed(2)
    made = nn.Sequential(
        train.Conv2d(1, 4, 3),
        first or nn.BatchNorm2d(4),
        train.Sign(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        train.Linear(16, 8),
        nn.BatchNorm1d(8),
        train.Unsigned(2),
        train.Linear(8, 3),
        train.ScoreScale(0.5),
    )
    for _ in range(3):
        made(torch.tensor(IMAGES, dtype=torch.float32))
    return made


@pytest.mark.parametrize("engine", ["compiled", "cocotb"])
def test_module_network_and_gateware_are_equal(engine):
    module = model()
    found = bitweir.check(module, IMAGES[:12], input_range=(0, 16), simulate=engine)
    assert found.difference is None and found.frames == 12 and module.training
    assert found.layers == ("conv0", "dense0")
    assert found.simulation.mismatches == 0 and found.simulation.images == 12
    assert "12 of 12 images have the result" in found.summary and "module Sequential (in PyTorch" in found.summary


def test_a_module_that_computes_something_else_is_told_by_layer_channel_and_pixel(monkeypatch):
    module = model()
    # What is exported has another weight: a fault of the export, as it were.
    deployed = checking.deployed

    def faulty(part):
        made = deployed(part)
        made[0].integers[2, 0, 1, 1] *= -1
        return made

    monkeypatch.setattr(checking, "deployed", faulty)
    found = bitweir.check(module, IMAGES, input_range=(0, 16))
    assert found.exported.difference is None
    told = found.difference
    assert told.startswith("The network must compute what the module Sequential computes, but ")
    assert "the first in conv0 (tensor '/2/Where_output_0' of the file), channel 2, pixel (" in told


def test_another_class_is_told(monkeypatch):
    module = model()
    deployed = checking.deployed

    def faulty(part):
        made = deployed(part)
        made[8].integers.neg_()
        return made

    monkeypatch.setattr(checking, "deployed", faulty)
    told = bitweir.check(module, IMAGES, input_range=(0, 16)).difference
    assert told.startswith("The network must compute what the module Sequential computes, but ") and "class" in told


def test_plain_modules_are_compared_as_well():
    class Sign(nn.Module):
        def forward(self, x):
            return torch.where(x >= 0, 1.0, -1.0)

    torch.manual_seed(1)
    module = nn.Sequential(nn.Flatten(), nn.Linear(36, 5), nn.BatchNorm1d(5), Sign(), nn.Linear(5, 3, bias=False))
    with torch.no_grad():
        for layer in (module[1], module[4]):
            layer.weight.copy_(layer.weight.sign())
    found = bitweir.check(module, IMAGES, input_range=(0, 16))
    assert found.difference is None and found.layers == ("dense0",)


def test_an_engine_that_there_is_not():
    with pytest.raises(PlanError, match=r"^The engine must be one of compiled, cocotb, golden, not 'verilog'\.$"):
        bitweir.check(model(), IMAGES, input_range=(0, 16), simulate="verilog")
