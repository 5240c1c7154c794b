"""What Hypothesis draws: small networks, plans that fit them, stalls, codes."""

from dataclasses import replace
from math import lcm, prod

import numpy as np
from bitweir_hw.memory import STREAM, STYLES
from bitweir_hw.network import (
    BIPOLAR,
    LABEL,
    Affine,
    Argmax,
    Conv,
    Dense,
    Format,
    Input,
    Network,
    Readout,
    Threshold,
    check,
    in_series,
)
from bitweir_hw.plan import Folding, Plan, step_counts, weighted, wired, words_of
from bitweir_hw.popcount import Popcount
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from support.drawn_layers import Layers, large, may_follow

CYCLES = 64  # stalls are drawn for so many cycles; later ones are free
LARGEST_SIMD, LARGEST_PE = 96, 16


def identity_input(size):
    """An input whose elements are the frame's, in order, +1 from 0.5 on."""
    return Input(shape=(size,), format=BIPOLAR, thresholds=np.array([[0.5]]), source=np.arange(size))


@st.composite
def dense_layers(draw, name, inputs, outputs, *, last):
    weights = draw(hnp.arrays(bool, (outputs, inputs)))
    if last:
        return Dense(name=name, weights=weights)
    # Beyond -inputs and inputs a neuron is constant: trained networks have such neurons.
    thresholds = draw(hnp.arrays(np.int64, (outputs, 1), elements=st.integers(-inputs - 2, inputs + 2)))
    return Dense(name=name, weights=weights, thresholds=thresholds, output=BIPOLAR)


def usual_readout(layers, entry):
    """A class where there is something to choose from, else the score."""
    end = in_series(layers, entry.map)
    a_class = end.channels > 1 and end.pixels == 1
    return Readout() if a_class else Readout(kind="scores", scale=("1",), offset=("0",))


@st.composite
def _fractions(draw, outputs, count=None):
    """Fractions in lowest terms, one for all outputs or one for each."""
    number = st.fractions(-100, 100, max_denominator=1000).map(str)
    counts = [1, outputs] if count is None else [count]
    return tuple(draw(number) for _ in range(draw(st.sampled_from(counts))))


@st.composite
def ended(draw, layers, end, kinds=("class", "class", "labels", "scores", "codes")):
    """Layers that hand on accumulators, with what makes a result of any kind of them, and the readout."""
    possible = [kind for kind in kinds if kind != "class" or (end.channels > 1 and end.pixels == 1)]
    kind = draw(st.sampled_from(possible or ["scores"]))
    if kind == "class":
        return layers, Readout()
    if kind == "labels":
        output, readout = LABEL, Readout(kind="labels")
    else:
        readout = Readout(kind=kind, scale=draw(_fractions(end.channels)), offset=draw(_fractions(end.channels)))
        output = Format(
            bits=draw(st.integers(1, 3)), offset=draw(st.integers(-4, 4)), step=draw(st.sampled_from([1, 2, -3]))
        )
    if kind == "scores":
        return layers, readout
    # Most thresholds amid what occurs, some at its ends or out of reach.
    limits = st.integers(end.low - 1, end.high + 2) if end.high - end.low < 1 << 50 else st.integers(-9, 9)
    count = draw(st.integers(1, output.codes - 1))
    thresholds = np.sort(draw(hnp.arrays(np.int64, (end.channels, count), elements=limits)), axis=1)
    last = layers[-1]
    if isinstance(last, (Dense, Conv)) and draw(st.booleans()):
        return (*layers[:-1], replace(last, thresholds=thresholds, output=output)), readout
    return (*layers, Threshold(name="end", thresholds=thresholds, output=output)), readout


@st.composite
def dense_networks(draw, *, max_size=17, max_layers=3):
    """Dense networks with one-bit inputs and activations."""
    sizes = draw(st.lists(st.integers(1, max_size), min_size=2, max_size=max_layers + 1))
    layers = [
        draw(dense_layers(f"dense{index}", inputs, outputs, last=index == len(sizes) - 2))
        for index, (inputs, outputs) in enumerate(zip(sizes, sizes[1:], strict=False))
    ]
    if draw(st.booleans()):
        values = hnp.arrays(np.int64, sizes[-1], elements=st.integers(-100, 100))
        layers.append(Affine(name="scores", scale=draw(values), offset=draw(values)))
    entry = identity_input(sizes[0])
    done, readout = draw(ended(tuple(layers), in_series(tuple(layers), entry.map)))
    return check(Network(name="net", input=entry, layers=done, readout=readout))


