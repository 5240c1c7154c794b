"""From a layer with weights to its unit: what accumulators start with, so that no value is lost on the way."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ..arithmetic import signed_bits
from ..blocks import MatVecSpec
from ..blocks.matvec.planes import planes_for, weight_planes
from ..memory import WIRED
from ..network import BIPOLAR
from ..network.layers import Conv, Dense, Format, Integers, Map
from ..plan import Folding, Plan, group_channels, groups_at_once
from ..popcount.dot_product import Plane
from .ranges import ParameterRange

Weights = NDArray[np.bool_] | Integers
Outside = tuple[tuple[tuple[int, ...], ...], tuple[tuple[int, ...], ...]]

__all__ = ["folded", "matvec", "pad_code", "row_counts", "sign_only", "stream_format"]


def stream_format(source: Map, lane_bits: int) -> Format:
    """The format of the elements of a stream, numbers in two's complement counted from the lowest up."""
    return source.format or Format(bits=lane_bits, offset=-(1 << (lane_bits - 1)))


def pad_code(layer: Conv, source: Map, lane_bits: int) -> int:
    """The element, as bits, that stands outside the map: that of the pad value, or else 0."""
    if source.format is None:
        low = -(1 << (lane_bits - 1))
        return layer.pad_value % (1 << lane_bits) if low <= layer.pad_value < -low else 0
    code, rest = divmod(layer.pad_value - source.format.offset, source.format.step)
    return code if rest == 0 and 0 <= code < source.format.codes else 0


def sign_only(layer: Dense | Conv) -> bool:
    """Whether the sign of the accumulator is all that the layer hands on."""
    return layer.output is not None and layer.output.bits == 1


