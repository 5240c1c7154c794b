"""What Hypothesis draws: layers of every class, each legal after the map that it follows."""

from dataclasses import replace

import numpy as np
from bitweir_hw.network import (
    BIPOLAR,
    Affine,
    Argmax,
    Branched,
    Concat,
    Conv,
    Dense,
    Format,
    Parallel,
    Piecewise,
    Pool,
    Select,
    Threshold,
    Upsample,
    Vote,
    in_series,
)
from hypothesis import strategies as st

LARGEST_MAP = 96  # elements, from which on layers do not make maps larger: simulating them is most of a test


def large(source):
    """Whether products with weights and their sums would come near the limits of numbers."""
    return max(abs(source.low), abs(source.high)) >= 1 << 24


def falling(source):
    """Whether higher codes mean lower values, which all layers that compare refuse."""
    return source.format is not None and source.format.step < 0


class Layers:
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
            if large(source):
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
        if falling(source) or self._draw(st.booleans()):
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
            options = ["conv", "conv"] if falling(source) else ["conv", "pool"]
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
                if vote and not falling(in_series(body[-1:], end)):
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
        layers = (self.affine(source),) if falling(source) else ()
        output = replace(form, bits=self._size(min(3, form.bits)))
        return (*layers, self.threshold(in_series(layers, source), output))

    def _same(self, source, depth):
        """A branch that keeps the shape of the map; maybe an empty one."""
        branch = ()
        end = source
        for _ in range(self._draw(st.integers(0, 2))):
            kinds = ["conv", "affine", *(["parallel"] if depth else [])]
            if not falling(end):
                kinds += ["threshold", "pool", "piecewise"]
            kind = "threshold" if large(end) else self._pick(kinds)
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


#: For each class of layers, what draws one, from a `Layers`, the map that it follows, and how deep branches may nest.
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
    return kind not in (Threshold, Piecewise, Vote, Argmax) or not falling(source)
