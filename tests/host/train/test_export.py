"""What is trained is what is deployed: each method, trained for a few steps, exported, and compared code by code."""

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-train")

import bitweir  # noqa: E402
from bitweir import train  # noqa: E402
from torch import nn  # noqa: E402

RNG = np.random.default_rng(3)
PIXELS = RNG.integers(0, 17, (200, 36)).astype(np.int64)
LABELS = RNG.integers(0, 3, 200)


def dense(weights=train.Binary, sign=train.Sign, norm=nn.BatchNorm1d, **options):
    """36-10-8-3 with one quantiser of weights and one of activations."""
    return nn.Sequential(
        train.Linear(36, 10, weights(), **options),
        norm(10),
        sign(),
        train.Linear(10, 8, weights(), **options),
        norm(8),
        sign(),
        train.Linear(8, 3, weights()),
        train.ScoreScale(0.5),
    )


def maps(weights=train.Binary, sign=train.Sign, inner=None, norm=nn.BatchNorm2d):
    """6x6 pixels, a convolution, what is between, and another one."""
    return nn.Sequential(
        train.Conv2d(1, 4, 3, padding=1),
        norm(4),
        sign(),
        *(inner() if inner else []),
        nn.MaxPool2d(2),
        train.Conv2d(4, 8, 3, weights()),
        norm(8),
        sign(),
        nn.Flatten(),
        train.Linear(8, 3),
        train.ScoreScale(0.5),
    )


