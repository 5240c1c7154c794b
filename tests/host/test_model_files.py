"""Networks from model files, as a program asks for them."""

from contextlib import contextmanager

import pytest
from bitweir.importers import ModelError
from bitweir.model_files import load_networks
from support.onnxgraphs import C, Graph, H, W


def saved(path, seed=0):
    g = Graph(seed)
    return g.save(path, g.scores(g.sign(g.start(4, 3, 3)), 4 * (H - 2) * (W - 2)))


def test_one_file_is_read_and_compared(tmp_path):
    shown, shares = [], []

    @contextmanager
    def progress(what):
        shown.append(what)
        yield shares.append

    path = saved(tmp_path / "net.onnx")
    found = load_networks([str(path)], input_scale="1", name="other", progress=progress)
    assert (found.network.name, found.network.input.shape) == ("other", (C, H, W))
    assert [member.path for member in found.members] == [path]
    assert found.comparison.results_differ == 0 and found.comparison.images > 0
    assert shown == ["Reading net.onnx", "Comparing with the model file"] and shares[-1] == 1


def test_several_files_vote(tmp_path):
    paths = [saved(tmp_path / f"net{seed}.onnx", seed) for seed in range(3)]
    found = load_networks(paths, input_scale="1", name="jury", vote=True, compare=False)
    assert found.network.name == "jury" and found.network.outputs == 5
    assert [member.path for member in found.members] == paths
    assert found.drawn is None and found.comparison is None


@pytest.mark.parametrize(
    ("count", "vote", "told"),
    [
        (0, False, "A model file must be given, not none."),
        (2, False, "Several model files make one network only by a vote: give vote=True."),
        (1, True, "A vote needs two model files or more."),
    ],
)
def test_how_many_files_there_must_be(count, vote, told):
    with pytest.raises(ModelError) as error:
        load_networks(["net.onnx"] * count, vote=vote)
    assert str(error.value) == told
