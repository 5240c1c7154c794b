"""DoReFa-Net (Zhou et al., arXiv:1606.06160).

quantise_k(r) = round((2^k - 1) r) / (2^k - 1). Section 2.3: for one bit W = sign(W) E(|W|), one scale for the layer;
for more W = 2 quantise_k(tanh(W) / (2 max |tanh W|) + 1/2) - 1. Section 2.4: activations are quantise_k(clip(x, 0,
1)). Section 2.7: the first and the last layer stay in floating point. Gradients of k bits (section 2.5) change
training alone, and are left out.
"""

from functools import partial

from common import act, cnn, layers, mlp, relu, rounded, run, sign, through, unsigned
from torch import Tensor, nn


def weights(w: Tensor, bits: int) -> Tensor:
    """For one bit, and for more."""
    if bits == 1:
        return through(sign(w), w) * w.abs().mean().detach()
    top = 2**bits - 1
    half = w.tanh() / (2 * w.tanh().abs().max()) + 0.5
    return 2 * rounded(top * half) / top - 1


def build(quantised: bool, w_bits: int = 1, a_bits: int = 2, ends: bool = False) -> nn.Module:
    """`ends`: the first and the last layer are quantised, too."""
    conv, linear = layers(partial(weights, bits=w_bits)) if quantised else (nn.Conv2d, nn.Linear)
    activation = act(partial(unsigned, bits=a_bits)) if quantised else relu
    return cnn(conv, linear, activation) if ends else cnn(conv, linear, activation, first=nn.Conv2d, last=nn.Linear)


def build_mlp(quantised: bool) -> nn.Module:
    _, linear = layers(partial(weights, bits=1)) if quantised else (nn.Conv2d, nn.Linear)
    return mlp(linear, act(partial(unsigned, bits=4)) if quantised else relu)


if __name__ == "__main__":
    run("dorefa", build, image=True)
    run("dorefa_w1a2", lambda quantised: build(quantised, ends=True), image=True)
    run("dorefa_w2a2", lambda quantised: build(quantised, w_bits=2, ends=True), image=True)
    run("dorefa_w1a4", build_mlp)
