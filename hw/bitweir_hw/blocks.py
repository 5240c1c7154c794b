"""The blocks that a network and a plan come down to, with every derived size.

One list of these specifications is the source of both the gateware (what the blocks are made of)
and the cycle model (when they move). A specification holds integers and arrays, no hardware.

Times are in clock cycles. A *beat* is one transfer on a stream, of some *lanes* (elements).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import gcd

import numpy as np
from numpy.typing import NDArray

from .compressor import Popcount
from .errors import NetworkError
from .network import BIPOLAR, Dense, Integers, Network
from .plan import Plan, check_plan

__all__ = ["AffineSpec", "ArgmaxSpec", "BlockSpec", "MatVecSpec", "WidthSpec", "lower"]


def ceil_div(a: int, b: int) -> int:
    """The quotient, rounded up."""
    return -(-a // b)


def signed_bits(low: int, high: int) -> int:
    """Bits of the two's complement number that holds `low` to `high`."""
    return max((~low if low < 0 else low).bit_length(), (~high if high < 0 else high).bit_length()) + 1


@dataclass(frozen=True, kw_only=True, eq=False)
class MatVecSpec:
    """A matrix-vector-threshold unit (MVTU), see `gateware.matvec`.

    Parameters
    ----------
    layer : str
        The layer that it computes.
    weights : bool array, (M, K)
    presets : int64 array, (M,)
        Start value of each accumulator.
    threshold : bool
        Whether the output is the sign (1 for ``acc >= 0``) or the accumulator.
    pe, simd : int
        The folding, P and S.
    acc_bits : int
        Bits of an accumulator, signed.
    popcount : Popcount
    odd : bool
        Without `threshold`, the output is ``2 * acc + odd``.
    """

    layer: str
    weights: NDArray[np.bool_]
    presets: Integers
    threshold: bool
    pe: int
    simd: int
    acc_bits: int
    popcount: Popcount
    odd: bool = False

    @property
    def rows(self) -> int:
        """M, the neurons."""
        return int(self.weights.shape[0])

    @property
    def columns(self) -> int:
        """K, the inputs."""
        return int(self.weights.shape[1])

    @property
    def neuron_folds(self) -> int:
        """Groups of P neurons, ``ceil(M / P)``."""
        return ceil_div(self.rows, self.pe)

    @property
    def synapse_folds(self) -> int:
        """Words of S inputs, ``ceil(K / S)``."""
        return ceil_div(self.columns, self.simd)

    @property
    def cycles(self) -> int:
        """Cycles a vector: the product of both folds, the interval between vectors."""
        return self.neuron_folds * self.synapse_folds

    @property
    def i_beats(self) -> int:
        """Input beats a vector."""
        return self.synapse_folds

    @property
    def o_beats(self) -> int:
        """Output beats a vector."""
        return self.neuron_folds

    @property
    def lanes(self) -> int:
        """XNOR bits that feed a popcount each cycle."""
        return self.pe * self.simd

    @property
    def i_bits(self) -> int:
        """Payload bits at the input."""
        return self.simd

    @property
    def o_lane_bits(self) -> int:
        """Bits of one output element: a bit, or ``2 * acc + odd``."""
        return 1 if self.threshold else self.acc_bits + 1

    @property
    def o_bits(self) -> int:
        """Payload bits at the output."""
        return self.pe * self.o_lane_bits

    @property
    def buffer_words(self) -> int:
        """Words of the input buffer: two vectors, or two words where nothing is replayed."""
        return 2 * self.synapse_folds if self.neuron_folds > 1 else 2

    @property
    def latency(self) -> int:
        """Cycles from the issue of a group's last word to the write of its result.

        One for the memories, the registers of the popcount, one for the accumulator.
        """
        return 2 + self.popcount.stages(self.simd)

    @property
    def fifo_depth(self) -> int:
        """Results that may be under way or waiting.

        A place is taken at issue and free again two cycles after the write, if nobody waits: so
        many keep one group every `synapse_folds` cycles going. One more evens out a follower that
        keeps up but takes its beats at uneven times, as a width converter does.
        """
        return ceil_div(self.latency + 2, self.synapse_folds) + 1

    def weight_words(self) -> list[int]:
        """Content of the weight memory: a word of P*S bits for each cycle of a vector.

        Padded neurons and inputs get weight 1; padded inputs are 0, so that they never count.
        """
        padded = np.ones((self.neuron_folds * self.pe, self.synapse_folds * self.simd), bool)
        padded[: self.rows, : self.columns] = self.weights
        # (group, element, word, lane) -> one row of P*S bits for each (group, word)
        words = padded.reshape(self.neuron_folds, self.pe, self.synapse_folds, self.simd).swapaxes(1, 2)
        packed = np.packbits(words.reshape(self.cycles, self.lanes), axis=1, bitorder="little")
        return [int.from_bytes(row.tobytes(), "little") for row in packed]

    def preset_words(self) -> list[int]:
        """Content of the preset memory: a word of P accumulators for each group of neurons.

        Padded neurons start so low that their bit stays 0.
        """
        lowest = -(1 << (self.acc_bits - 1))
        presets = np.full(self.neuron_folds * self.pe, lowest if self.threshold else 0, np.int64)
        presets[: self.rows] = self.presets
        mask = (1 << self.acc_bits) - 1
        return [
            sum((int(value) & mask) << (p * self.acc_bits) for p, value in enumerate(group))
            for group in presets.reshape(self.neuron_folds, self.pe)
        ]


