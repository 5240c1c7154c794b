"""Weights, scales and losses beside the formulas of their papers, computed with NumPy."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-train")

from bitweir import train  # noqa: E402

RNG = np.random.default_rng(5)
W = RNG.normal(0, 0.3, (4, 3, 3, 3)).astype(np.float32)


def quantised(quantiser, w=W):
    latent = torch.nn.Parameter(torch.tensor(w))
    quantiser.bind(latent)
    integers, scale = quantiser.eval()(latent)
    return integers.detach().numpy(), None if scale is None else scale.detach().numpy()


def test_xnor_scale_is_the_mean_magnitude_of_each_filter():
    integers, scale = quantised(train.Binary(scale=train.MeanScale()))
    assert (integers == np.where(W >= 0, 1, -1)).all()
    np.testing.assert_allclose(scale, np.abs(W).mean(axis=(1, 2, 3)).reshape(4, 1, 1), rtol=1e-6)
    _, layer = quantised(train.Binary(scale=train.MeanScale("layer")))
    assert float(layer) == pytest.approx(np.abs(W).mean())


def test_libra_weights_are_balanced_and_scaled_by_powers_of_two():
    integers, scale = quantised(train.Binary(scale=train.PowerOfTwoScale(), standardise=True))
    flat = W.reshape(4, -1)
    standard = (flat - flat.mean(1, keepdims=True)) / flat.std(1, ddof=1, keepdims=True)
    assert (integers.reshape(4, -1) == np.where(standard >= 0, 1, -1)).all()
    assert (scale.ravel() == 2.0 ** np.round(np.log2(np.abs(standard).mean(1)))).all()


def test_twn():
    integers, scale = quantised(train.Ternary())
    used = np.abs(W) > 0.7 * np.abs(W).mean()
    assert (integers == np.sign(W) * used).all()
    assert float(scale) == pytest.approx(np.abs(W[used]).mean(), rel=1e-5)


def test_dorefa_weights():
    integers, scale = quantised(train.Uniform(3))
    unit = np.tanh(W) / (2 * np.abs(np.tanh(W)).max()) + 0.5
    np.testing.assert_allclose(integers * scale, 2 * np.round(unit * 7) / 7 - 1, atol=1e-6)


def test_inq_levels_and_what_is_frozen():
    bits = 3
    quantiser = train.PowersOfTwo(bits)
    integers, unit = quantised(quantiser)
    s = np.abs(W).max()
    n1 = math.floor(math.log2(4 * s / 3))
    n2 = n1 + 1 - 2 ** (bits - 1) // 2
    levels = [0.0, *(2.0**n for n in range(n2, n1 + 1))]
    expected = np.zeros_like(W)
    for low, high in zip(levels, levels[1:], strict=False):
        expected[(np.abs(W) >= (low + high) / 2) & (np.abs(W) < 1.5 * high)] = high
    expected[np.abs(W) >= 1.5 * levels[-1]] = levels[-1]
    assert (integers * unit == np.sign(W) * expected).all()
    quantiser.train()
    latent = torch.nn.Parameter(torch.tensor(W))
    for share, frozen in ((0.0, 0.0), (0.25, 0.5), (0.45, 0.75), (0.99, 1.0)):
        quantiser.set_progress(share)
        now = quantiser(latent)[0].detach().numpy()
        assert (now == integers).mean() == pytest.approx(frozen, abs=0.02)


def test_circulant_filters_are_turned():
    integers, _ = quantised(train.Circulant())
    first = np.where(W[0] >= 0, 1, -1)
    for turns in range(4):
        assert (integers[turns] == np.rot90(first, turns, (1, 2))).all()
    with pytest.raises(ValueError, match="Circulant filters must be square, and their number a multiple of 4"):
        train.Conv2d(1, 6, 3, train.Circulant())


def test_shift_based_batch_norm_multiplies_by_powers_of_two():
    norm = train.ShiftBatchNorm1d(3)
    x = torch.tensor(RNG.normal(3, 5, (50, 3)), dtype=torch.float32)
    for _ in range(100):
        norm(x)
    mean, variance = x.mean(0), x.var(0, unbiased=False)
    factor = 2 ** torch.round(torch.log2((variance + 1e-4).rsqrt()))
    with torch.no_grad():
        torch.testing.assert_close(norm.eval()(x), (x - mean) * factor, rtol=1e-3, atol=1e-3)
        assert torch.equal(norm.deployed()(x), norm(x))


@pytest.mark.parametrize(("penalty", "power", "initial"), [(train.r1, 1, np.median), (train.r2, 2, np.mean)])
def test_regularisers_of_bnn_plus(penalty, power, initial):
    layer = train.Linear(9, 4, train.Binary(scale=train.TrainedScale("p75")))
    w = np.abs(layer.weight.detach().numpy())
    np.testing.assert_allclose(layer.quantiser.scale.alpha.detach().numpy(), np.percentile(w, 75, axis=1), rtol=1e-5)
    expected = (np.abs(np.percentile(w, 75, axis=1)[:, None] - w) ** power).sum()
    cost = penalty(layer)
    assert cost.item() == pytest.approx(expected, rel=1e-4)
    cost.backward()
    assert layer.quantiser.scale.alpha.grad.abs().sum() > 0
    plain = train.Linear(9, 4)
    w = np.abs(plain.weight.detach().numpy())
    assert penalty(plain).item() == pytest.approx((np.abs(initial(w, axis=1)[:, None] - w) ** power).sum(), rel=1e-4)


def test_distillation_is_two_cross_entropies():
    scores, teacher = RNG.normal(size=(5, 4)), RNG.normal(size=(5, 4))
    labels = np.array([0, 3, 1, 2, 2])

    def softmax(x):
        return np.exp(x) / np.exp(x).sum(1, keepdims=True)

    learned = np.log(softmax(scores))
    expected = -learned[range(5), labels].mean() - 0.5 * (softmax(teacher) * learned).sum(1).mean()
    found = train.distillation(torch.tensor(scores), torch.tensor(labels), torch.tensor(teacher))
    assert found.item() == pytest.approx(expected)


def test_the_distribution_term_punishes_one_sided_signs():
    model = torch.nn.Sequential(train.Sign())
    costs = []
    with train.collected(model) as found:
        for mean, deviation in ((0.0, 1.0), (3.0, 0.5), (0.0, 0.1)):
            model(torch.tensor(RNG.normal(mean, deviation, (500, 3))))
            costs.append(train.distribution_loss(found).item())
            assert len(found.inputs) == 1
    # Balanced and wide enough; degenerate and saturated; within the jump.
    assert costs[0] < 0.05 and costs[1] > 4 and 0.5 < costs[2] < 1.1


def test_squared_hinge():
    scores = torch.tensor([[2.0, -0.5], [0.5, 0.5]])
    assert train.squared_hinge(scores, torch.tensor([0, 1])).item() == pytest.approx((0 + 0.25 + 2.25 + 0.25) / 4)


def test_bits_of_a_schedule():
    model = torch.nn.Sequential(train.Unsigned(2), train.Unsigned(2))
    schedule = train.BitWidths(model, (4, 3, 2))
    seen = []
    for share in (0.0, 0.34, 0.7, 1.0):
        schedule.set_progress(share)
        seen.append([part.codes for part in model])
    assert seen == [[15, 15], [7, 7], [3, 3], [3, 3]]


def test_layers_do_not_share_a_quantiser():
    quantiser = train.Binary()
    train.Linear(3, 2, quantiser)
    with pytest.raises(
        ValueError, match="^Each layer needs a quantiser of weights of its own, but this one belongs to"
    ):
        train.Linear(3, 2, quantiser)


def test_weights_are_clipped():
    layer = train.Linear(4, 2)
    torch.nn.init.constant_(layer.weight, 3.0)
    train.clip_weights(layer)
    assert layer.weight.max().item() == 1
