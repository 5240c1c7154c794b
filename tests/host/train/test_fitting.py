"""Training that is interrupted goes on as if it had not been; ensembles vote."""

import math

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: make test-train")

import bitweir  # noqa: E402
from bitweir import train  # noqa: E402
from torch import nn  # noqa: E402

X = torch.randint(0, 17, (128, 12), generator=torch.Generator().manual_seed(1)).float()
Y = (X[:, 0] > X[:, 1]).long() + (X[:, 2] > 12).long()


def model(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        train.Linear(12, 8), nn.BatchNorm1d(8), train.Sign(train.ErrorDecay()), train.Linear(8, 3), nn.BatchNorm1d(3)
    )


def test_it_learns_and_repeats():
    found = []
    for _ in range(2):
        net = model()
        before = train.accuracy(net, X, Y)
        train.fit(net, X, Y, epochs=12, rate=0.02, batch=16, augment=lambda x: x + torch.randn_like(x))
        found.append((train.accuracy(net, X, Y), net.state_dict()))
    assert found[0][0] > before + 0.1, (before, found[0][0])
    assert not net.training
    assert all(torch.equal(found[0][1][key], value) for key, value in found[1][1].items())


def test_a_checkpoint_goes_on_to_the_same_weights():
    kept = {}

    def keep(done, optimiser):
        if done == 2:
            kept["model"] = {key: value.clone() for key, value in whole.state_dict().items()}
            kept["optimiser"] = {
                "state": {k: {n: v.clone() for n, v in s.items()} for k, s in optimiser.state_dict()["state"].items()},
                "param_groups": optimiser.state_dict()["param_groups"],
            }

    whole = model()
    train.fit(whole, X, Y, epochs=4, batch=32, each_epoch=keep)
    second = model(seed=9)
    second.load_state_dict(kept["model"])
    optimiser = torch.optim.Adam(second.parameters(), lr=0.01)
    optimiser.load_state_dict(kept["optimiser"])
    train.fit(second, X, Y, epochs=4, batch=32, optimiser=optimiser, start=2)
    assert all(torch.equal(second.state_dict()[key], value) for key, value in whole.state_dict().items())


def test_steps_tell_what_is_done():
    shares, penalties = [], []

    def penalty(net):
        penalties.append(1)
        return 1e-6 * train.r1(net)

    def loss(scores, y, x):
        return train.squared_hinge(scores, y) + 0 * x.sum()

    train.fit(model(), X, Y, epochs=2, batch=64, penalty=penalty, loss=loss, after=shares.append)
    assert shares == [0, 0.25, 0.5, 0.75] and len(penalties) == 4


def test_a_batch_has_no_more_images_than_there_are():
    with pytest.raises(ValueError, match=r"^A batch must have at most as many images as there are, 128, not 200\.$"):
        train.fit(model(), X, Y, epochs=1, batch=200)


def members(way):
    def make(x, y, seed):
        net = model(seed)
        train.fit(net, x, y, epochs=2, batch=32, rate=0.02, seed=seed)
        return net

    return way(make, X, Y, 3)


def test_bagging_votes_once_each():
    found = members(train.bagging)
    assert found.weights == (1, 1, 1)
    each = torch.stack([net(X).argmax(1) for net in found.networks])
    assert torch.equal(found.votes(X).argmax(1), nn.functional.one_hot(each, 3).sum(0).argmax(1))
    assert len({tuple(net[0].weight.flatten().tolist()) for net in found.networks}) == 3


def test_boosting_gives_the_better_network_more_votes_and_is_deployed_as_one():
    found = members(train.boosting)
    error = (found.networks[0](X).argmax(1) != Y).double().mean().item()
    assert found.weights[0] == pytest.approx(math.log((1 - error) / error) + math.log(2), rel=1e-6)
    checked = bitweir.check(found.module, X.numpy().astype(int), input_range=(0, 16))
    assert checked.difference is None
