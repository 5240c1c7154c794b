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
    Branched,
    Concat,
    Conv,
    Dense,
    Format,
    Input,
    Network,
    Parallel,
    Piecewise,
    Pool,
    Readout,
    Select,
    Threshold,
    Upsample,
    Vote,
    check,
    in_series,
)
from bitweir_hw.plan import Folding, Plan, step_counts, weighted, wired, words_of
from bitweir_hw.popcount import Popcount
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

CYCLES = 64  # stalls are drawn for so many cycles; later ones are free
LARGEST_MAP = 96  # elements, from which on layers do not make maps larger: simulating them is most of a test
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
    layers = _Layers(draw, max_size)
    body, source = layers.some(draw(st.integers(0, max_layers - 1)), entry.map, depth=2)
    body += layers.scores(source)
    done, readout = draw(ended(body, in_series(body, entry.map)))
    return check(Network(name="net", input=entry, layers=done, readout=readout))


@st.composite
def map_networks(draw):
    """A convolution to a map, and a result of any kind for each of its pixels."""
    entry = draw(_entries(6).filter(lambda entry: entry.map.pixels > 1))
    layers = _Layers(draw, 6)
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
    layers = _Layers(draw, max_size)
    body, source = layers.some(draw(st.integers(0, 1)), entry.map, depth=1)
    if not may_follow(kind, source):
        # Whatever there is, a dense layer makes a vector of it, whose codes rise.
        outputs = max(layers.size(), 2 if kind is Argmax else 1)
        layer = replace(layers.dense(source, outputs, plain=True), thresholds=None)
        layer = replace(layer, thresholds=np.zeros((layer.outputs, 1), np.int64), output=BIPOLAR)
        body, source = (*body, layer), in_series((layer,), source)
    body += (layers.one(kind, source),)
    source = in_series(body, entry.map)
    if _large(source):
        body += (layers.threshold(source),)
    body += layers.scores(in_series(body, entry.map))
    return check(Network(name="net", input=entry, layers=body, readout=usual_readout(body, entry)))


@st.composite
def grouped_networks(draw):
    """A convolution with groups on a map, perhaps behind one that hands on sums, and what makes scores of it."""
    entry = draw(_entries(6).filter(lambda entry: entry.map.pixels > 1 and entry.map.channels > 1))
    layers = _Layers(draw, 6)
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
    layers, point = _Layers(draw, 6), ((1, 1), (1, 1), (0, 0, 0, 0))
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


def _large(source):
    """Whether products with weights and their sums would come near the limits of numbers."""
    return max(abs(source.low), abs(source.high)) >= 1 << 24


def _falling(source):
    """Whether higher codes mean lower values, which all layers that compare refuse."""
    return source.format is not None and source.format.step < 0