def residual(*blocks):
    return nn.Sequential(
        train.Conv2d(1, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        *blocks,
        nn.BatchNorm2d(4),
        train.Sign(),
        nn.MaxPool2d(3),
        nn.Flatten(),
        train.Linear(16, 3),
        train.ScoreScale(0.5),
    )


def abc():
    return nn.Sequential(
        train.AbcLinear(36, 10, bases=3),
        nn.BatchNorm1d(10),
        train.AbcSigns(2),
        train.AbcLinear(10, 3, bases=3, inputs=2),
    )


def abc_maps():
    return nn.Sequential(
        train.AbcConv2d(1, 4, 3, bases=2, padding=1),
        nn.BatchNorm2d(4),
        train.AbcSigns(2),
        train.AbcConv2d(4, 4, 3, bases=2, inputs=2, stride=2),
        nn.BatchNorm2d(4),
        train.Sign(),
        nn.Flatten(),
        train.Linear(16, 3),
    )


def weights(**options):
    return lambda: train.Binary(**options)


EXACT = {
    "BinaryConnect": lambda: dense(sign=lambda: train.Unsigned(8, 4.0)),
    "BNN": dense,
    "BNN with biases": lambda: dense(bias=True),
    "shift-based batch norm": lambda: dense(norm=train.ShiftBatchNorm1d),
    "XNOR-Net": lambda: dense(lambda: train.Binary(scale=train.MeanScale())),
    "XNOR-Net++": lambda: dense(lambda: train.Binary(scale=train.TrainedScale())),
    "BNN+": lambda: dense(
        lambda: train.Binary(train.SignSwish(), train.TrainedScale("median")), lambda: train.Sign(train.SignSwish())
    ),
    "IR-Net": lambda: dense(
        lambda: train.Binary(train.ErrorDecay(), train.PowerOfTwoScale(), standardise=True),
        lambda: train.Sign(train.ErrorDecay()),
    ),
    "ApproxSign": lambda: dense(sign=lambda: train.Sign(train.ApproxSign())),
    "self-binarising": lambda: dense(sign=lambda: train.Sign(train.Tanh())),
    "DoReFa W1A2": lambda: dense(lambda: train.Binary(scale=train.MeanScale("layer")), lambda: train.Unsigned(2)),
    "DoReFa W3A4": lambda: dense(lambda: train.Uniform(3), lambda: train.Unsigned(4)),
    "PACT": lambda: dense(lambda: train.Uniform(2), lambda: train.Unsigned(2, 1.5, trainable=True)),
    "DSQ": lambda: dense(sign=lambda: train.Unsigned(2, estimator=train.SoftStep())),
    "TWN": lambda: dense(train.Ternary),
    "TBN": lambda: dense(sign=train.TernarySign),
    "INQ": lambda: dense(lambda: train.PowersOfTwo(4), lambda: train.Unsigned(4)),
    "signed codes": lambda: dense(sign=lambda: train.Signed(3, 0.5)),
    "thermometer": lambda: nn.Sequential(
        train.Thermometer((3.5, 8.5)), train.Linear(72, 8), nn.BatchNorm1d(8), train.Sign(), train.Linear(8, 3)
    ),
    "maps": maps,
    "maps, shift-based": lambda: maps(norm=train.ShiftBatchNorm2d),
    "CBCN": lambda: maps(train.Circulant),
    "XNOR-Net++, case 4": lambda: maps(lambda: train.Binary(scale=train.FactoredScale(1, 1))),
    "RSign": lambda: dense(sign=lambda: train.RSign(1)),
}
BOUNDED = {
    "Bi-Real": lambda: residual(train.BiRealBlock(4), train.BiRealBlock(4, 1)),
    "ReActNet": lambda: residual(train.ReActBlock(4), train.ReActBlock(4, 1)),
    "Group-Net": lambda: residual(train.GroupBlock(4), train.GroupBlock(4, 3, 1)),
    "ABC-Net": abc,
    "ABC-Net, maps": abc_maps,
}
MAPS = ("maps", "maps, shift-based", "CBCN", "XNOR-Net++, case 4", "Bi-Real", "ReActNet", "Group-Net", "ABC-Net, maps")


def trained(name):
    """A model after some steps on noise, and images as it takes them."""
    torch.manual_seed(len(name))
    model = {**EXACT, **BOUNDED}[name]()
    images = PIXELS.reshape(-1, 1, 6, 6) if name in MAPS else PIXELS
    x, y = torch.tensor(images, dtype=torch.float32), torch.tensor(LABELS)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    for step in range(6):
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimiser.step()
        train.clip_weights(model)
        train.set_progress(model, (step + 1) / 6)
    return model.eval(), images


def activations(model, images):
    """What each quantiser of the model hands on, channels last, in the order of the calls."""
    found = []
    kinds = (train.Sign, train.Signed, train.TernarySign, train.Unsigned, train.Thermometer)
    hooks = [
        part.register_forward_hook(lambda _, __, output: found.append(output))
        for part in model.modules()
        if isinstance(part, kinds)
    ]
    with torch.no_grad():
        scores = model(torch.tensor(images, dtype=torch.float32))
    for hook in hooks:
        hook.remove()
    return [one.numpy() if one.dim() == 2 else one.permute(0, 2, 3, 1).numpy() for one in found], scores.numpy()


@pytest.mark.parametrize("name", EXACT)
def test_the_forward_pass_is_what_the_network_computes(name):
    model, images = trained(name)
    network = train.export(model, images.shape[1:], input_range=(0, 16), compare=False)
    assert not network.network.bounds
    trace = network.trace(images)
    codes, scores = activations(model, images)
    if name == "thermometer":
        codes = codes[1:]
    names = [layer for layer in trace if layer.startswith(("dense", "conv"))]
    for layer, expected in zip(names, codes, strict=False):
        found = trace[layer]
        if found.shape != expected.shape:  # the pool is part of the layer's own row
            found = found.reshape(expected.shape)
        assert (found == expected).all(), layer
    assert len(codes) == 2 - (name == "thermometer")
    assert (network.classify(images) == scores.argmax(axis=1)).all()
    assert len(np.unique(scores.argmax(axis=1))) > 1


@pytest.mark.parametrize("name", BOUNDED)
def test_real_valued_sums_have_bounds_and_the_same_classes(name):
    model, images = trained(name)
    found = bitweir.check(model, images, input_range=(0, 16))
    assert found.difference is None, found.difference
    assert found.network.network.bounds and found.layers
    _, scores = activations(model, images)
    assert (found.network.classify(images) == scores.argmax(axis=1)).mean() > 0.97


def test_a_module_is_not_changed_by_its_export():
    model, images = trained("IR-Net")
    model.train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    train.export(model, torch.tensor(images[:2], dtype=torch.float32), input_range=(0, 16), compare=False)
    assert model.training and all(torch.equal(before[key], value) for key, value in model.state_dict().items())


def test_export_compares_with_the_module_as_it_was_exported():
    model, images = trained("BNN")
    network = train.export(model, (36,), input_range=(0, 16), name="tiny")
    assert network.name == "tiny" and network.comparison is None


def test_an_export_is_refused_by_the_sentence_of_the_importer():
    model = nn.Sequential(nn.Linear(36, 3))
    with pytest.raises(bitweir.BitweirError, match="must have binary weights"):
        train.export(model, (36,), input_range=(0, 16))


def test_a_network_with_sums_is_shown():
    model, images = trained("Bi-Real")
    shown = repr(train.export(model, images.shape[1:], input_range=(0, 16), compare=False))
    assert shown.splitlines()[0] == "net: 1x6x6 to 3 classes" and "sum" in shown


def test_a_group_is_the_sum_of_blocks_with_shortcuts():
    torch.manual_seed(0)
    group = train.GroupBlock(4, 2).eval()
    blocks = [train.BiRealBlock(4).eval() for _ in range(2)]
    for block, base in zip(blocks, group.bases, strict=True):
        block.conv, block.norm = base[1], base[2]
    with torch.no_grad():
        group.scale.copy_(torch.tensor([0.3, 0.9]))
        x = torch.randn(3, 4, 5, 5)
        torch.testing.assert_close(group(x), 0.3 * blocks[0](x) + 0.9 * blocks[1](x))