#: Formats of inputs: bipolar, unsigned, signed, {-1, 0, 1}, odd steps.
INPUT_FORMATS = [
    BIPOLAR,
    Format(bits=1),
    Format(bits=2, offset=-1),
    Format(bits=2, offset=-3, step=2),
    Format(bits=8),
    Format(bits=8, offset=-128),
    Format(bits=2),
    Format(bits=3, offset=-4),
    Format(bits=8, offset=-255, step=2),
    Format(bits=2, offset=5, step=-3),
]


@st.composite
def networks(draw, *, max_size=12, max_layers=4):
    """Small networks of all kinds of layers, in series and parallel, from vectors or maps to scores."""
    entry = draw(_entries(max_size))
    layers = Layers(draw, max_size)
    body, source = layers.some(draw(st.integers(0, max_layers - 1)), entry.map, depth=2)
    body += layers.scores(source)
    done, readout = draw(ended(body, in_series(body, entry.map)))
    return check(Network(name="net", input=entry, layers=done, readout=readout))


@st.composite
def map_networks(draw):
    """A convolution to a map, and a result of any kind for each of its pixels."""
    entry = draw(_entries(6).filter(lambda entry: entry.map.pixels > 1))
    layers = Layers(draw, 6)
    body = (layers.conv(entry.map, draw(st.integers(1, 5)), layers.window(entry.map), groups=1, plain=True),)
    if draw(st.booleans()):
        body += (layers.upsample(in_series(body, entry.map)),)
    end = in_series(body, entry.map)
    if end.channels > 1 and draw(st.booleans()):
        body, readout = (*body, Argmax(name="choice")), Readout(kind="classes")
    else:
        body, readout = draw(ended(body, end, kinds=("labels", "scores", "codes")))
    return check(Network(name="net", input=entry, layers=body, readout=readout))


@st.composite
def networks_with(draw, kind, *, max_size=8):
    """Networks with a layer of a class, on the input or behind another layer, and with what makes scores of it."""
    entry = draw(_entries(max_size))
    layers = Layers(draw, max_size)
    body, source = layers.some(draw(st.integers(0, 1)), entry.map, depth=1)
    if not may_follow(kind, source):
        # Whatever there is, a dense layer makes a vector of it, whose codes rise.
        outputs = max(layers.size(), 2 if kind is Argmax else 1)
        layer = replace(layers.dense(source, outputs, plain=True), thresholds=None)
        layer = replace(layer, thresholds=np.zeros((layer.outputs, 1), np.int64), output=BIPOLAR)
        body, source = (*body, layer), in_series((layer,), source)
    body += (layers.one(kind, source),)
    source = in_series(body, entry.map)
    if large(source):
        body += (layers.threshold(source),)
    body += layers.scores(in_series(body, entry.map))
    return check(Network(name="net", input=entry, layers=body, readout=usual_readout(body, entry)))


@st.composite
def grouped_networks(draw):
    """A convolution with groups on a map, perhaps behind one that hands on sums, and what makes scores of it."""
    entry = draw(_entries(6).filter(lambda entry: entry.map.pixels > 1 and entry.map.channels > 1))
    layers = Layers(draw, 6)
    body = (layers.conv(entry.map, None, layers.window(entry.map)),) if draw(st.booleans()) else ()
    source = in_series(body, entry.map)
    groups = draw(st.sampled_from([n for n in range(1, source.channels + 1) if source.channels % n == 0][-2:]))
    body += (layers.conv(source, groups * draw(st.integers(1, 3)), layers.window(source), groups=groups),)
    body += layers.scores(in_series(body, entry.map))
    done, readout = draw(ended(body, in_series(body, entry.map)))
    return check(Network(name="net", input=entry, layers=done, readout=readout))


