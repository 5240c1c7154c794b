"""Models of several outputs: one of them, or some side by side, against ONNX Runtime and through hardware."""

from __future__ import annotations

import json
from dataclasses import replace

import bitweir
import numpy as np
import onnx
import pytest
from bitweir.cli import main
from bitweir.importers import ModelError, load_model
from bitweir.results import describe_result, numbers
from bitweir_hw.errors import NetworkError
from bitweir_hw.files import load_network, save_network
from bitweir_hw.network import check
from bitweir_hw.plan import plan_from_foldings
from bitweir_sim.values.encoding import encode
from bitweir_sim.values.fast import run
from click.testing import CliRunner
from support.every_beat import check_every_beat
from support.onnxgraphs import C, Graph, H, W, runtime


def trunk(g: Graph) -> str:
    return g.sign(g.norm(g.start(4, 3, 3), 4, 9))


def vectors(g: Graph) -> list[str]:
    x = g.op("Flatten", trunk(g))
    return [g.norm(g.op("MatMul", x, g.signs(80, size)), size, 6) for size in (3, 2)]


def maps(g: Graph) -> list[str]:
    x = trunk(g)
    return [g.norm(g.op("Conv", x, g.signs(size, 4, 1, 1)), size, 2) for size in (4, 2)]


def codes(g: Graph) -> list[str]:
    return [g.sign(x) for x in vectors(g)]


def saved(path, g: Graph, heads) -> list[str]:
    """A file with these outputs, and their names."""
    g.save(path, heads[0])
    model = onnx.load(path)
    model.graph.output.extend(onnx.ValueInfoProto(name=head) for head in heads[1:])
    onnx.save(model, path)
    return list(heads)


def pixels(count=30):
    return np.random.default_rng(1).integers(0, 16, (count, C, H, W)).astype(np.uint8)


@pytest.mark.parametrize("place", [0, 1])
def test_one_of_two_heads(tmp_path, place):
    g = Graph(5)
    heads = saved(tmp_path / "net.onnx", g, vectors(g))
    net = bitweir.load(tmp_path / "net.onnx", input_scale="1", head=heads[place])
    wanted = runtime(tmp_path / "net.onnx", pixels().astype(np.float32), [heads[place]])[0]
    assert np.array_equal(net.classify(pixels()), wanted.argmax(axis=1))
    assert net.network.readout.parts == () and net.comparison.difference is None and net.comparison.frames > 100


@pytest.mark.parametrize(("make", "kind"), [(vectors, "scores"), (maps, "scores"), (codes, "codes")])
def test_two_heads_side_by_side(tmp_path, make, kind):
    g = Graph(6)
    path = tmp_path / "net.onnx"
    heads = saved(path, g, make(g))[::-1]
    net = bitweir.load(path, input_scale="1", head=heads)
    found = run(net.network, encode(net.network.input, pixels()))
    wanted = np.concatenate(runtime(path, pixels().astype(np.float32), heads), axis=1)
    wanted = np.moveaxis(wanted, 1, -1).reshape(len(pixels()), -1)
    assert np.allclose(numbers(net.network, found.scores), wanted, atol=1e-4)
    assert net.result == kind and net.comparison.difference is None and not net.comparison.excused.any()
    sizes = [2, 4] if make is maps else [2, 3]
    assert net.network.readout.parts == tuple(zip(heads, sizes, strict=True))
    (told,) = [line for line in describe_result(net.network) if line.startswith("Several")]
    of = "of each pixel " if make is maps else ""
    assert told == (
        f"Several outputs of the model follow one another {of}in it: {sizes[0]} of output {heads[0]!r}, {sizes[1]} of "
        f"output {heads[1]!r}."
    )
    save_network(net.network, tmp_path / "net.npz")
    assert load_network(tmp_path / "net.npz").readout == net.network.readout


def test_labels_of_two_heads_and_their_beats(tmp_path):
    g = Graph(7)
    path = tmp_path / "net.onnx"
    heads = saved(path, g, maps(g))
    net = load_model(path, input_scale="1", heads=heads, result="labels")
    wanted = np.concatenate(runtime(path, pixels().astype(np.float32), heads), axis=1).transpose(0, 2, 3, 1) > 0
    found = run(net, encode(net.input, pixels()))
    assert np.array_equal(found.labels.reshape(wanted.shape), wanted)
    scores = load_model(path, input_scale="1", heads=heads)
    rng = np.random.default_rng(3)
    frames = encode(scores.input, pixels(2))
    check_every_beat(
        scores, plan_from_foldings(scores, "6x2,4x2,4x1"), frames, rng.random(300) < 0.2, rng.random(300) < 0.3
    )


def test_on_the_command_line(tmp_path):
    g = Graph(8)
    path = tmp_path / "net.onnx"
    one, other = saved(path, g, vectors(g))
    words = ["import", str(path), "-o", str(tmp_path / "n.npz"), "--input-scale", "1", "--json"]
    told = CliRunner().invoke(main, [*words, "--head", one, "--head", other])
    report = json.loads(told.stdout)
    assert report["result"]["parts"] == [[one, 3], [other, 2]] and report["drawn"]["results_differ"] == 0
    assert "parts" not in json.loads(CliRunner().invoke(main, [*words, "--head", other]).stdout)["result"]


def test_rounded_weights_of_a_head(tmp_path):
    g = Graph(9)
    x = g.op("Flatten", trunk(g))
    heads = saved(tmp_path / "net.onnx", g, [g.op("MatMul", x, g.rng.normal(size=(80, size))) for size in (3, 2)])
    net = bitweir.load(tmp_path / "net.onnx", input_scale="1", input_range="0:15", head=heads, weight_bits=8)
    assert net.network.readout.parts == ((heads[0], 3), (heads[1], 2))
    assert net.comparison.difference is None and net.comparison.originals[0].results is not None


def test_what_is_refused(tmp_path):
    g = Graph(10)
    path = tmp_path / "net.onnx"
    one, other = saved(path, g, vectors(g))

    def refused(**options):
        with pytest.raises(ModelError) as error:
            load_model(path, input_scale="1", **options)
        return str(error.value)

    assert refused() == (
        f"The model must have one output, not 2 ('{one}', '{other}'): choose one (--head NAME, in Python head=), or "
        "several whose numbers are to follow one another, or export the scores alone."
    )
    assert refused(heads=["no"]) == (
        f"The model has no output 'no' (--head, in Python head=): it has '{one}', '{other}'."
    )
    assert refused(heads=[one, one]) == "Each output (--head, in Python head=) must be named once."
    assert refused(heads=[one, other], result="class") == (
        "The result of several outputs cannot be a class: choose one of them (--head NAME, in Python head=)."
    )
    g = Graph(11)
    ends = vectors(g)
    heads = saved(path, g, [ends[0], g.op("Softmax", ends[1], axis=1)])
    assert " must not follow Softmax " in refused(heads=heads)
    net = load_model(path, input_scale="1", heads=heads[:1])
    save_network(net, tmp_path / "net.npz")
    with pytest.raises(ModelError, match="can be chosen of ONNX files only"):
        load_model(tmp_path / "net.npz", heads=heads[:1])
    wrong = replace(net, readout=replace(net.readout, parts=(("a", 2),)))
    with pytest.raises(NetworkError, match=r"^The parts of a result must have 3 channels in all, .* not 2\.$"):
        check(wrong)
