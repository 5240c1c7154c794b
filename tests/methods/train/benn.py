"""BENN, binary ensemble neural networks (Zhu et al., CVPR 2019).

K networks; bagging trains each on its own draw of the images, boosting weighs images that the networks before got
wrong. The ensemble's answer is the class with the most votes, or that of the highest sum of scores, weighed with each
network's boosting factor u_k = log((1 - e_k) / e_k) + log(9) (SAMME).
"""

import numpy as np
import torch
from common import LEVELS, act, binary, classes_of, clip_weights, fit, hardtanh, layers, mlp, note, split_digits
from torch import Tensor, nn

_, Linear = layers(binary)
MEMBERS = 3
WIDTHS = (12, 12)


class Ensemble(nn.Module):
    """The sum of weighed scores, in one module."""

    def __init__(self, members: list[nn.Module], weights: list[float]) -> None:
        super().__init__()
        self.members = nn.ModuleList(members)
        self.register_buffer("weights", torch.tensor(weights))

    def forward(self, x: Tensor) -> Tensor:
        return sum(self.weights[k] * member(x) for k, member in enumerate(self.members))


def trained(build, x: Tensor, y: Tensor, seed: int) -> nn.Module:
    torch.manual_seed(seed)
    net = build()
    fit(net, x, y, 40, 0.01, after=clip_weights)
    return net


def main() -> None:
    digits = split_digits()
    x, x_test = torch.from_numpy(digits.x) / LEVELS, torch.from_numpy(digits.x_test) / LEVELS
    y = torch.from_numpy(digits.y)
    torch.set_num_threads(1)
    plain = trained(lambda: mlp(nn.Linear, hardtanh, widths=WIDTHS), x, y, 0)
    right_float = int((classes_of(plain, x_test) == digits.y_test).sum())

    def build() -> nn.Module:
        return mlp(Linear, act(binary), widths=WIDTHS)

    draw = np.random.default_rng(0)
    for k in range(MEMBERS):
        chosen = torch.from_numpy(draw.choice(len(x), len(x)))
        net = trained(build, x[chosen], y[chosen], k)
        note(f"benn_bagging_{k}", net, x_test, digits.y_test, classes_of(net, x_test), right_float, False)
    members, factors, weights = [], [], np.full(len(x), 1 / len(x))
    for k in range(MEMBERS):
        chosen = torch.from_numpy(draw.choice(len(x), len(x), p=weights))
        net = trained(build, x[chosen], y[chosen], 10 + k)
        wrong = classes_of(net, x) != digits.y
        error = max(float(weights[wrong].sum()), 1e-3)
        factor = float(np.log((1 - error) / error) + np.log(9))
        weights = weights * np.exp(factor * wrong)
        weights /= weights.sum()
        members.append(net)
        factors.append(factor)
    net = Ensemble(members, factors).eval()
    note("benn_boosting", net, x_test, digits.y_test, classes_of(net, x_test), right_float, False)


if __name__ == "__main__":
    main()
