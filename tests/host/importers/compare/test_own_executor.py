"""Something else than the file runs in its place: where it contradicts the file, that is no tie."""

from dataclasses import replace
from importlib import resources
from pathlib import Path

import bitweir
import numpy as np
import pytest
from bitweir.importers.compare.comparison import compare_frames
from bitweir.importers.execution.executor import Executor
from bitweir.importers.onnx.reference import numpy_executor
from bitweir.model import images_for
from bitweir.model_files import load_networks

DIGITS = Path(str(resources.files("bitweir.networks"))) / "digits.onnx"


def compared(result, change):
    """The bundled network beside its file, whose tensors are changed on the way: of their names and values."""
    loaded = load_networks([DIGITS], input_range="0:16", result=result, compare=False)
    images = images_for(loaded.network, bitweir.demo_images()[0][:40])
    member = loaded.members[0]

    def runner(tensors):
        inner = numpy_executor(member.path, tensors)
        call = inner._call
        return Executor("a changed file", tensors, lambda x: change(dict(zip(tensors, call(x), strict=True))))

    return compare_frames(
        loaded.network,
        [replace(member, executor=runner, title="the changed file")],
        images.frames,
        images.codes,
        lambda share: None,
    )


def scores_of(tensors):
    return list(tensors)[-1]


def test_it_is_named_and_agrees_where_nothing_changed():
    found = compared("class", lambda tensors: list(tensors.values()))
    assert found.difference is None and "the changed file (in a changed file)" in found.summary


@pytest.mark.parametrize("result", ["class", "scores"])
def test_other_results_are_wrong(result):
    def change(tensors):
        tensors[scores_of(tensors)] = -tensors[scores_of(tensors)]
        return list(tensors.values())

    found = compared(result, change)
    assert found.wrong.all()
    told = found.difference
    assert told.startswith("The network must compute what the changed file computes, but ")
    assert "40 images" in told


def test_one_other_score_is_told_by_its_number():
    def change(tensors):
        scores = tensors[scores_of(tensors)].copy()
        scores[3, 4] += 1000
        tensors[scores_of(tensors)] = scores
        return list(tensors.values())

    # Batches of 32: the fourth image of each.
    found = compared("scores", change)
    assert np.flatnonzero(found.wrong).tolist() == [3, 35]
    assert found.difference == (
        "The network must compute what the changed file computes, but the scores of dense1 differ for 2 of 40 images, "
        "first for image 3: score 4 should be 1006, but is 6."
    )


def test_other_codes_are_wrong_at_their_layer():
    def change(tensors):
        name = next(name for name in tensors if name != scores_of(tensors) and "0" in name)
        tensors[name] = -tensors[name]
        return list(tensors.values())

    told = compared("class", change).difference
    assert told.startswith("The network must compute what the changed file computes, but ") and "codes differ" in told