class _Layers:
    """Draws layers, each legal after the map that it follows.

    Hypothesis draws the structure. Weights, thresholds and the like come from a generator with a drawn seed:
    as draws of their own they would be most of the work.
    """

    def __init__(self, draw, max_size):
        self._draw, self._max_size = draw, max_size
        self._rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
        self._count = 0

    def some(self, count, source, depth):
        """So many layers of any kind, and the map that they hand on; `depth` is how deep branches may nest."""
        layers = ()
        for _ in range(count):
            layer = self._any(source, depth)
            layers, source = (*layers, layer), in_series((layer,), source)
            if _large(source):
                layer = self.threshold(source)
                layers, source = (*layers, layer), in_series((layer,), source)
        return layers, source

    def scores(self, source):
        """The last layers, which hand on a vector of accumulators."""
        kinds = ["dense", "dense", "sum", "filters", "ensemble"]
        if source.pixels == 1 and source.format is None:
            kinds.append("nothing")
        if not self._sums_fit(source):
            kinds = [kind for kind in kinds if kind not in ("dense", "filters")]
        kind = self._pick(kinds)
        layers = ()
        if kind == "dense":
            layers = (self.dense(source, self._size(self._max_size), plain=True),)
        elif kind == "filters":
            layers = (self.conv(source, self._size(6), (source.shape[:2], (1, 1), (0, 0, 0, 0)), plain=True),)
        elif kind == "sum":
            layers = (Pool(name=self._name("pool"), kind="sum", kernel=source.shape[:2], stride=(1, 1)),)
        elif kind == "ensemble":
            layers = (self.parallel(source, depth=1, to="vector"),)
        end = in_series(layers, source)
        return (*layers, self.affine(end)) if self._draw(st.booleans()) else layers

    def _any(self, source, depth):
        kinds = [kind for kind in DRAWN if (depth or not issubclass(kind, Branched)) and may_follow(kind, source)]
        if source.size > LARGEST_MAP:
            kinds = [kind for kind in kinds if kind not in (Concat, Upsample)]
        if source.pixels > 1:
            kinds = [Conv, Conv, *(kind for kind in kinds if kind is not Dense)]  # a dense layer ends all maps
        return self.one(self._pick(kinds), source, depth)

    def one(self, kind, source, depth=1):
        """A layer of a class that may follow a map."""
        return DRAWN[kind](self, source, depth)

    # ---- layers

    def dense(self, source, outputs, *, plain=False):
        layer = Dense(name=self._name("dense"), weights=self._weights((outputs, source.size)))
        return self._finish(layer, source, plain)

    def conv(self, source, outputs, geometry, *, plain=False, groups=None):
        """With any number of filters where `outputs` is None, and of groups where `groups` is None."""
        kernel, stride, pads = geometry
        channels = source.channels
        if groups is None:
            groups = self._pick([g for g in (1, 2, 3, channels) if channels % g == 0 and (outputs or g) % g == 0])
        outputs = outputs or groups * self._size(max(1, 6 // groups))
        layer = Conv(
            name=self._name("conv"),
            weights=self._weights((outputs, *kernel, channels // groups)),
            stride=stride,
            pads=pads,
            pad_value=self._pick([0, -1, 1, 3]),
            groups=groups,
        )
        if self._pick([False] * 9 + [True]):
            rows, columns = layer.output_map(source).shape[:2]
            layer = replace(layer, edges=self._rng.integers(-9, 10, (rows, columns, outputs)), by_pixel=True)
        elif any(pads) and self._pick([False, False, True]):
            classes = layer.windows(source.shape).shape
            layer = replace(layer, edges=self._rng.integers(-9, 10, (*classes, outputs)))
        return self._finish(layer, source, plain)

    def pool(self, source, geometry):
        kernel, stride, pads = geometry
        name = self._name("pool")
        if _falling(source) or self._draw(st.booleans()):
            kernel = tuple(min(pair) for pair in zip(kernel, source.shape, strict=False))
            return Pool(name=name, kind="sum", kernel=kernel, stride=stride)
        least = self._rng.random(source.channels) < 0.5 if self._draw(st.booleans()) else None
        return Pool(name=name, kind="max", kernel=kernel, stride=stride, pads=pads, least=least)

    def threshold(self, source, output=None):
        output = output or self._output()
        ends = np.full((source.channels, 2), [source.low, source.high], np.int64)
        thresholds = self._thresholds(ends, ends.mean(axis=1), np.ptp(ends, axis=1) / 4, output)
        return Threshold(name=self._name("threshold"), thresholds=thresholds, output=output)

    def affine(self, source):
        scale, offset = self._rng.integers(-5, 6, (2, source.channels))
        if self._draw(st.booleans()):
            scale = self._rng.integers(-100, 101, source.channels)
        return Affine(name=self._name("affine"), scale=scale, offset=offset)

    def piecewise(self, source):
        """Pieces as of clips (slopes of 0 and one number), as of leaky ReLUs, or any."""
        count = self._size(3)
        ends = np.full((source.channels, 2), [source.low, source.high], np.int64)
        middle, spread = ends.mean(axis=1), np.ptp(ends, axis=1) / 4
        thresholds = self._thresholds(ends, middle, spread, None, count=count)
        shape = (source.channels, count + 1)
        largest = self._pick([1, 5, 100])
        scale = self._rng.integers(-largest, largest + 1, shape)
        if self._draw(st.booleans()):
            scale = np.where(scale > 0, largest, 0)
        offset = self._rng.integers(-100, 101, shape)
        shift = self._pick([0, 1, 4])
        return Piecewise(
            name=self._name("pieces"), thresholds=thresholds, scale=scale, offset=offset, shift=shift
        )  # fmt: skip

    def vote(self):
        return Vote(name=self._name("vote"))

    def argmax(self):
        return Argmax(name=self._name("argmax"))

    def parallel(self, source, depth, to=None):
        """Branches that keep the shape of the map, that all take the same windows, or that end in a vector."""
        to = to or self._pick(["shape", "windows", "vector"])
        if to == "windows":
            geometry = self.window(source)
            options = ["conv", "conv"] if _falling(source) else ["conv", "pool"]
        outputs = self._size(6)
        vote = to == "vector" and self._draw(st.booleans())
        branches = []
        for _ in range(self._draw(st.integers(2, 3))):
            if to == "shape":
                branches.append(self._same(source, depth - 1))
            elif to == "windows" and self._pick(options) == "conv":
                branches.append((self.conv(source, outputs, geometry),))
            elif to == "windows":
                name = self._name("pool")
                kernel, stride, pads = geometry
                pool = Pool(name=name, kind="max", kernel=kernel, stride=stride, pads=pads)
                one = ((1, 1), (1, 1), (0, 0, 0, 0))
                branches.append((pool, self.conv(in_series((pool,), source), outputs, one)))
            else:
                body, end = self.some(self._draw(st.integers(0, 1)), source, depth - 1)
                body += (self.dense(end, outputs),)
                if vote and not _falling(in_series(body[-1:], end)):
                    body += (self.vote(),)
                branches.append(body)
        weights = tuple(self._pick([1, -1, 2, 3, 0]) for _ in branches) if self._draw(st.booleans()) else None
        return Parallel(name=self._name("sum"), branches=tuple(branches), weights=weights)

    def upsample(self, source):
        """To a map that is small enough."""
        rows = self._size(min(3, max(1, LARGEST_MAP // source.size)))
        columns = self._size(min(3, max(1, LARGEST_MAP // (rows * source.size))))
        return Upsample(name=self._name("upsample"), factors=(rows, columns))

    def select(self, source):
        """In the order of the stream, as a part that is cut out, or in any order."""
        if self._draw(st.booleans()):
            first = self._draw(st.integers(0, source.channels - 1))
            channels = np.arange(first, self._draw(st.integers(first, source.channels - 1)) + 1)
        else:
            channels = self._rng.integers(0, source.channels, self._size(min(self._max_size, 6)))
        return Select(name=self._name("select"), channels=channels)

    def concat(self, source, depth):
        """Branches that keep the pixels of the map, with accumulators or with codes that mean the same."""
        form = self._pick([source.format, source.format, None, self._output()])
        branches = []
        for _ in range(self._draw(st.integers(2, 3)) if source.size <= LARGEST_MAP else 2):
            kind = self._pick(["same", "same", "conv", *(["concat"] if depth > 1 else [])])
            if kind == "conv":
                size = self._pick([1, 3])
                branch = (self.conv(source, None, ((size, size), (1, 1), (size // 2,) * 4)),)
            else:
                branch = (self.concat(source, depth - 1),) if kind == "concat" else self._same(source, depth - 1)
            branches.append(branch + self._meaning(form, in_series(branch, source)))
        return Concat(name=self._name("concat"), branches=tuple(branches))

    def _meaning(self, form, source):
        """Layers behind which there are accumulators (None), or codes of an offset and step, of any bits."""
        if form is None:
            return () if source.format is None else (self.affine(source),)
        if source.format is not None and (source.format.offset, source.format.step) == (form.offset, form.step):
            return ()
        layers = (self.affine(source),) if _falling(source) else ()
        output = replace(form, bits=self._size(min(3, form.bits)))
        return (*layers, self.threshold(in_series(layers, source), output))

    def _same(self, source, depth):
        """A branch that keeps the shape of the map; maybe an empty one."""
        branch = ()
        end = source
        for _ in range(self._draw(st.integers(0, 2))):
            kinds = ["conv", "affine", *(["parallel"] if depth else [])]
            if not _falling(end):
                kinds += ["threshold", "pool", "piecewise"]
            kind = "threshold" if _large(end) else self._pick(kinds)
            size = self._pick([1, 3])
            geometry = ((size, size), (1, 1), (size // 2,) * 4)
            if kind == "conv":
                layer = self.conv(end, source.channels, geometry)
            elif kind == "pool":
                name = self._name("pool")
                layer = Pool(name=name, kind="max", kernel=(3, 3), stride=(1, 1), pads=(1, 1, 1, 1))
            elif kind == "parallel":
                layer = self.parallel(end, depth, to="shape")
            else:
                layer = getattr(self, kind)(end)
            branch += (layer,)
            end = in_series((layer,), end)
        return branch

    # ---- parts of layers

    def _pick(self, items):
        return self._draw(st.sampled_from(items))

    def size(self):
        """Of a layer whose size is free."""
        return self._size(self._max_size)

    def _size(self, largest):
        return self._draw(st.integers(1, largest))

    def _name(self, kind):
        self._count += 1
        return f"{kind}{self._count}"

    def window(self, source):
        """Kernel, stride and pads of which a window fits."""
        sides = []
        for size in source.shape[:2]:
            kernel = self._size(3)
            before, after = self._draw(st.integers(0, kernel - 1)), self._draw(st.integers(0, kernel - 1))
            if size + before + after < kernel:
                before = kernel - 1
            sides.append((kernel, self._size(3), before, after))
        kernel, stride, before, after = zip(*sides, strict=True)
        return kernel, stride, before + after

    def _weights(self, shape):
        kind = self._pick(["bool", "ternary", "int"])
        if kind == "bool":
            return self._rng.random(shape) < self._rng.random()
        largest = 1 if kind == "ternary" else 1 << (self._size(8) - 1)
        return self._rng.integers(-largest, max(largest, 2), shape)

    def _sums_fit(self, source):
        """Whether accumulators of this map may be handed on: the hardware wants steps of 1 or 2 for them."""
        return source.format is None or source.format.step in (1, 2)

    def _finish(self, layer, source, plain):
        """The layer with thresholds, where it is not plain by choice."""
        if plain or (self._sums_fit(source) and self._pick([False, False, True])):
            return layer
        output = self._output()
        rows = layer.weights.reshape(layer.outputs, -1)
        rows = np.where(rows, 1, -1) if rows.dtype == bool else rows
        # Most sums lie around the mean of evenly drawn inputs; the ends are those of this neuron.
        most = max(abs(source.low), abs(source.high)) * np.abs(rows).sum(axis=1)
        spread = (source.high - source.low) / 3.5 * np.sqrt((rows**2).sum(axis=1))
        mean = (source.low + source.high) / 2 * rows.sum(axis=1)
        thresholds = self._thresholds(np.stack((-most, most), axis=1), mean, spread, output)
        return replace(layer, thresholds=thresholds, output=output)

    def _output(self):
        if self._draw(st.booleans()):
            return BIPOLAR
        return Format(bits=self._size(3), offset=self._draw(st.integers(-4, 4)), step=self._pick([1, 2, 3, -1, -2]))

    def _thresholds(self, ends, mean, spread, output, count=None):
        """Most of them amid the values of a row, some at their ends or out of reach."""
        count = count or self._size(output.codes - 1)
        shape = (len(ends), count)
        drawn = np.rint(mean[:, None] + spread[:, None] * self._rng.normal(0, 0.8, shape)).astype(np.int64)
        kind = self._rng.random(shape)
        edge = np.where(self._rng.random(shape) < 0.5, ends[:, :1], ends[:, 1:]) + self._rng.integers(-1, 2, shape)
        drawn = np.where(kind < 0.1, edge, drawn)
        # Constant neurons, as trained networks have them.
        constant = self._rng.random((len(ends), 1))
        drawn = np.where(constant < 0.05, -(2**61), np.where(constant > 0.95, 2**61, drawn))
        return np.sort(drawn, axis=1)


#: For each class of layers, what draws one, from a `_Layers`, the map that it follows, and how deep branches may nest.
DRAWN = {
    Conv: lambda layers, source, depth: layers.conv(source, None, layers.window(source)),
    Dense: lambda layers, source, depth: layers.dense(source, layers.size()),
    Pool: lambda layers, source, depth: layers.pool(source, layers.window(source)),
    Threshold: lambda layers, source, depth: layers.threshold(source),
    Affine: lambda layers, source, depth: layers.affine(source),
    Piecewise: lambda layers, source, depth: layers.piecewise(source),
    Parallel: lambda layers, source, depth: layers.parallel(source, depth),
    Concat: lambda layers, source, depth: layers.concat(source, depth),
    Upsample: lambda layers, source, depth: layers.upsample(source),
    Select: lambda layers, source, depth: layers.select(source),
    Vote: lambda layers, source, depth: layers.vote(),
    Argmax: lambda layers, source, depth: layers.argmax(),
}


def may_follow(kind, source):
    """Whether a layer of this class is legal after a map, with the parameters that suit it."""
    if kind is Vote and source.pixels > 1:
        return False
    if kind is Argmax and source.channels < 2:
        return False
    return kind not in (Threshold, Piecewise, Vote, Argmax) or not _falling(source)


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
