"""What beats say, in words: to which frame, pixel and channels they belong, and their numbers."""

from __future__ import annotations

from dataclasses import dataclass

from bitweir_hw.blocks import EndSpec
from bitweir_hw.blocks.pipeline import Pipeline, Stream, WeightStream
from bitweir_hw.network import BIPOLAR, Format, Network

__all__ = ["MOST", "Beats", "Words", "formats"]

#: Numbers of a beat that are written out.
MOST = 64


def formats(network: Network) -> dict[str, Format]:
    """What the codes of each layer mean; layers that hand on sums are not among them."""
    found = {layer.name: after.format for layer, _, after in network.placed() if after.format}
    return {"input": network.input.format, **found}


@dataclass(frozen=True, kw_only=True)
class Words:
    """Texts for a stream of weights.

    Parameters
    ----------
    stream : WeightStream
    """

    stream: WeightStream

    def place(self, beat: int) -> str:
        """Which word of the layer a beat of the run is."""
        return f"word{beat % self.stream.words}"


def _span(start: int, end: int) -> str:
    """Numbers from `start` to before `end`."""
    return f"{start}" if end == start + 1 else f"{start}-{end - 1}"


@dataclass(frozen=True, kw_only=True)
class Beats:
    """Texts for the beats of a stream.

    Parameters
    ----------
    stream : Stream
    form : Format or None
        What codes mean; None where elements are numbers.
    first : int
        What the first frame of the run is called.
    end : EndSpec or None
        The last block, for the stream of results.
    """

    stream: Stream
    form: Format | None
    first: int
    end: EndSpec | None = None

    @classmethod
    def of(cls, stream: Stream, pipeline: Pipeline, known: dict[str, Format], first: int) -> Beats:
        """Those of a stream of a pipeline; `known` is what `formats` gives."""
        last = pipeline.nodes[-1].block
        form = None if stream.signed else known.get(stream.layer.removesuffix(".columns"))
        end = last if stream is pipeline.output and isinstance(last, EndSpec) else None
        return cls(stream=stream, form=form, first=first, end=end)

    def place(self, beat: int) -> str:
        """Frame (f), pixel (p) or window (w), and channels (c) of a beat of the run, such as ``f0.p12.c0-7``."""
        stream = self.stream
        group, beat = divmod(beat, stream.beats)
        vector, beat = divmod(beat, stream.vector_beats)
        frame = self.first + group * stream.parallel_frames
        text = "f" + _span(frame, frame + stream.parallel_frames)
        if stream.vectors > 1:
            text += f".{'w' if stream.window else 'p'}{vector}"
        if stream.vector_beats > 1:
            low = beat * stream.lanes
            text += ".c" + _span(low, min(low + stream.lanes, stream.length))
        return text

    def values(self, beat: int, bits: str) -> str:
        """The numbers of a beat of the run, from the bits of its payload, the highest first.

        Frames that go side by side are divided by ``|``.
        """
        stream, lowest = self.stream, bits[::-1]
        lanes = min(stream.lanes, stream.length - beat % stream.vector_beats * stream.lanes)
        width, frames = stream.lane_bits, stream.parallel_frames
        found = []
        for frame in range(frames):
            starts = range(frame * width, lanes * frames * width, frames * width)
            found.append(self._elements([lowest[at : at + width] for at in starts]) + self._class(lowest, frame))
        return "|".join(found)

    def _elements(self, elements: list[str]) -> str:
        more = f"...+{len(elements) - MOST}" if len(elements) > MOST else ""
        if self.form == BIPOLAR:
            return "".join({"0": "-", "1": "+"}.get(bit, bit) for bit in elements[:MOST]) + more
        return ",".join(map(self._number, elements[:MOST])) + more

    def _number(self, bits: str) -> str:
        """Of an element, from its bits, the lowest first; x where one of them is not known."""
        try:
            code = int(bits[::-1], 2)
        except ValueError:
            return "x"
        if self.stream.signed and bits[-1] == "1":
            code -= 1 << len(bits)
        return str(self.form.offset + self.form.step * code if self.form else code)

    def _class(self, lowest: str, frame: int) -> str:
        """What stands above the scores: the class until now, and at the last beat of a frame that of all."""
        if self.end is None:
            return ""
        last, width = lowest[-1] == "1", self.end.index_bits
        text = ";last" if last else ""
        if width:
            at = self.stream.bits + frame * width
            index = lowest[at : at + width][::-1]
            number = str(int(index, 2)) if set(index) <= set("01") else "x"
            text = f";{'class' if last else 'best'}={number}{text}"
        return text
