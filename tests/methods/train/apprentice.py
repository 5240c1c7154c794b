"""Apprentice (Mishra and Marr, ICLR 2018): a network of real weights teaches one of low precision.

Loss = alpha H(y, p_teacher) + beta H(y, p_student) + gamma H(z_teacher, p_student). It changes training alone. The
teacher is trained before (the paper's scheme B); the student has binary weights and 2-bit activations.
"""

import torch
from common import act, binary, clip_weights, fit, layers, mlp, relu, run, split_digits, unsigned
from torch import Tensor, nn
from torch.nn import functional

_, Linear = layers(binary)


def teacher() -> nn.Module:
    """A wider network of real weights."""
    digits = split_digits()
    torch.manual_seed(1)
    net = mlp(nn.Linear, relu, widths=(64, 64))
    fit(net, torch.from_numpy(digits.x) / 16, torch.from_numpy(digits.y), 40, 0.01)
    return net


def build(quantised: bool) -> nn.Module:
    return mlp(Linear, act(lambda x: unsigned(x, 2))) if quantised else mlp(nn.Linear, relu)


if __name__ == "__main__":
    taught = teacher()

    def loss(scores: Tensor, y: Tensor, x: Tensor) -> Tensor:
        with torch.no_grad():
            soft = taught(x).softmax(dim=1)
        return functional.cross_entropy(scores, y) + 0.5 * functional.cross_entropy(scores, soft)

    run("apprentice", build, after=clip_weights, loss=loss)
