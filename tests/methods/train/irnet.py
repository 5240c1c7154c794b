"""IR-Net (Qin et al., CVPR 2020): information retention.

Libra parameter binarisation: w_std = (w - mean w) / std of each filter; B_w = sign(w_std); Q(w) = B_w << >> s, s =
round(log2(mean |w_std|)). Error decay estimator: the gradient of sign is that of k tanh(t x), where t grows from 0.1
to 10 and k = max(1/t, 1).
"""

import torch
from common import cnn, hardtanh, layers, run, through
from torch import Tensor, nn

STATE = {"t": 0.1}


def estimator(x: Tensor) -> Tensor:
    """sign with the gradient of k tanh(t x)."""
    t = STATE["t"]
    return through(torch.sign(x), max(1 / t, 1.0) * torch.tanh(t * x))


def libra(w: Tensor) -> Tensor:
    """B_w << >> s, as in the authors' code."""
    flat = (-1, *[1] * (w.dim() - 1))
    bw = w - w.flatten(1).mean(dim=1).view(flat)
    bw = bw / bw.flatten(1).std(dim=1).view(flat)
    sw = torch.pow(
        torch.tensor(2.0), torch.round(torch.log(bw.abs().flatten(1).mean(dim=1)) / torch.log(torch.tensor(2.0)))
    )
    return estimator(bw) * sw.view(flat).detach()


class Activation(nn.Module):
    """The estimator as a layer."""

    def forward(self, x: Tensor) -> Tensor:
        return estimator(x)


def decay(net: nn.Module, progress: float) -> None:
    """t = T_min 10^(i / N log10(T_max / T_min))."""
    STATE["t"] = 0.1 * 100**progress


def build(quantised: bool) -> nn.Module:
    STATE["t"] = 0.1
    if not quantised:
        return cnn(nn.Conv2d, nn.Linear, hardtanh)
    conv, linear = layers(libra)
    return cnn(conv, linear, lambda channels: Activation())


if __name__ == "__main__":
    run("irnet", build, image=True, after=decay)
