"""Estimators: hard values are handed on bit by bit, gradients are those of the papers' formulas."""

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-train")

from bitweir import train  # noqa: E402

POINTS = np.array([-3.1, -1.0, -0.7, -0.2, 0.0, 0.3, 0.9, 1.0, 2.4])


def logistic(x):
    return 1 / (1 + math.exp(-x))


def sign_swish(x, beta=5.0):
    return beta * (2 - beta * x * math.tanh(beta * x / 2)) / (1 + math.cosh(beta * x))


def approx_sign(x):
    if -1 <= x < 0:
        return 2 + 2 * x
    return 2 - 2 * x if 0 <= x < 1 else 0.0


def decay(x, t):
    return max(1 / t, 1.0) * t * (1 - math.tanh(t * x) ** 2)


def soft_step(x, alpha=0.2):
    k = math.log(2 / alpha - 1) / 2
    return k * (1 - math.tanh(k * x) ** 2) / (1 - alpha) if abs(x) <= 1 else 0.0


FORMULAS = {
    "straight through": (train.StraightThrough(), lambda x: 1.0),
    "hardtanh": (train.HardTanh(), lambda x: float(abs(x) <= 1)),
    "ApproxSign": (train.ApproxSign(), approx_sign),
    "SignSwish": (train.SignSwish(5.0), sign_swish),
    "SignSwish, trainable": (train.SignSwish(3.0, trainable=True), lambda x: sign_swish(x, 3.0)),
    "EDE": (train.ErrorDecay(), lambda x: decay(x, 0.1)),
    "tanh": (train.Tanh(2.0, 30.0), lambda x: 2 * (1 - math.tanh(2 * x) ** 2)),
    "DSQ": (train.SoftStep(0.2), soft_step),
}


def gradient(function, points):
    x = torch.tensor(points, requires_grad=True)
    value = function(x)
    value.sum().backward()
    return value.detach().numpy(), x.grad.numpy()


@pytest.mark.parametrize("name", FORMULAS)
def test_sign_has_the_gradient_of_the_formula(name):
    estimator, formula = FORMULAS[name]
    value, slope = gradient(train.Sign(estimator), POINTS)
    assert (value == np.where(POINTS >= 0, 1, -1)).all()
    np.testing.assert_allclose(slope, [formula(x) for x in POINTS], rtol=1e-6, atol=1e-6)


def test_hard_values_are_not_rounded():
    hard = torch.tensor([1.0, -1.0, 3.0])
    soft = torch.tensor([1e-7, 0.3, 1e8], requires_grad=True)
    assert torch.equal(train.through(hard, soft), hard)


def test_the_error_decay_estimator_goes_from_flat_to_steep():
    estimator = train.ErrorDecay()
    model = torch.nn.Sequential(train.Sign(estimator))
    for share, t in ((0.0, 0.1), (0.5, 1.0), (1.0, 10.0)):
        train.set_progress(model, share)
        assert gradient(model, POINTS)[1] == pytest.approx([decay(x, t) for x in POINTS], rel=1e-5, abs=1e-6)
    with pytest.raises(ValueError, match=r"^The share of training that is over must be from 0 to 1, not 1\.5\.$"):
        train.set_progress(model, 1.5)


def test_beta_of_sign_swish_learns():
    estimator = train.SignSwish(2.0, trainable=True)
    x, step = 0.4, 1e-3
    train.Sign(estimator)(torch.tensor([x])).sum().backward()

    def swish(beta):
        return 2 * logistic(beta * x) * (1 + beta * x * (1 - logistic(beta * x))) - 1

    assert estimator.beta.grad.item() == pytest.approx((swish(2 + step) - swish(2 - step)) / (2 * step), rel=1e-3)


def test_dsq_has_a_step_for_each_code():
    quantiser = train.Unsigned(2, estimator=train.SoftStep(0.2))
    points = np.array([0.05, 0.2, 0.5, 0.95])
    value, slope = gradient(quantiser, points)
    assert (value == np.round(points * 3)).all()
    k = math.log(2 / 0.2 - 1)
    middles = points * 3 - np.floor(points * 3) - 0.5
    np.testing.assert_allclose(slope, 3 * k * (1 - np.tanh(k * middles) ** 2) / (0.8 * 2), rtol=1e-5)


def test_pact_learns_its_top_from_what_is_above():
    quantiser = train.Unsigned(2, 2.0, trainable=True)
    x = torch.tensor([-1.0, 0.4, 1.9, 2.5, 7.0], requires_grad=True)
    quantiser(x).sum().backward()
    # Equation 3, times the 3 / top of integer values: two of the inputs are above.
    assert quantiser.top.grad.item() == pytest.approx(2 * 3 / 2)
    assert x.grad.tolist() == [0, 1.5, 1.5, 0, 0]


@pytest.mark.parametrize(
    ("quantiser", "expected"),
    [
        (train.TernarySign(0.5), [-1, -1, -1, 0, 0, 0, 1, 1, 1]),
        (train.Unsigned(2), [0, 0, 0, 0, 0, 1, 3, 3, 3]),
        (train.Unsigned(1, 2.0), [0, 0, 0, 0, 0, 0, 0, 0, 1]),
        (train.Signed(2), [-2, -1, -1, 0, 0, 0, 1, 1, 1]),
        (train.Thermometer((-0.5, 0.5)), [-1] * 3 + [1] * 6 + [-1] * 6 + [1] * 3),
    ],
)
def test_codes(quantiser, expected):
    x = torch.tensor(POINTS)[None]
    assert quantiser(x)[0].tolist() == expected
    with torch.no_grad():
        assert quantiser.eval()(x)[0].tolist() == expected


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: train.Unsigned(9), "Codes must have 1 to 8 bits, not 9."),
        (lambda: train.Signed(1), "Signed codes must have 2 to 8 bits, not 1."),
        (lambda: train.Uniform(1), "Uniform weights must have 2 to 8 bits, not 1; one bit is Binary."),
        (lambda: train.PowersOfTwo(6), "Powers of two must have 2 to 5 bits, not 6."),
        (lambda: train.MeanScale("row"), "A mean must be taken per filter or layer, not 'row'."),
        (lambda: train.TrainedScale("most"), "A scale must begin as mean, median or p75, not 'most'."),
    ],
)
def test_what_there_is_not(make, text):
    with pytest.raises(ValueError) as found:
        make()
    assert str(found.value) == text
