"""From a network to a program of the native engine."""

from __future__ import annotations

from dataclasses import replace
from functools import singledispatchmethod

import numpy as np
from bitweir_hw.network import (
    Affine,
    Argmax,
    Concat,
    Conv,
    Dense,
    Layer,
    Map,
    Network,
    Parallel,
    Piecewise,
    Pool,
    Select,
    Threshold,
    Upsample,
    Vote,
)
from numpy.typing import NDArray

from . import stages
from .maps import MAX_PLANES, Stream, brought, natural, numbers, packed, words_of
from .neurons import LANES, NEVER, add_neurons
from .stages import Form, Program

__all__ = ["input_form", "program_of"]


def input_form(network: Network) -> Form:
    """The form of the codes that a program takes."""
    return Form.BYTES if network.input.format.bits <= 8 else natural(network.input.map)


def program_of(network: Network, *, dots_of_bytes: bool) -> Program:
    """Translate a network.

    Parameters
    ----------
    network : Network
        A legal one.
    dots_of_bytes : bool
        Whether the library has dot products of bytes.
    """
    translation = _Translation(dots_of_bytes)
    program = translation.program
    stream = numbers(input_form(network), network.input.map)
    bytes_ = stream.form.size * network.input.size
    program.add(stages.Load, bytes_ / 32, result=stream.slot, bytes=bytes_)
    end = translation.number(translation.in_series(network.layers, stream))
    program.add(stages.Store, end.map.size / 4, source=end.slot, form=end.form, numbers=end.map.size)
    program.finish()
    return program


