"""An illegal network is told in one sentence: a case for each rule."""

import re
from dataclasses import replace
from pathlib import Path

import bitweir_hw.network.layers
import bitweir_hw.network.network
import bitweir_hw.network.readout
import numpy as np
import pytest
from bitweir_hw.errors import NetworkError
from bitweir_hw.network import (
    LAYERS,
    Affine,
    Argmax,
    Bound,
    Concat,
    Format,
    Map,
    Network,
    Parallel,
    Readout,
    Select,
    Stored,
    Threshold,
    Upsample,
    Vote,
    check,
)
from support.small_layers import (
    CONV,
    ENTRY,
    HIDDEN,
    INT,
    LABELS,
    LAST,
    MAP,
    NETWORK,
    ONE,
    PIECES,
    POOL,
    SCORES,
    SUM,
    SUMS,
    THRESHOLD,
    WIDER,
)


def layers(*items):
    return replace(NETWORK, layers=items)


def bounded(**changes):
    return replace(NETWORK, bounds=(replace(Bound(layer="dense1", of="codes", error="1/3", unit="1"), **changes),))


def entry(**changes):
    return replace(NETWORK, input=replace(ENTRY, **changes))


def after(source, layer):
    return lambda: layer.output_map(source)


def conv(**changes):
    return after(MAP, replace(CONV, **changes))


def pool(**changes):
    return after(MAP, replace(POOL, **changes))


def total(**changes):
    return after(MAP, replace(SUM, **changes))


def both(*branches, weights=None, source=MAP):
    return after(source, Parallel(name="p", branches=branches, weights=weights))


def joined(*branches):
    return after(MAP, Concat(name="c", branches=branches))


def read(kind, scale=(), offset=(), *items):
    """The network with another result, and other layers if there are any."""
    readout = Readout(kind=kind, scale=scale, offset=offset)
    return replace(NETWORK, layers=items or NETWORK.layers, readout=readout)


FALLING = Map.of_codes((1, 1, 4), Format(bits=1, step=-1))
WIDE = Map(shape=(1, 1, 4), low=0, high=1 << 32)
HUGE = Map(shape=(4, 4, 4), low=-(1 << 61), high=0)

