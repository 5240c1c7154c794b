"""Parts of the input: cut, turned round, and read by several layers, each in its own way."""

from __future__ import annotations

import numpy as np
import pytest
from bitweir.importers import ModelError, load_model
from bitweir.importers.folding.views import place, united
from bitweir_hw.network import BIPOLAR, Dense, Format, Input
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper
from support.onnxgraphs import Graph, agree, names


def whole(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def row(g: Graph, at: int) -> str:
    """Row `at` of the second channel, as an unrolled recurrent network takes it."""
    x = g.op("Gather", "x", g.const(1, np.int64), axis=1)
    return g.op("Gather", x, g.const(at, np.int64), axis=1)


def test_a_cut_and_turned_image(tmp_path):
    """Rows 1 to 5 from below, every other column, and the channels in the other order: another order of the frame."""
    g = Graph(1)
    x = g.op("Slice", "x", *(g.const(part, np.int64) for part in ([5, 0], [0, 6], [2, 3], [-1, 2])))
    x = g.op("Gather", g.op("Sub", x, 7.5), g.const([1, 0], np.int64), axis=1)
    y = g.sign(g.norm(g.op("Conv", x, g.signs(4, 2, 3, 2)), 4, 9))
    net = agree(g.save(tmp_path / "net.onnx", g.scores(y, 4 * 3 * 2)))
    assert names(net) == "conv0 dense0" and net.input.map_shape == (5, 3, 2)
    assert net.input.source[:4].tolist() == [42 + 30, 30, 42 + 32, 32]


def test_the_steps_of_a_recurrent_network(tmp_path):
    """Each takes a row of the image, with weights of 0 for what it leaves out of the stream of all rows."""
    g = Graph(2)
    into, back = g.const(g.signs(6, 8)), g.const(g.signs(8, 8))
    h = g.sign(g.norm(g.op("MatMul", row(g, 0), into), 8, 20))
    for step in (1, 4):
        h = g.sign(g.norm(g.op("Add", g.op("MatMul", row(g, step), into), g.op("MatMul", h, back)), 8, 20))
    net = agree(g.save(tmp_path / "net.onnx", g.scores(h, 8)))
    assert net.input.map_shape is None
    assert sorted(net.input.source.tolist()) == [42 + 6 * at + column for at in (0, 1, 4) for column in range(6)]


def test_a_map_beside_a_vector_of_its_elements(tmp_path):
    """A dense layer takes one row of the map that a convolution takes."""
    g = Graph(3)
    y = g.op("Flatten", g.sign(g.norm(g.start(3, 3, 3), 3, 20)))
    z = g.sign(g.op("Sub", g.op("MatMul", row(g, 2), g.signs(6, 7)), 3.0))
    x = g.op("Sub", g.op("MatMul", y, g.signs(60, 5)), g.op("MatMul", z, g.signs(7, 5)))
    net = agree(g.save(tmp_path / "net.onnx", x))
    assert net.input.map_shape == (7, 6, 2)


@pytest.mark.parametrize(
    "other",
    [lambda g: g.sign(g.op("Sub", "x", 7.5)), lambda g: g.op("Clip", g.op("Round", g.op("Mul", "x", 0.2)), 0.0, 3.0)],
)
def test_branches_that_quantise_the_input_in_two_ways(tmp_path, other):
    """Signs at two places, or a sign and two bits: each element stands on the stream once for each of them."""
    g = Graph(4)
    parts = [g.sign(g.op("Sub", "x", 3.5)), other(g)]
    one, two = (g.op("MatMul", part, g.signs(6, 5)) for part in parts)
    y = g.op("Sub", one, two)
    path = g.save(tmp_path / "net.onnx", y, ("N", 6))
    net = agree(path)
    assert net.input.size == 12


def test_what_cannot_share_a_stream(tmp_path):
    def refused(g, y):
        with pytest.raises(ModelError) as caught:
            load_model(g.save(tmp_path / "net.onnx", y), input_scale="1")
        return str(caught.value)

    g = Graph(5)
    parts = ["x", g.op("Slice", "x", *(g.const([n], np.int64) for n in (0, 3, 2)))]
    sizes = (84, 36)
    y = g.op(
        "Add",
        *(
            g.scores(g.sign(g.norm(g.op("Conv", part, g.signs(2, 2, 1, 1)), 2, 9)), size)
            for part, size in zip(parts, sizes, strict=True)
        ),
    )
    assert refused(g, y).startswith(
        "Node Conv 'n1' must read parts of the input of one size with the other layers that read it, not of 7 x 6 and "
        "3 x 6 pixels, since a stream brings them together: let all of them read as many rows and columns, with "
        "weights of 0 for what one leaves out."
    )
    g = Graph(6)
    y = g.op("Add", g.scores("x", 84), g.scores(g.sign(g.op("Sub", "x", 7.5)), 84))
    assert refused(g, y).startswith(
        "Node MatMul 'n1' reads the input of the model in another way than other layers do: some quantise it, and "
        "some take its integers. Quantise it in all branches, or in none before its first layer."
    )


@pytest.mark.parametrize("parts", [{"num_outputs": 2}, {"parts": [1, 1]}])
def test_a_split_of_the_input(tmp_path, parts):
    g = Graph(7)
    given_ones = [g.const(parts.pop("parts"), np.int64)] if "parts" in parts else []
    g.nodes.append(helper.make_node("Split", ["x", *given_ones], ["a", "b"], name="parts", axis=1, **parts))
    one, other = (g.op("MatMul", g.op("Flatten", part), g.signs(42, 6)) for part in "ab")
    y = g.sign(g.norm(g.op("Sub", one, other), 6, 40))
    net = agree(g.save(tmp_path / "net.onnx", g.scores(y, 6)))
    assert sum(isinstance(layer, Dense) for layer, _, _ in net.placed()) == 3


def test_an_empty_part_is_refused(tmp_path):
    g = Graph(8)
    g.nodes.append(helper.make_node("Split", ["x", g.const([2, 0], np.int64)], ["a", "b"], name="parts", axis=1))
    with pytest.raises(ModelError, match=r"^Node Split 'parts' cannot be folded: each of its parts must have at least"):
        load_model(g.save(tmp_path / "net.onnx", g.scores("a", 84)), input_scale="1")


# ---- the stream of all views


@st.composite
def views(draw, shape=(2, 4)):
    """Readers of a frame of twelve elements: as maps of one size, or as vectors; behind thresholds of their own."""
    found = []
    for _ in range(draw(st.integers(1, 4))):
        channels = draw(st.integers(1, 3))
        is_map = draw(st.booleans())
        size = channels * (shape[0] * shape[1] if is_map else 1)
        source = draw(st.lists(st.integers(0, 11), min_size=size, max_size=size))
        count, rows = draw(st.integers(1, 3)), draw(st.sampled_from([1, size]))
        thresholds = draw(st.lists(st.integers(0, 2), min_size=rows * count, max_size=rows * count))
        form = BIPOLAR if count == 1 and draw(st.booleans()) else Format(bits=2)
        found.append(
            Input(
                shape=(12,),
                format=form,
                source=np.array(source),
                map_shape=(*shape, channels) if is_map else None,
                thresholds=np.sort(np.array(thresholds, float).reshape(rows, count)),
            )  # fmt: skip
        )
    return found


@given(views())
def test_the_stream_has_what_each_view_reads(found):
    entry = united(found, "it")

    def element(one, at):
        """What element `at` of a stream is, for any frame: its source, and the thresholds that can be reached."""
        row = one.thresholds[at if len(one.thresholds) > 1 else 0]
        return one.source[at], row[row < np.inf].tolist()

    for view in found:
        index = place(entry, view)
        assert [element(entry, at) for at in index] == [element(view, at) for at in range(view.size)]
        if view.map_shape is not None:
            channels = index.reshape(-1, view.map.channels)
            pixels = np.arange(len(channels))[:, None] * entry.map.channels
            assert (channels - pixels == channels[0]).all() and entry.map.shape[:2] == view.map.shape[:2]
    known = {(source, tuple(row)) for source, row in (element(view, at) for view in found for at in range(view.size))}
    assert {(source, tuple(row)) for source, row in (element(entry, at) for at in range(entry.size))} == known