def matvec(
    layer: Dense | Conv,
    source: Map,
    result: Map,
    *,
    lane_bits: int,
    folding: Folding,
    plan: Plan,
    sums: Map | None = None,
    limits: ParameterRange | None = None,
    counts: Integers | None = None,
) -> MatVecSpec:
    """The unit that computes a layer.

    Parameters
    ----------
    layer : Dense or Conv
    source, result : Map
        What it takes and hands on.
    lane_bits : int
        Bits of an element that arrives.
    folding : Folding
    plan : Plan
    sums : Map, optional
        What it hands on without thresholds, if not what the weights of the layer say.
    limits : (int, int), optional
        Where weights and presets are loaded, the values that weights may have. All but these two then follows
        from shapes: no width depends on a value.
    counts : int64 array, (outputs,), optional
        What `row_counts` gives for the layer, where it is known.

    Notes
    -----
    With ``value = offset + step * code`` and T the sum of `compressor.DotProduct`,
    ``acc = const + step * T``. For weights of -1 and +1, ``sum_k w[k] * code[k] = T - (2**B - 1) * negative``,
    since the XNOR of a code with -1 is ``2**B - 1 - code``. For others T counts too much what each negative
    plane inverts: ``2**(exponent + B) - 2**exponent`` for each lane. Padded taps add a constant of their own.
    """
    form = stream_format(source, lane_bits)
    weights: Weights = layer.weights.reshape(layer.groups, layer.outputs // layer.groups, layer.inputs)
    padding = _Padding.of(layer, source, lane_bits)
    negated = form.step < 0
    if negated:
        # The same products of values and weights that both change their sign.
        form, padding = Format(bits=form.bits, offset=-form.offset, step=-form.step), -padding
        weights = ~weights if weights.dtype == np.bool_ else -weights.astype(np.int64)
        limits = limits and (-limits[1], -limits[0])
    stored = _stored_planes(weights, limits)
    counts = (row_counts(layer) if counts is None else counts).reshape(weights.shape[:2])
    if negated:
        counts = weights.shape[2] - counts if weights.dtype == np.bool_ else -counts
    const, step = _constants(weights, counts, form, folding, stored)
    consts = const + padding.corrections(weights)
    edges = layer.edges if isinstance(layer, Conv) else None
    if edges is not None:
        consts = consts + edges.reshape(-1, *weights.shape[:2])
    spec = MatVecSpec(
        name=layer.name,
        layer=layer.name,
        weights=weights,
        initial_accumulators=np.zeros(1, np.int64),
        positions=result.shape[:2],
        row_classes=padding.row_classes,
        column_classes=padding.column_classes,
        threshold=sign_only(layer),
        pe=folding.pe,
        simd=folding.simd,
        memory=folding.memory,
        shared_pixels=folding.share,
        lane_bits=lane_bits,
        flip=source.format is None,
        acc_bits=1,
        runtime_loadable=stored,
        load_width=plan.load_width,
        # Cells for wired layers change nothing here.
        popcount=replace(plan.popcount, carry4=False),
        parallel_frames=plan.parallel_frames,
    )
    if (
        isinstance(layer, Conv)
        and limits is None
        and edges is None
        and source.format == BIPOLAR
        and not layer.pad_value
    ):
        spec = replace(spec, outside=padding.places(), kernel=layer.kernel)
    if layer.thresholds is not None and sign_only(layer):
        return _with_thresholds(spec, layer.thresholds[:, 0], consts, step)
    agree = _low_bits_agree(weights, form, padding, consts, runtime_loadable=stored is not None)
    if not agree or (stored is not None and edges is not None and step > 1):
        # Each row would need low bits of its own: let the weights bring the step instead.
        limits = limits and (limits[0] * step, limits[1] * step)
        signs = 2 * weights.astype(np.int64) - 1 if weights.dtype == np.bool_ else weights.astype(np.int64)
        planes = _stored_planes(signs, limits, zeros=_zeros(step))
        spec = replace(spec, weights=signs * step, runtime_loadable=planes, outside=None)
        total = signs.sum(axis=2)
        plain = replace(form, step=1, offset=0)
        const, _ = _constants(spec.weights, step * total, plain, folding, spec.runtime_loadable)
        # What the offset of the format brings does not change with the way of counting.
        consts = const + form.offset * total + padding.corrections(signs)
        if edges is not None:
            consts = consts + edges.reshape(-1, *signs.shape[:2])
        step = 1
    low, shift = int(consts.flat[0]) % step, step.bit_length() - 1
    sums = sums or replace(layer, thresholds=None, output=None).output_map(source)
    ends = [(end - low) >> shift for end in (sums.low, sums.high)]
    return replace(
        spec, initial_accumulators=(consts - low) >> shift, acc_bits=signed_bits(*ends), shift=shift, low=low
    )


def row_counts(layer: Dense | Conv) -> Integers:
    """Of each output, how many weights are +1, where they are bits, or else the sum of the weights; (outputs,)."""
    counts: Integers = layer.weights.reshape(layer.outputs, -1).sum(axis=1, dtype=np.int64)
    return counts


def folded(spec: MatVecSpec, layer: Dense | Conv, folding: Folding) -> MatVecSpec:
    """The unit of a layer in a folding: groups that are worked on at once are parts of one vector."""
    at_once = groups_at_once(layer, folding.pe)
    shape = (layer.groups // at_once, at_once * layer.outputs // layer.groups)
    found = replace(
        spec,
        pe=folding.pe,
        simd=folding.simd,
        memory=folding.memory,
        shared_pixels=folding.share,
        weights=spec.weights.reshape(*shape, layer.inputs),
        initial_accumulators=spec.initial_accumulators.reshape(-1, *shape),
        parts=at_once,
        run=group_channels(layer) if at_once > 1 else 1,
    )
    # Wired layers have their own way with borders.
    return found.with_mask() if found.outside and folding.memory != WIRED and found.mask_pays else found


def _stored_planes(weights: Weights, limits: ParameterRange | None, zeros: int = 0) -> tuple[Plane, ...] | None:
    """The planes of weights that are loaded, of which so many low bits are 0; None where they are fixed."""
    if limits is None:
        return None
    if weights.dtype == np.bool_:
        return (Plane(xnor=True),)
    return tuple(plane for plane in planes_for(*limits) if plane.exponent >= zeros)


def _zeros(number: int) -> int:
    """Zeros at the end of a number."""
    return (number & -number).bit_length() - 1


def _low_bits_agree(
    weights: Weights, form: Format, padding: _Padding, consts: Integers, *, runtime_loadable: bool
) -> bool:
    """Whether all sums have the same low bits, below the step; of weights that are loaded, whatever they are."""
    step = form.step
    if step & (step - 1):
        return False
    if not runtime_loadable:
        return not (consts % step != consts.flat[0] % step).any()
    if weights.dtype != np.bool_:
        return form.offset % step == 0 and padding.missing % step == 0
    # A sum of n weights of -1 and +1 is n, less an even number.
    counts = padding.corrections(np.ones((1, 1, weights.shape[2]), np.int64))
    return 2 * form.offset % step == 0 and 2 * padding.missing % step == 0 and not np.ptp(counts % step)


def _constants(
    weights: Weights, counts: Integers, form: Format, folding: Folding, stored: tuple[Plane, ...] | None
) -> tuple[Integers, int]:
    """What is added to ``step * T``, (1, G, M), and the step."""
    most = form.codes - 1
    if weights.dtype == np.bool_:
        positive, negative = counts, weights.shape[2] - counts
        return (form.offset * (positive - negative) - form.step * most * negative)[None], form.step
    planes = stored or weight_planes(weights)
    lanes = -(-weights.shape[2] // folding.simd) * folding.simd
    surplus = sum(lanes * most << plane.exponent for plane in planes if plane.negative)
    return (form.offset * counts - form.step * surplus)[None], form.step


def _with_thresholds(spec: MatVecSpec, thresholds: Integers, consts: Integers, step: int) -> MatVecSpec:
    """``acc >= t`` is ``T >= ceil((t - const) / step)``; beyond reach, 0 and the highest T and one say the same."""
    most = spec.dot.most * spec.synapse_folds
    low, high = consts, consts + step * (most + 1)
    wanted = np.clip(thresholds.reshape(consts.shape[1:]), low, high)
    needed = -((consts - wanted) // step)
    ends = (-int(needed.max()), most - int(needed.min())) if spec.runtime_loadable is None else (-most - 1, most)
    return replace(spec, initial_accumulators=-needed, acc_bits=signed_bits(*ends))


@dataclass(frozen=True, eq=False)
class _Padding:
    """Taps outside the map, by class of row and of column, and what they miss.

    Parameters
    ----------
    missing : int
        The pad value, less the value of the code that stands for it: 0 where there is one class.
    row_classes, column_classes : tuple of int
        Class of each row and column of windows.
    rows, columns : bool array, (classes, kh) and (classes, kw)
        Which rows and columns of a kernel lie outside.
    """

    missing: int
    row_classes: tuple[int, ...]
    column_classes: tuple[int, ...]
    rows: NDArray[np.bool_]
    columns: NDArray[np.bool_]

    @classmethod
    def of(cls, layer: Dense | Conv, source: Map, lane_bits: int) -> _Padding:
        if isinstance(layer, Dense):
            return cls(0, (0,), (0,), np.zeros((1, 1), bool), np.zeros((1, 1), bool))
        positions = layer.output_map(source).shape[:2]
        code = pad_code(layer, source, lane_bits)
        form = source.format or Format(bits=32)
        if source.format is None and code:
            code = layer.pad_value
        missing = layer.pad_value - (form.offset + form.step * code)
        if not layer.by_pixel and (not any(layer.pads) or (missing == 0 and layer.edges is None)):
            size = layer.kernel
            return cls(
                0, (0,) * positions[0], (0,) * positions[1], np.zeros((1, size[0]), bool), np.zeros((1, size[1]), bool)
            )
        found = layer.windows(source.shape)
        return cls(missing, found.row_classes, found.column_classes, found.rows, found.columns)

    def places(self) -> Outside | None:
        """What lies outside for each row and each column of windows; None where padding has nothing to correct."""
        if not self.missing:
            return None
        sides = ((self.row_classes, self.rows), (self.column_classes, self.columns))
        rows, columns = (
            tuple(tuple(np.flatnonzero(outside[place]).tolist()) for place in classes) for classes, outside in sides
        )
        return rows, columns

    def __neg__(self) -> _Padding:
        return replace(self, missing=-self.missing)

    def corrections(self, weights: Weights) -> Integers:
        """What to add for each class, (classes, G, M), to sums of weights (G, M, K), bits or integers."""
        if not self.missing:
            return np.zeros((len(self.rows) * len(self.columns), *weights.shape[:2]), np.int64)
        kernel = self.rows.shape[1], self.columns.shape[1]
        split = weights.reshape(*weights.shape[:2], *kernel, -1)
        taps = split.sum(axis=4, dtype=np.int64)
        if weights.dtype == np.bool_:
            taps = 2 * taps - split.shape[4]
        outside = self.rows[:, None, :, None] | self.columns[None, :, None, :]
        sums: Integers = np.einsum("ghyx,rcyx->rcgh", taps, outside)
        return self.missing * sums.reshape(-1, *weights.shape[:2])
