"""A binary recurrent network, unrolled, after Hubara et al., "Quantized Neural Networks", JMLR 2018.

h_t = sign(BN(W x_t + U h_t-1)), where x_t is row t of the image and all weights are binary. Over eight rows it is a
network without loops in which layers share their weights.
"""

from common import binary, clip_weights, layers, run
from torch import Tensor, nn

_, Linear = layers(binary)
HIDDEN = 20


class Net(nn.Module):
    """Eight steps of one cell, then a dense layer."""

    def __init__(self, quantised: bool) -> None:
        super().__init__()
        linear = Linear if quantised else nn.Linear
        self.act = binary if quantised else nn.functional.hardtanh
        self.into, self.back = linear(8, HIDDEN, bias=False), linear(HIDDEN, HIDDEN, bias=False)
        self.norm = nn.ModuleList([nn.BatchNorm1d(HIDDEN) for _ in range(8)])  # of each step
        self.last, self.scores = linear(HIDDEN, 10, bias=False), nn.BatchNorm1d(10)

    def forward(self, x: Tensor) -> Tensor:
        h = self.act(self.norm[0](self.into(x[:, 0, 0])))
        for t in range(1, 8):
            h = self.act(self.norm[t](self.into(x[:, 0, t]) + self.back(h)))
        return self.scores(self.last(h))


def build(quantised: bool) -> nn.Module:
    return Net(quantised)


if __name__ == "__main__":
    run("recurrent", build, image=True, after=clip_weights)
