"""Results beside those of the golden model: each difference is found, and the first one is told."""

from __future__ import annotations

import numpy as np
from bitweir_sim.values.comparison import compare
from bitweir_sim.values.golden import Result, result
from hypothesis import given
from hypothesis import strategies as st

KINDS = st.sampled_from(["class", "labels", "scores", "codes"])


@given(kind=KINDS, frames=st.integers(1, 5), outputs=st.integers(1, 4), data=st.data())
def test_changed_scores(kind, frames, outputs, data):
    drawn = st.lists(st.integers(0, 1), min_size=frames * outputs, max_size=frames * outputs)
    want = np.array(data.draw(drawn)).reshape(frames, outputs)
    flips = np.array(data.draw(drawn)).reshape(frames, outputs)
    # Each found result is whole, so its class or its labels follow from its scores.
    found = compare(result(want ^ flips, kind), result(want, kind), kind)
    assert found.frames.tolist() == flips.any(axis=1).tolist() and found.count == flips.any(axis=1).sum()
    if not flips.any():
        assert found.first is None
        return
    image, channel = np.argwhere(flips)[0]
    name = {"class": "score of class", "labels": "label", "scores": "score", "codes": "code"}[kind]
    bit = want[image, channel]
    assert found.first == f"image {image}, {name} {channel}: expected {bit}, found {1 - bit}"


@given(frames=st.integers(1, 5), data=st.data())
def test_late_results(frames, data):
    late = np.array(data.draw(st.lists(st.booleans(), min_size=frames, max_size=frames)))
    same = result(np.zeros((frames, 2), np.int64), "class")
    found = compare(same, same, "class", late=late)
    assert found.frames.tolist() == late.tolist()
    first = f"image {late.argmax()}: its result comes in another cycle than expected"
    assert found.first == (first if late.any() else None)


def test_results_whose_scores_are_equal():
    scores = np.array([[1, 0], [0, 1]])
    right = result(scores, "class")
    wrong = Result(scores=scores, classes=np.array([0, 0]))
    assert compare(wrong, right, "class").first == "image 1, class: expected 1, found 0"
    labels = result(scores, "labels")
    wrong = Result(scores=scores, labels=np.array([[True, True], [False, True]]))
    assert compare(wrong, labels, "labels").first == "image 0, label 1: expected False, found True"
    for found, expected in ((right, labels), (labels, right), (result(scores, "scores"), right)):
        told = compare(found, expected, "class")
        assert told.count == 2 and told.first == "image 0: its result is of another kind than expected"