@st.composite
def networks_of_two_groupings(draw):
    """Two convolutions of one pixel, of which the second's groups take the outputs of another number of groups."""
    first, second = draw(st.lists(st.integers(1, 4), min_size=2, max_size=2))
    between = lcm(first, second) * draw(st.integers(1, 2))
    shape = (1, draw(st.integers(1, 2)), between // first)
    entry = replace(identity_input(prod(shape)), map_shape=shape)
    layers, point = Layers(draw, 6), ((1, 1), (1, 1), (0, 0, 0, 0))
    body = (layers.conv(entry.map, between, point, groups=between // first),)
    groups = between // second
    body += (layers.conv(in_series(body, entry.map), groups * draw(st.integers(1, 2)), point, groups=groups),)
    body += layers.scores(in_series(body, entry.map))
    return check(Network(name="net", input=entry, layers=body, readout=usual_readout(body, entry)))


@st.composite
def _entries(draw, max_size):
    """Inputs of vectors or maps, of any format."""
    form = draw(st.sampled_from(INPUT_FORMATS))
    shape = (1, 1, draw(st.integers(1, max_size)))
    if draw(st.sampled_from([False, True, True])):
        shape = (draw(st.integers(1, 7)), draw(st.integers(1, 7)), draw(st.integers(1, 6)))
    size = prod(shape)
    order = np.arange(size)
    if draw(st.booleans()):  # frames (C, H, W), as most frameworks have them
        order = order.reshape(shape[2], *shape[:2]).transpose(1, 2, 0).ravel()
    return Input(
        shape=(size,),
        format=form,
        thresholds=np.arange(1, form.codes, dtype=np.float64)[None] - 0.5,
        source=order,
        map_shape=shape,
    )


@st.composite
def plans(draw, network, *, max_streams=2, streamed=False):
    """Foldings that fit, dividing or not; with `streamed`, of some layers whose weights come over a stream.

    Pixels of these share weights, or not.
    """
    foldings = []
    for layer, result in weighted(network):
        neurons = layer.outputs // layer.groups
        sizes = (min(neurons, LARGEST_PE), min(layer.inputs, LARGEST_SIMD))
        limits = [1 << (size - 1).bit_length() for size in sizes]
        at_once = draw(st.sampled_from([n for n in range(1, layer.groups + 1) if layer.groups % n == 0]))
        if at_once == 1:
            pe, simd = (draw(st.integers(1, limit)) for limit in limits)
        else:
            channels = layer.weights.shape[-1]
            pe, simd = at_once * neurons, channels * draw(st.integers(1, limits[1] // channels))
        memory = draw(st.sampled_from((STREAM, *STYLES) if streamed else STYLES))
        folding = Folding(pe=pe, simd=simd, memory=memory)
        if memory == STREAM and words_of(layer, folding) == 1:
            folding = replace(folding, memory="auto")
        if folding.memory == STREAM and layer.groups == at_once:
            columns = result.shape[1]
            folding = replace(folding, share=draw(st.sampled_from([n for n in (1, 2, 3, 4, 5) if columns % n == 0])))
        foldings.append(folding)
    popcount = Popcount(style=draw(st.sampled_from(["tree", "fused"])), levels_per_stage=draw(st.integers(0, 3)))
    return Plan(foldings=tuple(foldings), popcount=popcount, parallel_frames=draw(st.integers(1, max_streams)))


@st.composite
def wired_plans(draw, network):
    """Plans in which some layers are wired."""
    plan = draw(plans(network))
    layers = zip(weighted(network), plan.foldings, strict=True)
    foldings = tuple(
        replace(wired(layer), steps=draw(st.sampled_from(step_counts(network, layer) or [1])))
        if draw(st.sampled_from([True, True, False]))
        else own
        for (layer, _), own in layers
    )
    style = draw(st.sampled_from(["tree", "fused", "xc7"]))
    return replace(plan, foldings=foldings, popcount=replace(plan.popcount, style=style))


def stalls():
    """For each cycle, whether the side goes on; shrinks towards no stalls."""
    stalled = st.lists(st.booleans(), max_size=CYCLES).map(lambda flags: ~np.array(flags, bool))
    return st.one_of(st.just(np.ones(0, bool)), stalled)


def codes(network, frames):
    """So many frames of codes."""
    return hnp.arrays(np.uint8, (frames, network.input.size), elements=st.integers(0, network.input.format.codes - 1))
