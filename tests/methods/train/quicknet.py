"""QuickNet (Bannink et al., "Larq Compute Engine", MLSys 2021), as Larq's zoo has it, in torch.

Residual blocks x + BN(ReLU(conv(sign(x)))) with binary 3x3 convolutions, padded with ones. First and last layer have
8-bit weights here, and the last one 4-bit inputs.
"""

from bireal import Conv8, Linear8
from common import act, binary, four_bits, layers, run
from torch import Tensor, nn
from torch.nn import functional

Binary, _ = layers(binary)


class Block(nn.Module):
    """x + BN(ReLU(conv(pad(sign(x)))))."""

    def __init__(self, channels: int, quantised: bool) -> None:
        super().__init__()
        self.quantised = quantised
        self.conv = (Binary if quantised else nn.Conv2d)(channels, channels, 3, bias=False)
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        inner = binary(x) if self.quantised else functional.hardtanh(x)
        return x + self.norm(self.conv(functional.pad(inner, (1, 1, 1, 1), value=1.0)).relu())


def build(quantised: bool) -> nn.Module:
    first, last = (Conv8, Linear8) if quantised else (nn.Conv2d, nn.Linear)
    return nn.Sequential(
        first(1, 10, 3, stride=2, padding=1, bias=False),
        nn.BatchNorm2d(10),
        Block(10, quantised),
        Block(10, quantised),
        nn.AvgPool2d(2),
        act(four_bits)(10) if quantised else nn.ReLU(),
        nn.Flatten(),
        last(40, 10, bias=False),
    )


if __name__ == "__main__":
    run("quicknet", build, image=True)