@dataclass(frozen=True, kw_only=True)
class WidthSpec:
    """A width converter, see `gateware.width`.

    Parameters
    ----------
    layer : str
        The layer that it feeds.
    length : int
        Elements of a vector.
    i_lanes, o_lanes : int
        Elements of a beat before and after; the last beat of a vector is padded with zeros.
    lane_bits : int
        Bits of an element.
    """

    layer: str
    length: int
    i_lanes: int
    o_lanes: int
    lane_bits: int

    @property
    def i_beats(self) -> int:
        """Input beats a vector."""
        return ceil_div(self.length, self.i_lanes)

    @property
    def o_beats(self) -> int:
        """Output beats a vector."""
        return ceil_div(self.length, self.o_lanes)

    @property
    def cycles(self) -> int:
        """Cycles a vector, if nobody waits."""
        return max(self.i_beats, self.o_beats)

    @property
    def i_bits(self) -> int:
        """Payload bits at the input."""
        return self.i_lanes * self.lane_bits

    @property
    def o_bits(self) -> int:
        """Payload bits at the output."""
        return self.o_lanes * self.lane_bits

    @property
    def last(self) -> int:
        """Elements that the last input beat of a vector adds, padding of the output included."""
        return self.o_beats * self.o_lanes - (self.i_beats - 1) * self.i_lanes

    @property
    def step(self) -> int:
        """Elements that all fill levels are multiples of."""
        return gcd(self.i_lanes, self.o_lanes)

    @property
    def room(self) -> int:
        """Highest fill level at which a beat is taken.

        Two output beats: less would cost cycles where both sides have as many beats a vector, as
        the input then runs up to two output beats ahead.
        """
        return 2 * self.o_lanes

    @property
    def capacity(self) -> int:
        """Elements that the buffer holds."""
        return self.room + max(self.i_lanes, self.last)


@dataclass(frozen=True, kw_only=True, eq=False)
class AffineSpec:
    """Exact scores from accumulators, see `gateware.affine`.

    Parameters
    ----------
    layer : str
    lanes : int
        Scores a beat.
    i_lane_bits, o_lane_bits : int
        Bits of an accumulator and of a score, signed.
    scale, offset : int64 array, (M,)
    """

    layer: str
    lanes: int
    i_lane_bits: int
    o_lane_bits: int
    scale: Integers
    offset: Integers

    #: Cycles from taking a beat to the write of its result: constants, product.
    latency = 2

    @property
    def classes(self) -> int:
        """M, the number of classes."""
        return len(self.scale)

    @property
    def cycles(self) -> int:
        """Cycles a frame, one for each beat."""
        return ceil_div(self.classes, self.lanes)

    @property
    def i_beats(self) -> int:
        """Input beats a frame."""
        return self.cycles

    @property
    def o_beats(self) -> int:
        """Output beats a frame."""
        return self.cycles

    @property
    def fifo_depth(self) -> int:
        """Results under way or waiting, so that a beat moves every cycle."""
        return self.latency + 2

    @property
    def i_bits(self) -> int:
        """Payload bits at the input."""
        return self.lanes * self.i_lane_bits

    @property
    def o_bits(self) -> int:
        """Payload bits at the output."""
        return self.lanes * self.o_lane_bits


@dataclass(frozen=True, kw_only=True)
class ArgmaxSpec:
    """The running class beside the scores, see `gateware.argmax`.

    Parameters
    ----------
    layer : str
    classes : int
        M, the number of scores of a frame.
    lanes : int
        Scores a beat.
    lane_bits : int
        Bits of a score, signed.
    """

    layer: str
    classes: int
    lanes: int
    lane_bits: int

    #: A result is written in the cycle in which its beat is taken.
    latency = 0
    #: One place to fill while the other empties.
    fifo_depth = 2

    @property
    def cycles(self) -> int:
        """Cycles a frame, one for each beat."""
        return ceil_div(self.classes, self.lanes)

    @property
    def i_beats(self) -> int:
        """Input beats a frame."""
        return self.cycles

    @property
    def o_beats(self) -> int:
        """Output beats a frame."""
        return self.cycles

    @property
    def index_bits(self) -> int:
        """Bits of a class."""
        return max(1, (self.classes - 1).bit_length())

    @property
    def i_bits(self) -> int:
        """Payload bits at the input."""
        return self.lanes * self.lane_bits

    @property
    def o_bits(self) -> int:
        """Payload bits at the output: the scores, the class, the mark of the last beat."""
        return self.i_bits + self.index_bits + 1


