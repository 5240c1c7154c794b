"""Layers of a few elements, and a network of two of them, for tests of single rules."""

from dataclasses import replace

import numpy as np
from bitweir_hw.network import (
    BIPOLAR,
    LABEL,
    Affine,
    Conv,
    Dense,
    Format,
    Input,
    Map,
    Network,
    Piecewise,
    Pool,
    Readout,
    Threshold,
)

INT = np.int64
HIDDEN = Dense(name="dense0", weights=np.ones((3, 4), bool), thresholds=np.zeros((3, 1), INT), output=BIPOLAR)
LAST = Dense(name="dense1", weights=np.ones((2, 3), bool))
ENTRY = Input(shape=(4,), format=BIPOLAR, thresholds=np.array([[0.5]]), source=np.arange(4))
NETWORK = Network(name="net", input=ENTRY, layers=(HIDDEN, LAST))

CONV = Conv(name="conv", weights=np.ones((6, 3, 2, 4), bool))
POOL = Pool(name="pool", kind="max", kernel=(2, 2), stride=(2, 2))
SUM = replace(POOL, kind="sum")
MAP = Map.of_codes((5, 6, 4), BIPOLAR)
THRESHOLD = Threshold(name="t", thresholds=np.zeros((4, 1), INT), output=BIPOLAR)
SCORES = Affine(name="s", scale=np.ones(4, INT), offset=np.ones(4, INT))
PIECES = Piecewise(name="w", thresholds=np.zeros((4, 1), INT), scale=np.ones((4, 2), INT), offset=np.zeros((4, 2), INT))

WIDER = replace(THRESHOLD, thresholds=np.zeros((4, 3), INT), output=Format(bits=2, offset=-1, step=2))
SUMS = replace(SCORES, name="sums", scale=np.array([3, 1, 1, -4]), offset=np.zeros(4, INT))

ONE = Dense(name="one", weights=np.ones((1, 3), bool))
LABELS = replace(HIDDEN, output=LABEL)
ONE_SCORE = Readout(kind="scores", scale=("1",), offset=("0",))
