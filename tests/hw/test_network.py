"""A legal network passes; an illegal one is told in one sentence."""

from dataclasses import replace

import numpy as np
import pytest
from bitweir_hw.errors import NetworkError
from bitweir_hw.network import BIPOLAR, Affine, Dense, Format, Input, Network, check

HIDDEN = Dense(name="dense0", weights=np.ones((3, 4), bool), thresholds=np.zeros((3, 1), np.int64), output=BIPOLAR)
LAST = Dense(name="dense1", weights=np.ones((2, 3), bool))
ENTRY = Input(shape=(4,), format=BIPOLAR, thresholds=np.array([[0.5]]), source=np.arange(4))
NETWORK = Network(name="net", input=ENTRY, layers=(HIDDEN, LAST))


def test_legal():
    assert check(NETWORK) is NETWORK
    assert NETWORK.classes == 2


def test_format_values():
    assert BIPOLAR.values([0, 1]).tolist() == [-1, 1]
    assert Format(bits=2, offset=-1).values([0, 1, 2]).tolist() == [-1, 0, 1]
    assert Format(bits=8).codes == 256


def layers(*items):
    return replace(NETWORK, layers=items)


def entry(**changes):
    return replace(NETWORK, input=replace(ENTRY, **changes))


INT = np.int64
CASES = {
    "Network name must be letters, digits and underscores, not '../x'.": replace(NETWORK, name="../x"),
    "Network must have at least one layer; it has none.": layers(),
    "Layer names must differ; they are dense0, dense0.": layers(HIDDEN, replace(LAST, name="dense0")),
    "Layer 'dense1' takes 3 inputs, but 4 arrive.": layers(LAST),
    "The last layer 'dense0' must hand on scores, not codes: leave out its thresholds.": layers(HIDDEN),
    "Layer 'dense1' needs codes, but accumulators arrive: give the layer before it thresholds.": layers(
        replace(HIDDEN, thresholds=None, output=None), LAST
    ),
    "Layer 'dense0' must have both thresholds and an output format, or neither.": layers(
        replace(HIDDEN, output=None), LAST
    ),
    "Layer 'dense0' must have int64 thresholds, a row for each of its 3 neurons, not int64 of shape (2, 1).": layers(
        replace(HIDDEN, thresholds=np.zeros((2, 1), INT)), LAST
    ),
    "Layer 'dense0' must have 1 to 1 thresholds a neuron for 1 bits, not 2.": layers(
        replace(HIDDEN, thresholds=np.zeros((3, 2), INT)), LAST
    ),
    "Layer 'dense0' must have ascending thresholds for each neuron.": layers(
        replace(HIDDEN, thresholds=np.array([[2, 1, 0]] * 3), output=Format(bits=2)), LAST
    ),
    "Layer 'dense0' must have a two-dimensional array of bool as weights, not int64 of shape (3, 4).": layers(
        replace(HIDDEN, weights=np.ones((3, 4), INT)), LAST
    ),
    "Layer 's' makes scores, so it must come last and after accumulators.": layers(
        Affine(name="s", scale=np.ones(4, INT), offset=np.ones(4, INT)), HIDDEN, LAST
    ),
    "Layer 's' must have int64 scale and offset of one length.": layers(
        HIDDEN, LAST, Affine(name="s", scale=np.ones(2, INT), offset=np.ones(3, INT))
    ),
    "Input shape must have positive sizes, not (0, 4).": entry(shape=(0, 4)),
    "Input source must lie in 0 to 3; it reaches 4.": entry(source=np.array([0, 1, 2, 4])),
    "Input thresholds must have 1 or 4 rows; their shape is (2, 1).": entry(thresholds=np.zeros((2, 1))),
    "Input thresholds must be 1 to 1 a row for 1 bits, not 2.": entry(thresholds=np.zeros((1, 2))),
    "Input thresholds must be ascending numbers in each row.": entry(thresholds=np.array([[np.nan]])),
}


@pytest.mark.parametrize("text", CASES)
def test_illegal(text):
    with pytest.raises(NetworkError) as error:
        check(CASES[text])
    assert str(error.value) == text


@pytest.mark.parametrize(("bits", "step"), [(0, 1), (33, 1), (1, 0)])
def test_illegal_format(bits, step):
    with pytest.raises(NetworkError):
        Format(bits=bits, step=step)


def test_accumulator_ranges_are_tight():
    weights = np.array([[True, True, False], [False, False, False]])
    source = Format(bits=2, offset=-1)  # -1 to 2
    network = Network(
        name="net",
        input=replace(ENTRY, shape=(3,), source=np.arange(3), format=source),
        layers=(
            Dense(name="dense0", weights=weights),
            Affine(name="scores", scale=np.array([1, -3]), offset=np.array([0, 5])),
        ),
    )
    values = np.stack(np.meshgrid(*[source.values(range(4))] * 3), -1).reshape(-1, 3)
    acc = values @ (2 * weights.T.astype(int) - 1)
    (low, high), scores = network.accumulator_ranges()
    assert (low, high) == (acc.min(), acc.max())
    assert scores == (-3 * high + 5, -3 * low + 5)
