"""BinaryConnect (Courbariaux et al., NIPS 2015): binary weights, real activations.

Section 2.2: w_b = +1 if w >= 0, else -1; section 2.4: latent weights are clipped to -1 to 1. Activations are ReLU in
floating point, which no integer hardware computes; the second network rounds them to 8 bits, the usual remedy.
"""

from common import act, binary, clip_weights, layers, mlp, relu, run, unsigned
from torch import nn

_, Linear = layers(binary)


def build(quantised: bool) -> nn.Module:
    return mlp(Linear if quantised else nn.Linear, relu)


def build_relu8(quantised: bool) -> nn.Module:
    return mlp(Linear, act(lambda x: 4 * unsigned(x.relu() / 4, 8))) if quantised else mlp(nn.Linear, relu)


if __name__ == "__main__":
    run("binaryconnect", build, after=clip_weights)
    run("binaryconnect_relu8", build_relu8, after=clip_weights)
