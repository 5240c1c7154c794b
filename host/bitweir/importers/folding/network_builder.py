"""The network as it grows while the importer walks over a graph: layers, the input, and the scores at the end.

A graph may branch. So there is no last layer, but a tree of points: each value knows the point that
it is read at, and a layer is appended behind the point of what it takes.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import reduce
from math import gcd, lcm, prod
from operator import or_
from typing import Any

import numpy as np
from bitweir_hw.errors import NetworkError
from bitweir_hw.network import (
    Affine,
    Conv,
    Format,
    Input,
    Layer,
    Map,
    Network,
    Parallel,
    Pool,
    Readout,
    Select,
    Stored,
    Threshold,
    check,
)
from numpy.typing import NDArray

from ..errors import ModelError
from ..exact.fold import Exacts, scale, shift
from ..exact.surd import Surd
from .accuracy import Accuracy, Margin
from .borders import Border, refusal, settled
from .bounds import bound, check_width, known_badly, wanted_errors
from .choices import channel_order, check_permutation, choice, is_permutation, unchosen
from .grid import grid_of, rounding_note
from .positions import AFFINE, affine
from .provenance import Taps
from .quantise import channel_scales, coding, resolved
from .simplify import repeated, tidied
from .symbols import Codes, Frame, Moving, Point, Signal, Stream, by_channel, narrowed, whole
from .units import FixedPoint
from .views import place, united

__all__ = ["NetworkBuilder", "Operand"]

#: A threshold nearer to an accumulator that occurs than this is worth a note.
_NEAR = 1e-6
#: Elements of a map: more than 224 x 224 pixels of 64 channels.
_MAX_ELEMENTS = 1 << 22


@dataclass(frozen=True, eq=False)
class Operand:
    """What a linear layer takes: ``value = scale * factor * integer + shift`` of the integers of a stream.

    Parameters
    ----------
    signal : Signal
        Whose origin is the stream.
    scale : Fraction
        Positive.
    factors : array of int
        Mostly -1 or 1, and larger where channels of the input have scales of their own; broadcasts against the frame.
    shift : Exacts
        Broadcasts against the frame.
    """

    signal: Signal
    scale: Fraction
    factors: NDArray[Any]
    shift: Exacts

    @property
    def stream(self) -> Stream:
        """Origin of the signal."""
        assert isinstance(self.signal.origin, Stream)
        return self.signal.origin


class NetworkBuilder:
    """Layers so far.

    Parameters
    ----------
    numbers : Stored or None
        Which integers the input is stored as, and what they mean.
    plan : FixedPoint
        What is known about sums from earlier walks.
    taps : Taps or None
        Gets what the network does not tell.

    Attributes
    ----------
    notes : list of str
        What the user should know.
    margins : dict
        By the name of the stream, how the thresholds of its quantisers lie to the error of its sums.
    score_margin : Margin or None
        How far the scores at the end may be off, if they are not exact.
    """

    def __init__(self, numbers: Stored | None, plan: FixedPoint, taps: Taps | None = None) -> None:
        self.notes: list[str] = []
        self.margins: dict[str, Margin] = {}
        self.score_margin: Margin | None = None
        self.plan = plan
        self.taps = taps
        self._numbers = numbers
        self._root: Point | None = None
        self._input: Input | None = None
        self._counts: Counter[str] = Counter()
        self._points: dict[Any, Point] = {}
        #: Of what streams behind sums are made, where all that are exact; see `shortcuts`.
        self.summands: dict[Point, Any] = {}
        #: Sums whose factors are those of all channels: they are narrow, and fine enough for other sums.
        self.shared: set[str] = set()
        #: What was joined along an axis, by the ids of its parts, which are kept so that no other object gets these.
        self.joined: dict[tuple[int, tuple[int, ...]], tuple[Sequence[object], Signal]] = {}
        #: Streams in fixed point with fewer bits, by the point before; see `shifts`.
        self.shifted: dict[Point, Stream] = {}
        #: The stream behind a layer of straight pieces, by the point before it and the ids of the steps, see `rectify`.
        self.straight: dict[tuple[Point, tuple[int, ...]], tuple[Sequence[object], Stream | None]] = {}

    def start(self, shape: tuple[int, ...], batch: int, *, channels: int = 0) -> Signal:
        """The signal that is the input of the model file, whose channels are the first axis (0) or the last (-1)."""
        try:
            self._numbers = self._numbers and self._numbers.along(shape, channels)
        except NetworkError as error:
            raise ModelError(str(error)) from error
        frame = Frame(shape, self._numbers)
        return Signal(frame, shape, np.arange(prod(shape), dtype=np.int64), (), batch)

    def rejoined(self, made_of: Sequence[object], values: Sequence[Any], axis: int) -> list[Any]:
        """Values, of which the first or the last ones are replaced by what they were joined to before."""
        ids = tuple(map(id, made_of))
        for count in range(len(ids) - 1, 1, -1):
            if (axis, ids[:count]) in self.joined:
                return [self.joined[axis, ids[:count]][1], *values[count:]]
            if (axis, ids[-count:]) in self.joined:
                return [*values[:-count], self.joined[axis, ids[-count:]][1]]
        return list(values)

    def resumed(self, x: Any) -> Any:
        """A value behind what ended it, if more may follow that; see `Signal.resumed`."""
        return x.resumed() if isinstance(x, Signal) else x

    # ---- layers

    def name(self, kind: str) -> str:
        """A new name for a layer of a kind."""
        self._counts[kind] += 1
        return f"{kind}{self._counts[kind] - 1}"

    def layer_name(self, kind: str, label: str) -> str:
        """A new name for a layer with weights; `label` is that of the model file."""
        name = self.name(kind)
        if self.taps is not None:
            self.taps.names.append((label, name))
        return name

    def append(
        self, point: Point, layer: Layer, low: NDArray[np.int64], high: NDArray[np.int64], step: int, label: str,
        *, accuracy: Accuracy | None, border: Border | None = None,
    ) -> Stream:  # fmt: skip
        """The stream behind a new layer; `low`, `high`, `step` and `accuracy` as in `Stream`.

        Raises
        ------
        ModelError
            The layer breaks a rule of the integer network.
        TooWide
            It is a sum in fixed point, and has too many bits.
        """
        try:
            handed = layer.output_map(point.map)
        except NetworkError as error:
            raise ModelError(f"Node {label} makes a layer that cannot be built: {error}") from error
        if handed.size > _MAX_ELEMENTS:
            raise ModelError(f"Node {label} must make maps of at most {_MAX_ELEMENTS} elements, not {handed.size}.")
        if point.border is not None:
            if not isinstance(layer, Pool) or layer.kind != "max":
                raise refusal(f"Node {label}", point.border)
            border = point.border  # the largest sum, with what it lacks
        stream = Stream(layer.name, Point(handed, layer, point, border), low, high, step, accuracy)
        if isinstance(layer, Parallel):
            check_width(stream)
        return stream

    def map_signal(self, stream: Stream, batch: int, order: NDArray[np.int64] | None = None) -> Signal:
        """A stream as a frame of shape (C, H, W); `order` is that of its channels."""
        rows, columns, channels = stream.map.shape
        index = np.arange(stream.map.size, dtype=np.int64).reshape(stream.map.shape)
        index = (index if order is None else index[..., order]).transpose(2, 0, 1)
        return Signal(stream, (channels, rows, columns), index.reshape(-1), (), batch)

    # ---- what a layer takes

    def signal(self, x: Moving, label: str, *, as_map: bool, varied: bool = False) -> Signal:
        """A value as a signal on a stream: codes and frames are closed.

        Parameters
        ----------
        x : Signal or Codes
        label : str
            Of the node that takes it, for messages.
        as_map : bool
            The frame has the shape (C, H, W) and should arrive as a map, if it is still open how it arrives.
        varied : bool
            What takes it can take codes of another scale for each channel.
        """
        if isinstance(x, Signal) and isinstance(x.origin, Stream):
            return x
        if isinstance(x, Signal):
            return self._integers(x, label, as_map)
        codes = resolved(x)
        if self.taps is not None:
            self.taps.moved(x, codes)
        try:
            code = coding(codes)
        except ModelError:
            if not varied:
                raise
            code = coding(codes, varied=True)
        if isinstance(codes.origin, Frame):
            y = self._enter(codes, code.format, codes.thresholds, label, as_map)
        else:
            y = self.threshold(codes, code.format, label)
        if self.taps is not None:
            self.taps.closed(codes, y)
        factor = np.asarray(code.signs.astype(object) * code.scale, object)
        if (factor != 1).any():
            y = y.then(scale(factor))
        return y.then(shift(code.shift)) if (code.shift != 0).any() else y

    def operand(self, x: Moving, label: str, *, as_map: bool) -> Operand:
        """A value as what a linear layer takes; parameters as in `signal`.

        Raises
        ------
        ModelError
            It is neither quantised nor integers of one scale.
        TooWide
            It is a sum in fixed point, and has too many bits.
        """
        y = self.signal(x, label, as_map=as_map, varied=isinstance(x, Codes) and bool(channel_scales(x)))
        assert isinstance(y.origin, Stream)
        check_width(y.origin)
        refused = ModelError(
            f"Node {label} must take quantised activations, but the sums of {y.origin.name} arrive unquantised: "
            "put a quantiser of 1 to 8 bits between the two layers, such as a sign."
        )
        if any(step.name not in AFFINE for step in y.steps):
            raise refused
        slopes, offsets = affine(y)
        if any(isinstance(number, Surd) for number in (*slopes.flat, *offsets.flat)) or not slopes.any():
            # Sums in one unit for all channels have no such offsets: the next walk through the model makes them so.
            if y.origin.map.format is None:
                self.plan.need_common(y.origin.last)
            raise refused
        size = abs(slopes.flat[0])
        if (abs(slopes) == size).all():
            return Operand(y, size, np.where(np.asarray(slopes > 0, bool), 1, -1), offsets)
        if y.origin.map.format is None:
            self.plan.need_common(y.origin.last)
            raise refused
        under = lcm(*(slope.denominator for slope in slopes.flat))
        unit = Fraction(gcd(*(int(slope * under) for slope in slopes.flat)), under)
        factors = np.array([int(slope / unit) for slope in slopes.flat], object).reshape(slopes.shape)
        return Operand(y, unit, factors, offsets)

    def chosen(self, x: Signal, label: str) -> Signal:
        """A frame that is made of some channels of a stream, on a stream of these alone.

        A frame that has each element once, or that lacks pixels of a channel, stays as it is.
        """
        assert isinstance(x.origin, Stream)
        if is_permutation(x.index, x.origin.map.size):
            return x
        found = choice(x)
        return (
            x if found is None else replace(x, origin=self.select(x.origin, found.channels, label), index=found.index)
        )

    def ordered(self, x: Signal, label: str) -> Signal:
        """A frame of shape (C, H, W) on a stream whose channels are in its order."""
        order = channel_order(x, label)
        assert isinstance(x.origin, Stream)
        if np.array_equal(order, np.arange(len(order))):
            return x
        return replace(self.map_signal(self.select(x.origin, order, label), x.batch), steps=x.steps)

    def select(self, stream: Stream, channels: NDArray[np.int64], label: str) -> Stream:
        """The stream of some channels of another one, in a given order."""
        point, order = unchosen(stream.point, channels)
        accuracy = stream.accuracy and stream.accuracy.chosen(channels)
        low, high = stream.low[channels], stream.high[channels]
        if np.array_equal(order, np.arange(point.map.channels)):
            return Stream(stream.name, point, low, high, stream.step, accuracy)
        key = (point, "select", order.tobytes())
        if key not in self._points:
            layer = Select(name=self.name("select"), channels=order)
            self._points[key] = self.append(point, layer, low, high, stream.step, label, accuracy=None).point
        return Stream(stream.name, self._points[key], low, high, stream.step, accuracy)

    # ---- from codes to layers

    def _integers(self, x: Signal, label: str, as_map: bool) -> Signal:
        """The input as it is: the integers that the user said it is stored as."""
        assert isinstance(x.origin, Frame)
        taken = None if self._input is None or self._input.thresholds is not None else self._input.format
        grid = grid_of(x, label, taken)
        assert x.origin.stored is not None
        note = rounding_note(x.origin.stored)
        if note and note not in self.notes:
            self.notes.append(note)
        y = self._enter(x, grid.format, None, label, as_map)
        if (grid.slopes != 1).any():
            y = y.then(scale(narrowed(grid.slopes)))
        return y.then(shift(narrowed(grid.offsets))) if grid.offsets.any() else y

    def _enter(self, codes: Moving, form: Format, thresholds: NDArray[Any] | None, label: str, as_map: bool) -> Signal:
        """The input stream, which has all that any layer reads; what is not there asks for another walk."""
        assert isinstance(codes.origin, Frame)
        as_map = as_map and len(codes.shape) == 3
        source = codes.index.reshape(codes.shape)
        where = np.arange(codes.index.size).reshape(codes.shape)
        if as_map:
            source, where = source.transpose(1, 2, 0), where.transpose(1, 2, 0)
        rows = thresholds
        if rows is not None and rows.size == len(rows):  # one row serves all elements
            rows = rows.reshape(1, -1).astype(np.float64)
        elif rows is not None:
            full = np.broadcast_to(rows, (len(rows), *codes.shape)).reshape(len(rows), -1)
            rows = full[:, where.reshape(-1)].T.astype(np.float64)
        shape = (source.shape[0], source.shape[1], source.shape[2]) if as_map else None
        view = Input(
            shape=codes.origin.shape, format=form, thresholds=rows, source=source.reshape(-1), map_shape=shape,
            stored=codes.origin.stored,
        )  # fmt: skip
        if self._input is None or self._root is None:
            self._input = united(self.plan.views, label) if self.plan.views else view
            self._root = Point(self._input.map)
        found = np.arange(view.size) if self._input is view else place(self._input, view)
        if found is None:
            self.plan.reads(self._input, view)
            raise ModelError(f"Node {label} reads what the input stream does not have: the walk begins again.")
        index = np.empty(codes.index.size, np.int64)
        index[where.reshape(-1)] = found
        taken = self._input.format
        ends = np.sort(taken.values([0, view.levels - 1]))
        low, high = (np.full(self._root.map.channels, end) for end in ends)
        stream = Stream("the input", self._root, low, high, abs(taken.step))
        y = Signal(stream, codes.shape, index, (), codes.batch)
        if (taken.offset, taken.step) == (form.offset, form.step):
            return y
        return y.then(scale(whole(y, Fraction(form.step, taken.step)))).then(
            shift(whole(y, form.offset - Fraction(taken.offset * form.step, taken.step)))
        )

    def threshold(self, codes: Codes, form: Format, label: str) -> Signal:
        assert isinstance(codes.origin, Stream)
        placed = self.chosen(Signal(codes.origin, codes.shape, codes.index), label)
        check_permutation(placed, label)
        origin = placed.origin
        assert isinstance(origin, Stream)
        codes = replace(codes, origin=origin, index=placed.index)
        thresholds = np.stack([by_channel(codes, row) for row in codes.thresholds], axis=1).astype(np.int64)
        inverted = by_channel(codes, codes.inverted)
        first, rows = origin.point, [thresholds]
        if first.border is not None:
            rows = [np.stack([by_channel(codes, row) for row in one], axis=1) for one in codes.border]
            first, thresholds = self._settled(origin, rows, inverted, label)
        point, handed = self.negated(first, inverted), Map.of_codes(origin.map.shape, form)
        key = (point, thresholds.tobytes(), form)
        if key not in self._points:
            layer = Threshold(name="threshold", thresholds=thresholds, output=form)
            self._points[key] = Point(handed, layer, point)
            low, high = np.where(inverted, -origin.high, origin.low), np.where(inverted, -origin.low, origin.high)
            low, high = low[:, None], high[:, None]
            constant = np.logical_and.reduce([((one <= low) | (one > high)).all(axis=1) for one in rows])
            self.tell(origin, int(constant.sum()), int(inverted.sum()))
            if codes.margins:
                self._keep_margins(origin, codes.margins, label)
            elif origin.exact:
                self._tell_near(origin, *codes.distance)
        ends = np.sort(form.values([0, len(codes.thresholds)]))
        low, high = (np.full(handed.channels, end) for end in ends)
        stream = Stream(origin.name, self._points[key], low, high, abs(form.step))
        return Signal(stream, codes.shape, codes.index, (), codes.batch)

    def _settled(
        self, origin: Stream, thresholds: list[NDArray[np.int64]], inverted: NDArray[np.bool_], label: str
    ) -> tuple[Point, NDArray[np.int64]]:
        """The same place behind a convolution with its edges, and the thresholds there."""
        assert origin.point.border is not None
        layer, settled_ones = settled(origin.point.border, thresholds, origin.low, origin.high, inverted, label)
        path = origin.point.path
        # Only max pools come between.
        start = max(place for place, point in enumerate(path) if isinstance(point.layer, Conv))
        key = (path[start], layer.weights.tobytes(), b"" if layer.edges is None else layer.edges.tobytes())
        before = path[start].before
        assert before is not None
        if key not in self._points:
            self._points[key] = Point(layer.output_map(before.map), layer, before)
        point = self._points[key]
        for pool in path[start + 1 :]:
            assert pool.layer is not None
            after = (point, pool)
            if after not in self._points:
                self._points[after] = Point(pool.layer.output_map(point.map), pool.layer, point)
            point = self._points[after]
        return point, settled_ones

    def negated(self, point: Point, inverted: NDArray[np.bool_]) -> Point:
        """The point behind a change of the sign of some channels."""
        if not inverted.any():
            return point
        key = (point, inverted.tobytes())
        if key not in self._points:
            zero = np.zeros(len(inverted), np.int64)
            layer = Affine(name="signs", scale=np.where(inverted, -1, 1).astype(np.int64), offset=zero)
            self._points[key] = Point(layer.output_map(point.map), layer, point)
        return self._points[key]

    def _keep_margins(self, origin: Stream, margins: dict[int, Margin], label: str) -> None:
        """Note what is known of codes of sums that are not exact; ask for better sums where that proves all codes."""
        total = reduce(or_, margins.values())
        # Behind a linear layer channels are others, and no value of theirs is known to be out of reach.
        if not total.exact and origin.sums == {origin.last}:
            self.plan.aim(origin.last, wanted_errors(margins, origin.map.channels))
        if total.poor:
            raise ModelError(f"Node {label} must quantise sums {known_badly(origin.name, total)}")
        known = self.margins.get(origin.name)
        self.margins[origin.name] = total if known is None else known | total

    def _tell_near(self, origin: Stream, distance: float, rounded: bool) -> None:
        if distance == 0 and rounded:
            self.notes.append(
                f"{origin.name}: a sum that occurs lies exactly on a threshold; float32 may round it to the other "
                "side, the accelerator does not."
            )
        elif 0 < distance < _NEAR:
            self.notes.append(
                f"{origin.name}: a threshold lies within {distance:.1g} of a sum that occurs; float32 may miss it."
            )

    def tell(self, origin: Stream, constant: int, inverted: int) -> None:
        point = origin.point
        while isinstance(point.layer, Pool | Select) and point.before is not None:
            point = point.before  # what happens behind these ends up in the layer before them
        name = origin.name if point.layer is None else point.layer.name
        for count, what in (
            (constant, "neurons are constant"),
            (inverted, "weight rows are inverted, because their slope is negative"),
        ):
            if count:
                self.notes.append(f"{name}: {count} of {origin.map.channels} {what}.")

    # ---- the end

    def is_input(self, stream: Stream) -> bool:
        """Whether no layer stands between the input and a stream."""
        return stream.point is self._root

    def network(self, point: Point, readout: Readout, name: str) -> Network:
        """The checked network that ends at a point, with what its result is."""
        assert self._input is not None
        layers = tuple(place.layer for place in point.path if place.layer is not None)
        self.notes.extend(f"{layer}: several branches need it, and each computes it." for layer in repeated(layers))
        final, sites, orders = tidied(layers)
        if self.taps is not None:
            self.taps.finish(sites, orders)
        bounds = [bound(stream, "codes", margin) for stream, margin in self.margins.items() if margin.error]
        if self.score_margin is not None:
            # The class of a pixel is chosen among scores, behind which the choice is a layer.
            chosen = readout.kind == "classes"
            bounds.append(bound(final[-1 - chosen].name, "class" if chosen else readout.kind, self.score_margin))
        notes = (*self.notes, *(one.sentence for one in bounds))
        return check(
            Network(name=name, input=self._input, layers=final, notes=notes, readout=readout, bounds=tuple(bounds))
        )