BlockSpec = MatVecSpec | WidthSpec | AffineSpec | ArgmaxSpec


@dataclass
class _Chain:
    """The blocks so far, and what leaves the last one."""

    length: int
    lanes: int
    lane_bits: int
    blocks: list[BlockSpec] = field(default_factory=list)

    def widen(self, layer: str, lanes: int) -> None:
        """Bring the stream to so many lanes."""
        if lanes != self.lanes:
            self.blocks.append(
                WidthSpec(layer=layer, length=self.length, i_lanes=self.lanes, o_lanes=lanes, lane_bits=self.lane_bits)
            )
            self.lanes = lanes


def _matvec(layer: Dense, plan: Plan, index: int) -> MatVecSpec:
    inputs, folding = layer.inputs, plan.foldings[index]
    if layer.thresholds is None:
        # acc = 2 * popcount - K: start at -K/2, rounded down, and let the parity be a constant bit.
        presets = np.full(layer.outputs, -ceil_div(inputs, 2))
        low, high = -ceil_div(inputs, 2), inputs // 2
    else:
        # acc >= t, with acc = 2 * popcount - K, is popcount >= ceil((t + K) / 2). Beyond reach, 0
        # and K + 1 say the same as any other number and keep the accumulator short.
        presets = -np.clip(-((-layer.thresholds[:, 0] - inputs) // 2), 0, inputs + 1)
        low, high = -(inputs + 1), inputs
    return MatVecSpec(
        layer=layer.name,
        weights=layer.weights,
        presets=presets,
        threshold=layer.thresholds is not None,
        pe=folding.pe,
        simd=folding.simd,
        acc_bits=signed_bits(low, high),
        popcount=plan.popcount,
        odd=layer.thresholds is None and inputs % 2 == 1,
    )


def _check_buildable(network: Network) -> None:
    for layer, source in zip(network.layers, network.formats()[:-1], strict=True):
        if isinstance(layer, Dense):
            for what, form in (("inputs", source), ("outputs", layer.output)):
                if form is not None and form != BIPOLAR:
                    raise NetworkError(
                        f"Layer {layer.name!r} must have {what} of 1 bit that mean -1 or +1 to become hardware, "
                        f"not of {form.bits} bits (offset {form.offset}, step {form.step})."
                    )


def lower(network: Network, plan: Plan) -> tuple[BlockSpec, ...]:
    """The blocks of an accelerator, in order of the stream.

    Parameters
    ----------
    network : Network
        As `network.check` lets it pass.
    plan : Plan

    Raises
    ------
    NetworkError
        A layer cannot be built; names the layer.
    PlanError
        The plan does not fit.
    """
    check_plan(network, plan)
    _check_buildable(network)
    chain = _Chain(length=network.input.size, lanes=plan.foldings[0].simd, lane_bits=network.input.format.bits)
    index = 0
    ranges = network.accumulator_ranges()
    for layer, (low, high) in zip(network.layers, ranges, strict=True):
        if isinstance(layer, Dense):
            block = _matvec(layer, plan, index)
            chain.widen(layer.name, block.simd)
            chain.blocks.append(block)
            chain.length, chain.lanes, chain.lane_bits = block.rows, block.pe, block.o_lane_bits
            index += 1
        else:
            chain.widen(layer.name, _score_lanes(chain))
            bits = signed_bits(low, high)
            chain.blocks.append(
                AffineSpec(
                    layer=layer.name,
                    lanes=chain.lanes,
                    i_lane_bits=chain.lane_bits,
                    o_lane_bits=bits,
                    scale=layer.scale,
                    offset=layer.offset,
                )
            )
            chain.lane_bits = bits
    chain.widen("argmax", _score_lanes(chain))
    chain.blocks.append(ArgmaxSpec(layer="argmax", classes=chain.length, lanes=chain.lanes, lane_bits=chain.lane_bits))
    return tuple(chain.blocks)


def _score_lanes(chain: _Chain) -> int:
    """Fewest scores a beat that keep up with the slowest block before."""
    return ceil_div(chain.length, max(block.cycles for block in chain.blocks))