class _Translation:
    """Adds stages to a program, layer by layer."""

    def __init__(self, dots_of_bytes: bool) -> None:
        self.program = Program()
        self._dots_of_bytes = dots_of_bytes

    def in_series(self, layers: tuple[Layer, ...], stream: Stream) -> Stream:
        """What leaves the last of some layers in a row."""
        for layer in layers:
            result = layer.output_map(stream.map)
            stream = self.layer(layer, stream, result)
            assert stream.map.shape == result.shape
            assert stream.map.format == result.format
            # Ranges of the whole layer, such as what is known of a sum.
            stream = replace(stream, map=result)
        return stream

    def number(self, stream: Stream, form: Form | None = None) -> Stream:
        """The stream as numbers, in its natural form if none is given."""
        return brought(self.program, stream, form or natural(stream.map))

    @singledispatchmethod
    def layer(self, layer: Layer, stream: Stream, result: Map) -> Stream:
        """What leaves a layer, of which the map is known."""
        raise AssertionError(f"There is no native {type(layer).__name__}.")

    @layer.register
    def _(self, layer: Dense | Conv, stream: Stream, result: Map) -> Stream:
        sums, done = add_neurons(self.program, layer, stream, dots_of_bytes=self._dots_of_bytes)
        if done or layer.thresholds is None or layer.output is None:
            return replace(sums, map=result)
        return self._threshold(sums, result, layer.thresholds)

    @layer.register
    def _(self, layer: Threshold, stream: Stream, result: Map) -> Stream:
        offset, step = stream.affine
        assert step > 0
        # Of what is in memory, rounded up.
        low, high = stream.map.low, stream.map.high
        limits = -((offset - np.clip(layer.thresholds, low, high + 1)) // step)
        return self._threshold(stream, result, limits)

    def _threshold(self, stream: Stream, result: Map, thresholds: NDArray[np.int64]) -> Stream:
        """Codes: how many thresholds each number reaches."""
        stream = self.number(stream)
        assert result.format is not None
        bits = stream.form == Form.INTS and result.format.bits <= MAX_PLANES
        codes = packed(result) if bits else numbers(Form.INTS, result)
        channels = result.channels
        low, high = stream.range
        limits = np.full((thresholds.shape[1], -(-channels // LANES) * LANES), NEVER, stream.form.kind)
        limits[:, :channels] = np.clip(thresholds, low, high + 1).T
        self.program.add(
            stages.Threshold, result.size * (1 + thresholds.shape[1]) / 8, source=stream.slot, result=codes.slot,
            pixels=result.pixels, form=stream.form, channels=channels, thresholds=thresholds.shape[1], to=codes.form,
            planes=codes.planes if bits else 0, plane_bytes=4 * words_of(channels), limits=limits,
        )  # fmt: skip
        return codes

    @layer.register
    def _(self, layer: Affine, stream: Stream, result: Map) -> Stream:
        offset, step = stream.affine
        return self._affine(stream, result, layer.scale * step, layer.scale * offset + layer.offset)

    def _affine(
        self,
        stream: Stream,
        result: Map,
        scale: NDArray[np.int64],
        offset: NDArray[np.int64],
        onto: Stream | None = None,
    ) -> Stream:
        """``scale * number + offset``, alone or added to what is there. On the way it may wrap; what comes out fits."""
        form = natural(result)
        stream = self.number(stream, form)
        target = onto or numbers(form, result)
        self.program.add(
            stages.Affine, result.size / 4, source=stream.slot, result=target.slot, pixels=result.pixels, form=form,
            channels=result.channels, add=onto is not None, scale=scale.astype(form.kind),
            offset=offset.astype(form.kind),
        )  # fmt: skip
        return target

    @layer.register
    def _(self, layer: Piecewise, stream: Stream, result: Map) -> Stream:
        offset, step = stream.affine
        low, high = stream.map.low, stream.map.high
        limits = -((offset - np.clip(layer.thresholds, low, high + 1)) // step)
        pieces = numbers(Form.LONGS, result)
        self.program.add(
            stages.Piecewise, result.size * 2, source=self.number(stream, Form.LONGS).slot, result=pieces.slot,
            pixels=result.pixels, channels=result.channels, thresholds=limits.shape[1], shift=layer.shift,
            limits=limits, scale=layer.scale * step, offset=layer.scale * offset + layer.offset,
        )  # fmt: skip
        return pieces

    @layer.register
    def _(self, layer: Vote | Argmax, stream: Stream, result: Map) -> Stream:
        stream = self.number(stream)
        highest = numbers(Form.INTS, result)
        self.program.add(
            stages.Highest, stream.map.size, source=stream.slot, result=highest.slot, pixels=result.pixels,
            form=stream.form, channels=stream.map.channels, vote=isinstance(layer, Vote),
        )  # fmt: skip
        return highest

    @layer.register
    def _(self, layer: Pool, stream: Stream, result: Map) -> Stream:
        bits = stream.form == Form.BITS and stream.planes == 1 and layer.kind == "max"
        if not bits:
            # A sum may wrap, and is right if what comes out fits.
            stream = self.number(stream, natural(result) if layer.kind == "sum" else None)
        pooled = stream.of_shape(result.shape)
        rows, columns, _ = stream.map.shape
        elements = stream.slot.pixel // (4 if bits else stream.form.size)
        self.program.add(
            stages.Pool, result.pixels * (4 + layer.kernel[0] * layer.kernel[1] * (1 + elements / 8)),
            source=stream.slot, result=pooled.slot, form=stream.form, elements=elements, rows=rows, columns=columns,
            out_rows=result.shape[0], out_columns=result.shape[1], kernel_rows=layer.kernel[0],
            kernel_columns=layer.kernel[1], down=layer.stride[0], across=layer.stride[1], above=layer.pads[0],
            left=layer.pads[1], sum=layer.kind == "sum",
            least=None if layer.least is None else _least(layer.least, stream),
        )  # fmt: skip
        if layer.kind == "max":
            return pooled
        # Of values, not of what is in memory.
        offset, step = stream.affine
        taps = layer.kernel[0] * layer.kernel[1]
        summed = replace(pooled, map=result)
        if (offset, step) == (0, 1) and pooled.form == natural(result):
            return summed
        channels = result.channels
        return self._affine(summed, result, np.full(channels, step), np.full(channels, offset * taps))

    @layer.register
    def _(self, layer: Upsample, stream: Stream, result: Map) -> Stream:
        larger = stream.of_shape(result.shape)
        rows, columns, _ = stream.map.shape
        self.program.add(
            stages.Upsample, result.pixels * (4 + stream.slot.pixel / 32), source=stream.slot, result=larger.slot,
            rows=rows, columns=columns, down=layer.factors[0], across=layer.factors[1],
        )  # fmt: skip
        return larger

    @layer.register
    def _(self, layer: Select, stream: Stream, result: Map) -> Stream:
        stream = self.number(stream)
        chosen = numbers(stream.form, result)
        self.program.add(
            stages.Select, result.size / 2, source=stream.slot, result=chosen.slot, pixels=result.pixels,
            form=stream.form, channels=result.channels, channel=layer.channels.astype(np.int32),
        )  # fmt: skip
        return chosen

    @layer.register
    def _(self, layer: Parallel, stream: Stream, result: Map) -> Stream:
        total: Stream | None = None
        for branch, factor in zip(layer.branches, layer.factors, strict=True):
            end = self.in_series(branch, stream)
            offset, step = end.affine
            channels = result.channels
            scale, shift = np.full(channels, factor * step), np.full(channels, factor * offset)
            total = self._affine(end, result, scale, shift, onto=total)
        assert total is not None
        return total

    @layer.register
    def _(self, layer: Concat, stream: Stream, result: Map) -> Stream:
        ends = [self.in_series(branch, stream) for branch in layer.branches]
        whole_words = all(
            end.form == Form.BITS and end.groups == end.planes == 1 and end.map.channels % 32 == 0 for end in ends
        )
        joined = packed(result) if whole_words else numbers(natural(result), result)
        to = 0
        for end in (brought(self.program, end, joined.form) for end in ends):
            self.program.add(
                stages.Place, result.pixels * (2 + end.slot.pixel / 32), source=end.slot, result=joined.slot,
                pixels=result.pixels, bytes=end.slot.pixel, to=to,
            )  # fmt: skip
            to += end.slot.pixel
        return joined


def _least(least: NDArray[np.bool_], stream: Stream) -> NDArray[np.generic]:
    """All ones where the least is wanted, for each number, or for each bit of a pixel."""
    if stream.form != Form.BITS:
        return least.astype(stream.form.kind)
    grouped = least.reshape(stream.groups, -1)
    padded = np.pad(grouped, ((0, 0), (0, -grouped.shape[1] % 32)))
    return np.packbits(padded, axis=1, bitorder="little").view("<u4")
