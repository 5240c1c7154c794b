"""Maps between stages, and what brings them from one form into another."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bitweir_hw.network import Format, Map, Shape

from .stages import Convert, Form, Pack, Program, Slot, Unpack

__all__ = ["MAX_PLANES", "Stream", "brought", "form_of", "numbers", "packed", "words_of"]

#: Codes of more bits are never planes.
MAX_PLANES = 8


@dataclass(frozen=True, kw_only=True)
class Stream:
    """A map in memory.

    Parameters
    ----------
    slot : Slot
    map : Map
    form : Form
    groups : int
        Of channels, where the form is bits; words of a group follow one another.
    """

    slot: Slot
    map: Map
    form: Form
    groups: int = 1

    @property
    def planes(self) -> int:
        """Bits of a code."""
        assert self.map.format is not None
        return self.map.format.bits

    @property
    def range(self) -> tuple[int, int]:
        """Lowest and highest number in memory."""
        form = self.map.format
        return (self.map.low, self.map.high) if form is None else (0, form.codes - 1)

    @property
    def affine(self) -> tuple[int, int]:
        """Offset and step that lead from a number in memory to its value."""
        form = self.map.format
        return (0, 1) if form is None else (form.offset, form.step)

    def of_shape(self, shape: Shape) -> Stream:
        """A new map of the same kind, of another shape."""
        return replace(self, slot=Slot(self.slot.pixel, shape[0] * shape[1]), map=replace(self.map, shape=shape))


def words_of(channels: int) -> int:
    """Words of a plane of so many channels."""
    return -(-channels // 32)


def form_of(low: int, high: int) -> Form:
    """The form of numbers in a range; the highest int stays free for limits that are never reached."""
    return Form.INTS if low > -(1 << 31) and high < (1 << 31) - 1 else Form.LONGS


def natural(stream: Map) -> Form:
    """The form of the numbers of any map."""
    return form_of(stream.low, stream.high) if stream.format is None else form_of(0, stream.format.codes - 1)


def numbers(form: Form, source: Map) -> Stream:
    """A new map of numbers."""
    return Stream(slot=Slot(form.size * source.channels, source.pixels), map=source, form=form)


def packed(source: Map, groups: int = 1) -> Stream:
    """A new map of bits."""
    assert isinstance(source.format, Format)
    words = groups * source.format.bits * words_of(source.channels // groups)
    return Stream(slot=Slot(4 * words, source.pixels), map=source, form=Form.BITS, groups=groups)


def brought(program: Program, stream: Stream, form: Form, groups: int = 1) -> Stream:
    """The map in another form, and for bits with so many groups."""
    if stream.form == form and stream.groups == groups:
        return stream
    pixels, channels = stream.map.pixels, stream.map.channels
    if stream.form == Form.BITS:
        result = numbers(Form.INTS, stream.map)
        program.add(
            Unpack, stream.map.size * stream.planes / 8, source=stream.slot, result=result.slot, pixels=pixels,
            groups=stream.groups, channels=channels // stream.groups, planes=stream.planes,
        )  # fmt: skip
        return brought(program, result, form, groups)
    if form == Form.BITS:
        if stream.form not in (Form.BYTES, Form.INTS):
            stream = brought(program, stream, Form.INTS)
        result = packed(stream.map, groups)
        program.add(
            Pack, stream.map.size * result.planes / 8, source=stream.slot, result=result.slot, pixels=pixels,
            form=stream.form, groups=groups, channels=channels // groups, planes=result.planes,
        )  # fmt: skip
        return result
    result = numbers(form, stream.map)
    program.add(
        Convert, stream.map.size / 8, source=stream.slot, result=result.slot, pixels=pixels, channels=channels,
        from_form=stream.form, to_form=form,
    )  # fmt: skip
    return result
