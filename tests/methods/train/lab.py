"""LAB, loss-aware binarisation (Hou et al., ICLR 2017).

With d the diagonal of a second-order approximation of the loss (the root of Adam's second moment), alpha = ||d o
w||_1 / ||d||_1 and b = sign(w) for each layer. Activations are binarised by sign (LAB2). What is deployed is alpha
sign(w), as in BWN.
"""

import torch
from common import act, binary, clip_weights, hardtanh, mlp, run
from torch import Tensor, nn
from torch.nn import functional


class Linear(nn.Linear):
    """alpha sign(w); d is kept as a moving average of squared gradients of w."""

    def __init__(self, fan_in: int, fan_out: int, bias: bool = False) -> None:
        super().__init__(fan_in, fan_out, bias=bias)
        self.second = torch.ones(fan_out, fan_in)  # no buffer: it is of no use once training is over
        self.register_buffer("alpha", torch.ones(()))
        self.weight.register_hook(self.see)

    def see(self, gradient: Tensor) -> None:
        """Keep d as a moving average."""
        self.second = 0.99 * self.second + 0.01 * gradient**2

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            d = self.second.sqrt() + 1e-8
            self.alpha = (d * self.weight.abs()).sum().detach() / d.sum()
        return functional.linear(x, self.alpha * binary(self.weight), self.bias)


def build(quantised: bool) -> nn.Module:
    return mlp(Linear, act(binary)) if quantised else mlp(nn.Linear, hardtanh)


if __name__ == "__main__":
    run("lab", build, after=clip_weights)
