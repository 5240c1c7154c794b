"""Channels that are left out, come twice or in another order: absorbed by weights, or a layer of their own."""

from __future__ import annotations

import numpy as np
import pytest
from bitweir.importers import ModelError, load_model
from bitweir.importers.compare.comparison import compare_drawn
from bitweir.importers.folding.choices import choice, order_of
from bitweir.importers.folding.symbols import Point, Signal, Stream
from bitweir_hw.network import BIPOLAR, Map, Pool, Select
from hypothesis import given
from hypothesis import strategies as st
from onnx import helper
from support.compared import loaded, members
from support.onnxgraphs import Graph, agree, names


def first(g: Graph, channels: int = 4) -> str:
    """Signs of a map of 5 x 4 pixels."""
    return g.sign(g.norm(g.start(channels, 3, 3), channels, 9))


def sums(g: Graph, x: str, before: int, channels: int, size: int = 3, groups: int = 1) -> str:
    pads = [size // 2] * 4
    weights = g.signs(channels, before // groups, size, size)
    return g.norm(g.op("Conv", x, weights, pads=pads, group=groups), channels)


def picked(g: Graph, x: str, *channels: int) -> str:
    return g.op("Gather", x, g.const(channels, np.int64), axis=1)


def split(g: Graph, x: str, *sizes: int) -> list[str]:
    parts = [f"{x}_{part}" for part in range(len(sizes))]
    g.nodes.append(helper.make_node("Split", [x, g.const(sizes, np.int64)], parts, name=f"split_{x}", axis=1))
    return parts


def shuffled(g: Graph, x: str, groups: int, channels: int, pixels: int = 20) -> str:
    """As ShuffleNet writes it."""
    x = g.op("Reshape", x, g.const([-1, groups, channels // groups, pixels], np.int64))
    return g.op("Reshape", g.op("Transpose", x, perm=[0, 2, 1, 3]), g.const([-1, channels, 5, 4], np.int64))


def codes_agree(path, net):
    """Also layer by layer, as the comparison of `import` does it."""
    net, taps = loaded(path)
    found = compare_drawn(net, members(path, net, taps))
    assert found is not None and found.agreements[0].layers
    assert all(layer.codes and not layer.differ for layer in found.agreements[0].layers)


def agreed(g: Graph, tmp_path, scores: str):
    path = g.save(tmp_path / "net.onnx", scores)
    net = agree(path)
    codes_agree(path, net)
    return net


def chosen(net) -> list[list[int]]:
    return [layer.channels.tolist() for layer, _, _ in net.placed() if isinstance(layer, Select)]


def test_parts_of_a_map_go_to_branches(tmp_path):
    """Signs are made once, and each branch has its channels of them."""
    g = Graph(1)
    one, other = split(g, first(g, 6), 2, 4)
    y = g.op("Add", sums(g, one, 2, 3), sums(g, other, 4, 3))
    net = agreed(g, tmp_path, g.scores(g.sign(y), 60))
    assert chosen(net) == [[0, 1], [2, 3, 4, 5]]
    assert names(net).split()[0] == "conv0" and net.layers[0].output == BIPOLAR


def test_a_shuffle_goes_into_the_weights_behind(tmp_path):
    g = Graph(2)
    x = shuffled(g, g.sign(sums(g, first(g, 6), 6, 6, groups=2)), 2, 6)
    net = agreed(g, tmp_path, g.scores(g.sign(sums(g, x, 6, 4)), 80))
    assert chosen(net) == []


def test_a_shuffle_goes_into_the_rows_before(tmp_path):
    """Behind a convolution without groups its filters take another order, and what is compared with it, too."""
    g = Graph(3)
    x = shuffled(g, g.op("MaxPool", first(g, 6), kernel_shape=[3, 3], pads=[1, 1, 1, 1]), 3, 6)
    net = agreed(g, tmp_path, g.scores(g.sign(sums(g, x, 6, 4, groups=2)), 80))
    assert chosen(net) == [] and names(net) == "conv0 pool0 conv1 dense0"


def test_a_shuffle_goes_through_a_depthwise_layer(tmp_path):
    """Filters go with their channels, and the next layer without groups takes them as they come."""
    g = Graph(24)
    x = shuffled(g, g.sign(sums(g, first(g, 6), 6, 6, groups=2)), 2, 6)
    x = g.sign(sums(g, x, 6, 12, groups=6))
    net = agreed(g, tmp_path, g.scores(g.sign(sums(g, x, 12, 4, 1)), 80))
    assert chosen(net) == []


def test_a_shuffle_between_groups_is_a_layer(tmp_path):
    g = Graph(5)
    x = shuffled(g, g.sign(sums(g, first(g, 6), 6, 6, groups=2)), 2, 6)
    net = agreed(g, tmp_path, g.scores(g.sign(sums(g, x, 6, 4, groups=2)), 80))
    assert chosen(net) == [[0, 3, 1, 4, 2, 5]]


def test_groups_that_change_places_need_no_layer(tmp_path):
    g = Graph(6)
    x = picked(g, g.sign(sums(g, first(g, 6), 6, 6, groups=3)), 5, 4, 0, 1, 2, 3)
    x = g.op("MaxPool", g.sign(sums(g, x, 6, 9, groups=3)), kernel_shape=[2, 2])
    assert chosen(agreed(g, tmp_path, g.scores(x, 9 * 12))) == []


def test_a_shuffle_unit(tmp_path):
    """ShuffleNet v2: half of the channels pass, the other half goes through a branch, then all are shuffled; twice."""
    g = Graph(7)
    x = first(g, 8)
    for _ in range(2):
        left, right = split(g, x, 4, 4)
        right = g.sign(sums(g, g.sign(sums(g, right, 4, 4, groups=4)), 4, 4, 1))
        x = shuffled(g, g.op("Concat", left, right, axis=1), 2, 8)
    net = agreed(g, tmp_path, g.scores(x, 160))
    assert chosen(net) == [[0, 1, 2, 3], [4, 5, 6, 7], [0, 1, 4, 5], [2, 3, 6, 7]]


def test_an_improvement_block(tmp_path):
    """MeliusNet: a sum with the newest channels alone, in fixed point since the scales have no common measure."""
    g = Graph(8)
    x = sums(g, first(g, 4), 4, 6)
    for _ in range(2):
        added = g.op("Add", g.op("Slice", x, *(g.const([n], np.int64) for n in (2, 6, 1))), sums(g, g.sign(x), 6, 4))
        x = g.op("Concat", g.op("Slice", x, *(g.const([n], np.int64) for n in (0, 2, 1))), added, axis=1)
    net = agreed(g, tmp_path, g.scores(g.sign(g.norm(x, 6)), 120))
    assert chosen(net)[0] == [0, 1] and [2, 3, 4, 5] in chosen(net)
    assert max(source.channels for _, source, _ in net.placed()) == 6


@pytest.mark.parametrize("follow", ["conv", "pool", "add", "threshold", "dense", "concat"])
def test_channels_that_come_twice(tmp_path, follow):
    g = Graph(9)
    bits = first(g, 4)
    x = picked(g, bits, 2, 0, 2, 3)
    if follow == "pool":
        x = g.op("MaxPool", x, kernel_shape=[2, 2], pads=[1, 0, 0, 1])
    elif follow == "add":
        x = g.op("Add", x, sums(g, bits, 4, 4))
    elif follow == "threshold":
        x = g.norm(picked(g, sums(g, bits, 4, 4), 3, 3, 0, 1), 4)
    elif follow == "concat":
        x = picked(g, g.op("Concat", x, bits, axis=1), 7, 1, 0, 0)
    if follow != "dense":
        x = g.sign(sums(g, g.sign(x), 4, 4))
    agreed(g, tmp_path, g.scores(x, 80))


def test_a_sum_of_maps_in_two_orders(tmp_path):
    g = Graph(10)
    x = first(g, 4)
    y = g.op("Add", picked(g, sums(g, x, 4, 4), 3, 1, 0, 2), picked(g, sums(g, x, 4, 4), 0, 2, 1, 3))
    net = agreed(g, tmp_path, g.scores(g.sign(y), 80))
    assert chosen(net) == []  # both convolutions have their filters in the order of the sum


def test_a_part_of_the_input_for_each_branch(tmp_path):
    g = Graph(11)
    parts = split(g, "x", 1, 1)
    y = g.op("Add", *(g.norm(g.op("Conv", part, g.signs(4, 1, 3, 3)), 4, 9) for part in parts))
    net = agree(g.save(tmp_path / "net.onnx", g.scores(g.sign(y), 80)))
    assert chosen(net) == [[0], [1]] and net.input.map_shape == (7, 6, 2)


@pytest.mark.parametrize("end", ["rows", "norm", "sum"])
def test_some_scores_in_another_order(tmp_path, end):
    g = Graph(12)
    x = g.op("Flatten", first(g, 4))
    y = g.op("MatMul", x, g.signs(80, 6))
    if end != "rows":
        y = g.op("Add", g.op("Mul", y, 2.0), g.op("MatMul", x, g.signs(80, 6))) if end == "sum" else g.norm(y, 6)
    path = g.save(tmp_path / "net.onnx", picked(g, y, 4, 5, 0))
    net = agree(path, scores=end != "norm")
    assert net.outputs == 3 and chosen(net) == ([] if end != "sum" else [[4, 5, 0]])
    codes_agree(path, net)


@pytest.mark.parametrize(("steps", "shape"), [((2, 2), (3, 2)), ((1, 3), (5, 2)), ((5, 1), (1, 4))])
@pytest.mark.parametrize("codes", [True, False])
def test_every_other_pixel(tmp_path, steps, shape, codes):
    """From the first on, as shortcuts of residual networks take them: a pool of one pixel."""
    g = Graph(15)
    x = sums(g, first(g), 4, 4)
    x = g.op("Slice", g.sign(x) if codes else x, *(g.const(n, np.int64) for n in ([0, 0], [9, 9], [2, 3], steps)))
    net = agreed(g, tmp_path, g.scores(g.sign(sums(g, g.sign(x), 4, 4)), 4 * shape[0] * shape[1]))
    (pool,) = (layer for layer, _, _ in net.placed() if isinstance(layer, Pool))
    assert pool.kernel == (1, 1) and pool.stride == steps


def test_cut_rows_are_refused(tmp_path):
    g = Graph(13)
    x = g.op("Slice", first(g), *(g.const([n], np.int64) for n in (1, 4, 2)))
    path = g.save(tmp_path / "net.onnx", g.scores(g.sign(sums(g, x, 4, 4)), 48))
    with pytest.raises(ModelError) as caught:
        load_model(path, input_scale="1")
    assert str(caught.value) == (
        "Node Conv 'n6' must take the map that conv0 hands on, of 5 rows, 4 columns and 4 channels, with its pixels "
        "in their order, not cut to (4, 3, 4): cut the input of the model instead, and pad less behind it."
    )
    g = Graph(14)
    x = g.op("Slice", g.norm(g.start(4, 3, 3), 4, 9), *(g.const([n], np.int64) for n in (1, 4, 2)))
    with pytest.raises(ModelError) as caught:
        load_model(g.save(tmp_path / "net.onnx", g.scores(g.sign(x), 48)), input_scale="1")
    assert str(caught.value).startswith(
        "Node MatMul 'n7' must take channels of the map that conv0 hands on with all of their pixels, 20 each, not "
        "some pixels of a map: cut images before the first layer, and maps by convolutions and pools without padding."
    )


@given(st.data())
def test_where_elements_lie_on_the_chosen_channels(data):
    """A frame of any elements, in any shape: if there is a choice, it has the same elements."""
    rows, columns, channels = (data.draw(st.integers(1, 3)) for _ in range(3))
    picks = data.draw(st.lists(st.integers(0, channels - 1), min_size=1, max_size=4))
    whole = np.arange(rows * columns * channels).reshape(rows, columns, channels)
    index, shape = whole[..., picks].transpose(2, 0, 1), (len(picks), rows, columns)
    kind = data.draw(st.sampled_from(["map", "flat", "mixed", "cut"]))
    if kind == "mixed":
        index = np.array(data.draw(st.permutations(index.ravel().tolist())))
    elif kind == "cut":
        index = index.ravel()[: data.draw(st.integers(1, index.size))]
    shape = shape if kind == "map" else (index.size,)
    zeros = np.zeros(channels, np.int64)
    point = Point(Map.of_codes((rows, columns, channels), BIPOLAR))
    x = Signal(Stream("it", point, zeros, zeros, 1), shape, index.reshape(-1))
    found = choice(x)
    if found is not None:
        assert whole[..., found.channels].reshape(-1)[found.index].tolist() == index.ravel().tolist()
        assert np.bincount(found.index, minlength=rows * columns * len(found.channels)).tolist() == [1] * index.size
    else:
        assert kind != "map" and (len(set(picks)) < len(picks) or kind == "cut")
    if kind == "map":
        assert order_of(x).tolist() == picks
