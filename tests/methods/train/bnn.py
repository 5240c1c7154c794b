"""Binarized neural networks (Courbariaux et al., arXiv:1602.02830).

Section 1.1, equation 1: x_b = +1 if x >= 0, else -1, for weights and activations. Section 1.3, equation 4: the
gradient passes where |x| <= 1, so a Hardtanh stands before each sign. Section 1.4 (shift-based batch norm): each
factor is replaced by AP2, the nearest power of two with its sign. The networks have biases, batch norm behind each
layer, also the last one.
"""

import torch
from common import act, binary, clip_weights, cnn, hardtanh, layers, mlp, run, through
from torch import nn

Conv, Linear = layers(binary)


def ap2(x: torch.Tensor) -> torch.Tensor:
    """sign(x) 2^round(log2 |x|), with gradient 1."""
    return through(torch.sign(x) * 2.0 ** torch.round(torch.log2(x.abs() + 1e-12)), x)


class ShiftNorm(nn.BatchNorm1d):
    """Algorithm 3: C(x) = x - mean; variance from C AP2(C); y = AP2(gamma) (C << >> AP2(1 / sqrt(var + eps))) +
    beta.
    """

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.training:
            centred = x - x.mean(dim=0)
            variance = (centred * ap2(centred)).mean(dim=0)
            with torch.no_grad():
                self.running_mean += self.momentum * (x.mean(dim=0) - self.running_mean)
                self.running_var += self.momentum * (variance - self.running_var)
        else:
            centred, variance = x - self.running_mean, self.running_var
        return ap2(self.weight) * (centred * ap2(1 / torch.sqrt(variance + self.eps))) + self.bias


class Binary(nn.Module):
    """Hardtanh, then sign as torch has it, whose value at 0 is 0; the detour of the gradient stays in the file."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        soft = nn.functional.hardtanh(x)
        return soft + (torch.sign(soft) - soft).detach()


def build(quantised: bool) -> nn.Module:
    made = mlp(Linear, lambda channels: Binary(), bias=True) if quantised else mlp(nn.Linear, hardtanh, bias=True)
    return nn.Sequential(made, nn.LogSoftmax(dim=1))


def build_shift(quantised: bool) -> nn.Module:
    net = mlp(Linear, act(binary)) if quantised else mlp(nn.Linear, hardtanh)
    if quantised:
        for k, layer in enumerate(net):
            if isinstance(layer, nn.BatchNorm1d):
                net[k] = ShiftNorm(layer.num_features)
    return net


def build_cnn(quantised: bool) -> nn.Module:
    return cnn(Conv, Linear, act(binary)) if quantised else cnn(nn.Conv2d, nn.Linear, hardtanh)


if __name__ == "__main__":
    run("bnn", build, after=clip_weights)
    run("bnn_shift", build_shift, after=clip_weights)
    run("bnn_cnn", build_cnn, image=True, after=clip_weights)