CASES = {
    # formats
    "Format bits must be 1 to 32, not 0.": lambda: Format(bits=0),
    "Format bits must be 1 to 32, not 33.": lambda: Format(bits=33),
    "Format step must not be 0: every code would mean the same value.": lambda: Format(bits=1, step=0),
    "Format bits must be 1 to 32, not True.": lambda: Format(bits=True),
    "Format offset and step must be integers of 32 bits, not 4294967296.": lambda: Format(bits=1, offset=1 << 32),
    "Format offset and step must be integers of 32 bits, not 0.5.": lambda: Format(bits=1, step=0.5),
    # networks
    "Network name must be letters, digits and underscores, not '../x'.": replace(NETWORK, name="../x"),
    "Network name must be letters, digits and underscores, not 'nétz'.": replace(NETWORK, name="nétz"),
    "Network must have at least one layer; it has none.": layers(),
    "Layer names must be letters, digits and underscores, not 'a b'.": layers(HIDDEN, replace(LAST, name="a b")),
    "Layer names must differ; they are dense0, dense0.": layers(HIDDEN, replace(LAST, name="dense0")),
    "Layer names must differ; they are dense0, s, dense1, s.": layers(
        HIDDEN, Parallel(name="s", branches=((replace(LAST, name="s"),), (LAST,)))
    ),
    # results
    "The result of a network must be one of class, labels, scores, codes, classes, not 'logits'.": read("logits"),
    "The last layer 's' must output one vector of scores where the result is a class, not a map of shape (2, 1, 2): "
    "end with a dense layer or a pool over the whole map, or let the result be scores, or, behind an argmax, classes "
    "of pixels.": replace(
        entry(map_shape=(2, 1, 2)),
        layers=(Affine(name="s", scale=np.ones(2, INT), offset=np.ones(2, INT)),),
    ),
    "The last layer 'dense0' must output one channel of codes from 0 in steps of 1 where the result is the classes of "
    "pixels, not 3 channels: end with an argmax.": read("classes", (), (), HIDDEN),
    "The last layer 'dense1' must output codes, not scores, where the result is classes: give it thresholds.": read(
        "classes"
    ),
    "The last layer 'dense0' must output scores, not codes, where the result is a class: "
    "leave out its thresholds.": layers(HIDDEN),
    "The last layer 'dense0' must output scores, not codes, where the result is scores: "
    "leave out its thresholds.": read("scores", ("1",), ("0",), HIDDEN),
    "The last layer 'dense1' must output codes, not scores, where the result is labels: give it thresholds.": read(
        "labels"
    ),
    "The last layer 'dense1' must output codes, not scores, where the result is codes: give it thresholds.": read(
        "codes", ("1",), ("0",)
    ),
    "The last layer 'dense0' must output one bit, 0 or 1, as a label, not Format(bits=1, offset=-1, step=2).": read(
        "labels", (), (), HIDDEN
    ),
    "The last layer 'one' must have two outputs or more where the result is a class, because that of one output is "
    "always 0: let the result be labels or scores.": read("class", (), (), HIDDEN, ONE),
    "A result of kind labels must have 0 numbers as scale, not ('1',).": read("labels", ("1",), (), LABELS),
    "A result of kind class must have 0 or 1 numbers as offset, not ('0', '1').": read("class", ("1",), ("0", "1")),
    "A result of kind scores must have 1 or 2 numbers as offset, not ().": read("scores", ("1",)),
    "A result of kind scores must have 1 or 2 numbers as scale, not '1'.": read("scores", "1", ("0",)),
    "A result of kind class must have both scale and offset, or neither.": read("class", ("1",)),
    "A result of kind class must have a positive scale, not -1/2.": read("class", ("-1/2",), ("0",)),
    "The scale of a result must be a fraction such as -3/64, not '0.5'.": read("scores", ("0.5",), ("0",)),
    "The offset of a result must be a fraction such as -3/64, not 1.": read("scores", ("1",), (1,)),
    f"The offset of a result must be a fraction such as -3/64, not '{'9' * 79}....": read(
        "class", ("1",), ("9" * 5000,)
    ),
    "The scale of a result must be a fraction in lowest terms, not 2/4.": read("scores", ("2/4",), ("0",)),
    "The parts of a result must have 2 channels in all, as many as leave the last layer, not 1, 2.": replace(
        NETWORK, readout=Readout(parts=(("a", 1), ("b", 2)))
    ),
    "Whether a result is rounded must be true or false, not 1.": replace(
        NETWORK, readout=Readout(kind="scores", scale=("1",), offset=("0",), rounded=1)
    ),
    # inputs
    "Input shape must have positive sizes, not (0, 4).": entry(shape=(0, 4)),
    "Input shape must have positive sizes, not ().": entry(shape=()),
    "Input source must be a list of at least one index, not of shape (0,).": entry(source=np.arange(0)),
    "Input source must be a list of at least one index, not of shape (2, 2).": entry(source=np.zeros((2, 2), INT)),
    "Input source must lie in 0 to 3; it reaches 4.": entry(source=np.array([0, 1, 2, 4])),
    "Input map must have rows, columns and channels for 4 elements, not (2, 2, 2).": entry(map_shape=(2, 2, 2)),
    "Input map must have rows, columns and channels for 4 elements, not (2, 2).": entry(map_shape=(2, 2)),
    "Input map must have rows, columns and channels for 4 elements, not (-2, -2, 1).": entry(map_shape=(-2, -2, 1)),
    "Input thresholds must have 1 or 4 rows; their shape is (2, 1).": entry(thresholds=np.zeros((2, 1))),
    "Input thresholds must be 1 to 1 a row for 1 bits, not 2.": entry(thresholds=np.zeros((1, 2))),
    "Input thresholds must be ascending numbers in each row.": entry(thresholds=np.array([[np.nan]])),
    "Input without thresholds must say which integers its 1 bits hold.": entry(thresholds=None, stored=Stored()),
    "Input must say what stored integers mean, not hold a str.": entry(stored="1/255"),
    "Input rule [1,2]*x must have as many numbers as axis 0 of the shape (4,).": entry(
        stored=Stored(scale=("1", "2"), offset=("0", "0"))
    ),
    # weights
    "Layer 'dense1' takes 3 inputs, but 4 arrive.": layers(LAST),
    "Layer 'dense1' must have a two-dimensional array of bool or int64 as weights, not int8 of shape (2, 4).": layers(
        replace(LAST, weights=np.ones((2, 4), np.int8))
    ),
    "Layer 'dense1' must have a two-dimensional array of bool or int64 as weights, not bool of shape (0, 4).": layers(
        replace(LAST, weights=np.ones((0, 4), bool))
    ),
    "Layer 'conv' must have a four-dimensional array of bool or int64 as weights, not bool of shape (6, 3, 2).": conv(
        weights=np.ones((6, 3, 2), bool)
    ),
    "Layer 'dense1' must have weights of at most 16 bits, -32768 to 32767; they are -3 to 32768.": layers(
        replace(LAST, weights=np.array([[-3, 0, 0, 32768]]))
    ),
    "Layer 'dense1' must have weights of at most 16 bits, -32768 to 32767; they are -32769 to 0.": layers(
        replace(LAST, weights=np.array([[-32769, 0, 0, 0]]))
    ),
    "Layer 'dense1' must take values of at most 32 bits, not 0 to 4294967296: put a threshold before it.": after(
        WIDE, replace(LAST, weights=np.ones((2, 4), bool))
    ),
    # thresholds
    "Layer 'dense0' must have both thresholds and an output format, or neither.": layers(
        replace(HIDDEN, output=None), LAST
    ),
    "Layer 'dense0' must have int64 thresholds, a row for each of its 3 neurons, not int64 of shape (2, 1).": layers(
        replace(HIDDEN, thresholds=np.zeros((2, 1), INT)), LAST
    ),
    "Layer 't' must have int64 thresholds, a row for each of its 4 neurons, not int32 of shape (4, 1).": after(
        MAP, replace(THRESHOLD, thresholds=np.zeros((4, 1), np.int32))
    ),
    "Layer 'dense0' must have 1 to 1 thresholds a neuron for 1 bits, not 2.": layers(
        replace(HIDDEN, thresholds=np.zeros((3, 2), INT)), LAST
    ),
    "Layer 'dense0' must have ascending thresholds for each neuron.": layers(
        replace(HIDDEN, thresholds=np.array([[2, 1, 0]] * 3), output=Format(bits=2)), LAST
    ),
    # windows
    "Layer 'conv' must have int64 edges of shape (2, 1, 6), one for each class of windows and filter, not int64 of "
    "shape (1, 1, 6).": conv(pads=(1, 0, 0, 0), edges=np.zeros((1, 1, 6), INT)),
    "Layer 'conv' must have int64 edges of shape (3, 5, 6), one for each class of windows and filter, not int64 of "
    "shape (1, 1, 6).": conv(by_pixel=True, edges=np.zeros((1, 1, 6), INT)),
    "Layer 'conv' must have edges where each window is a class of its own.": conv(by_pixel=True),
    "Layer 'conv' must have groups of 1 or more, not (0,).": conv(groups=0),
    "Layer 'conv' must divide its 4 channels and 6 filters into groups, not 3 of them.": conv(groups=3),
    "Layer 'conv' must divide its 4 channels and 6 filters into groups, not 4 of them.": conv(groups=4),
    "Layer 'conv' takes 8 channels, but 4 arrive.": conv(groups=2),
    "Layer 'conv' must have a stride of 1 or more, not (1, 0).": conv(stride=(1, 0)),
    "Layer 'conv' must have pads of 0 or more, not (0, 0, -1, 0).": conv(pads=(0, 0, -1, 0)),
    "Layer 'conv' pads 3 rows above, but its kernel has 3 rows: at most 2.": conv(pads=(3, 0, 0, 0)),
    "Layer 'conv' pads 2 columns on the right, but its kernel has 2 columns: at most 1.": conv(pads=(2, 0, 0, 2)),
    "Layer 'conv' must have an integer of at most 32 bits as pad value, not -4294967296.": conv(pad_value=-(1 << 32)),
    "Layer 'conv' must have an integer of at most 32 bits as pad value, not 0.5.": conv(pad_value=0.5),
    "Layer 'pool' must have a kernel of 1 or more, not (2.0, 2).": pool(kernel=(2.0, 2)),
    "Layer 'pool' must have a kernel and a stride of two numbers, and four pads.": pool(stride=(2,)),
    "Layer 'pool' must have a kernel of at most 6 rows, as many as its padded map has, not 7.": pool(
        kernel=(7, 2), pads=(1, 0, 0, 0)
    ),
    # pools
    "Layer 'pool' must be a pool of kind max or sum, not 'mean'.": pool(kind="mean"),
    "Layer 'pool' must have pads of 0, because a sum over the edge of a map would need another divisor there, "
    "not (0, 1, 0, 0).": total(pads=(0, 1, 0, 0)),
    "Layer 'pool' must not name channels with the least value: it sums.": total(least=np.ones(4, bool)),
    "Layer 'pool' must tell for each of its 4 channels as a bool whether the least value is wanted, "
    "not as bool of shape (3,).": pool(least=np.ones(3, bool)),
    "Layer 'pool' must output values of at most 62 bits, not -9223372036854775808 to 0.": after(HUGE, SUM),
    # codes that fall
    "Layer 'pool' must take codes that rise with their values: reverse the sign of the step.": after(
        FALLING, replace(POOL, kernel=(1, 1))
    ),
    "Layer 't' must take codes that rise with their values: reverse the sign of the step.": after(FALLING, THRESHOLD),
    "Layer 'v' must take codes that rise with their values: reverse the sign of the step.": after(
        FALLING, Vote(name="v")
    ),
    # the others
    "Layer 'c' must choose among two channels or more, not 1.": after(
        Map(shape=(2, 2, 1), low=0, high=1), Argmax(name="c")
    ),
    "Layer 'v' must take a vector of scores, not a map of shape (5, 6, 4).": after(MAP, Vote(name="v")),
    "Layer 's' must have int64 scale and offset of one length.": after(MAP, replace(SCORES, offset=np.ones(3, INT))),
    "Layer 's' takes 4 channels, but 3 arrive.": layers(HIDDEN, SCORES),
    "Layer 's' must have one scale a channel, not an array of shape (1, 4).": after(
        MAP, replace(SCORES, scale=np.ones((1, 4), INT), offset=np.ones((1, 4), INT))
    ),
    "Layer 's' must output values of at most 62 bits, not 0 to 4611686018427387904.": after(
        Map(shape=(1, 1, 1), low=0, high=2), Affine(name="s", scale=np.array([1 << 61]), offset=np.array([0]))
    ),
    "Layer 'w' must have int64 thresholds, scale and offset, a row for each of its 3 channels, "
    "not int64 of shape (4, 1).": layers(HIDDEN, PIECES),
    "Layer 'w' must have int64 thresholds, scale and offset, a row for each of its 4 channels, "
    "not float64 of shape (4, 2).": after(MAP, replace(PIECES, offset=np.zeros((4, 2)))),
    "Layer 'w' must have int64 thresholds, scale and offset, a row for each of its 4 channels, "
    "not int64 of shape (4,).": after(MAP, replace(PIECES, thresholds=np.zeros(4, INT))),
    "Layer 'w' must have 1 to 7 thresholds a channel, and one scale and offset more, not 1, 3 and 2.": after(
        MAP, replace(PIECES, scale=np.ones((4, 3), INT))
    ),
    "Layer 'w' must have 1 to 7 thresholds a channel, and one scale and offset more, not 8, 2 and 2.": after(
        MAP, replace(PIECES, thresholds=np.zeros((4, 8), INT))
    ),
    "Layer 'w' must have ascending thresholds for each channel.": after(
        MAP,
        replace(PIECES, thresholds=np.array([[1, 0]] * 4), scale=np.ones((4, 3), INT), offset=np.ones((4, 3), INT)),
    ),
    "Layer 'w' must have a shift of 0 to 62, not -1.": after(MAP, replace(PIECES, shift=-1)),
    "Layer 'w' must have a shift of 0 to 62, not 1.0.": after(MAP, replace(PIECES, shift=1.0)),
    "Layer 'w' must output values of at most 62 bits, not 0 to 4611686018427387904.": after(
        Map(shape=(1, 1, 4), low=0, high=2), replace(PIECES, scale=np.full((4, 2), 1 << 61), shift=40)
    ),
    "Layer 'w' must take codes that rise with their values: reverse the sign of the step.": after(FALLING, PIECES),
    "Layer 'p' must have two branches or more, not 1.": both(()),
    "Layer 'p' must have one integer weight of 32 bits for each of its 2 branches, not (1,).": both(
        (), (), weights=(1,)
    ),
    "Layer 'p' must have one integer weight of 32 bits for each of its 2 branches, not (1, 0.5).": both(
        (), (), weights=(1, 0.5)
    ),
    "Layer 'p' must have one integer weight of 32 bits for each of its 2 branches, not (1, 4294967296).": both(
        (), (), weights=(1, 1 << 32)
    ),
    "Layer 'u' must have factors of 1 or more, not (2, 0).": after(MAP, Upsample(name="u", factors=(2, 0))),
    "Layer 'u' must have factors of at most 256, not (1, 257).": after(MAP, Upsample(name="u", factors=(1, 257))),
    "Layer 'x' must have a list of int64 channels, not int32 of shape (1,).": after(
        MAP, Select(name="x", channels=np.array([1], np.int32))
    ),
    "Layer 'x' must have a list of int64 channels, not int64 of shape (0,).": after(
        MAP, Select(name="x", channels=np.array([], np.int64))
    ),
    "Layer 'x' must choose of the channels 0 to 3 that arrive, not -1 to 2.": after(
        MAP, Select(name="x", channels=np.array([2, -1]))
    ),
    "Layer 'x' must choose of the channels 0 to 3 that arrive, not 4 to 4.": after(
        MAP, Select(name="x", channels=np.array([4]))
    ),
    "Layer 'c' must have two branches or more, not 1.": joined(()),
    "Layer 'c' must join maps of the same rows and columns; its branches end in (5, 6), (2, 3).": joined((), (POOL,)),
    "Layer 'c' must join accumulators, or codes of one offset and step; its branches end in codes from -1 in steps of "
    "2, accumulators.": joined((), (SUMS,)),
    "Layer 'c' must join accumulators, or codes of one offset and step; its branches end in codes from -1 in steps of "
    "2, codes from 0 in steps of 1.": joined((), (replace(WIDER, output=Format(bits=2)),)),
    "Layer 't' must have thresholds: it is nothing else.": after(
        MAP, Threshold(name="t", thresholds=None, output=None)
    ),
    # bounds
    "A bound must name a layer of the network, not 'sum0'.": bounded(layer="sum0"),
    "The bound of layer 'dense1' must be of codes, scores or a class, not of 'sums'.": bounded(of="sums"),
    "The bound of layer 'dense1' must be exact or not, not 1.": bounded(exact=1),
    "The bound of layer 'dense1' must have fractions such as '3/1024', not '1e-9'.": bounded(error="1e-9"),
    "Layer 'p' must sum maps of one shape; its branches end in (5, 6, 4), (2, 3, 4).": both((), (POOL,)),
    "Layer 'p' must output values of at most 62 bits, not -4611686018427387904 to 0.": both((), (), source=HUGE),
}


def illegal(case):
    return check(case) if isinstance(case, Network) else case()


@pytest.mark.parametrize("text", CASES)
def test_illegal(text):
    with pytest.raises(NetworkError) as error:
        illegal(CASES[text])
    assert str(error.value) == text


def test_the_package_has_each_layer():
    assert {kind.__name__ for kind in LAYERS} <= set(bitweir_hw.network.__all__)


def test_every_rule_has_a_case():
    rules = {
        (Path(module.__file__), number)
        for module in (bitweir_hw.network.layers, bitweir_hw.network.network, bitweir_hw.network.readout)
        for number, line in enumerate(Path(module.__file__).read_text().splitlines(), 1)
        if re.search(r"\braise NetworkError\b", line)
    }
    broken = set()
    for case in CASES.values():
        with pytest.raises(NetworkError) as error:
            illegal(case)
        last = error.traceback[-1]
        broken.add((Path(last.path), last.lineno + 1))
    assert rules <= broken, rules - broken
