"""The plan search against trying everything, on networks small enough for that."""

import itertools
import re
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from bitweir_hw.blocks import AffineSpec, FifoSpec, MatVecSpec, WiredSpec
from bitweir_hw.cost import block_rams
from bitweir_hw.errors import PlanError
from bitweir_hw.lower import lower
from bitweir_hw.network import BIPOLAR, Conv, Dense, Format, Input, Network, Pool, check
from bitweir_hw.plan import Folding, Plan, least_cycles, plan_from_foldings, step_counts, weighted, wired
from bitweir_hw.search import Budget, Outside, Search, cheapest, fastest, prices, sharing
from hypothesis import given, settings
from hypothesis import strategies as st
from support.samples import dense_network, depthwise_network, every_kind
from support.strategies import dense_networks, identity_input, networks


def price(block, family):
    """A price that is quick to ask, with all that makes the choice hard: lanes, registers, block RAMs."""
    memories = [memory for memory in block.memories() if memory.block]
    rams = sum(block_rams(memory.depth, memory.width, "ice40", writable=False)[0] for memory in memories)
    # Multipliers become serial where a frame has time, which the search takes from the cycles that are asked for.
    if isinstance(block, FifoSpec | AffineSpec):
        return SimpleNamespace(sites=0, bram=0, ff=0, lutram=0)
    bits = sum(memory.bits for memory in block.memories() if not memory.block and memory.role == "buffer")
    lanes = block.lanes * block.parallel_frames if isinstance(block, MatVecSpec | WiredSpec) else 0
    sites = 3 * lanes
    if isinstance(block, WiredSpec):
        # Accumulators, where a vector takes several steps.
        sites = 2 * lanes + 2 + 2 * block.rows * (block.steps > 1)
    return SimpleNamespace(sites=sites + bits, bram=rams, ff=lanes, lutram=0)


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(prices, "estimate", price)


def cost(pipeline):
    found = [price(block, "ice40") for block in pipeline.blocks]
    return sum(entry.sites for entry in found), sum(entry.bram for entry in found)


def everything(network):
    """Each plan there is, with cycles, sites and block RAMs."""
    for foldings in itertools.product(*(_legal(network, layer) for layer, _ in weighted(network))):
        pipeline = lower(network, Plan(foldings=foldings))
        yield max(block.cycles for block in pipeline.blocks), *cost(pipeline)


def _legal(network, layer):
    neurons, channels = layer.outputs // layer.groups, layer.weights.shape[-1]
    one = itertools.product(range(1, neurons + 1), range(1, layer.inputs + 1))
    several = [n * neurons for n in range(2, layer.groups + 1) if layer.groups % n == 0]
    more = itertools.product(several, range(channels, layer.inputs + 1, channels))
    whole = wired(layer)
    in_steps = [replace(whole, steps=steps) for steps in step_counts(network, layer)] or [whole]
    return [*in_steps, *(Folding(pe=pe, simd=simd) for pe, simd in itertools.chain(one, more))]


@settings(max_examples=12)
@given(st.data())
def test_nothing_is_cheaper(data):
    network = data.draw(dense_networks(max_size=4, max_layers=2))
    cycles = data.draw(st.integers(least_cycles(network), 36))
    found = cheapest(network, family="ice40", cycles=cycles, limits=Budget())
    best = min(sites for took, sites, _ in everything(network) if took <= cycles)
    assert found.cycles <= cycles
    assert (found.sites, found.block_rams) == cost(lower(network, found.plan))
    assert found.bound <= best + 1e-6
    # Conversions of width are priced before the interval is known; in networks as small as these, they count.
    assert found.sites <= 1.15 * best + 4


@settings(max_examples=10)
@given(st.data())
def test_nothing_that_fits_is_faster(data):
    network = data.draw(dense_networks(max_size=4, max_layers=2))
    plans = list(everything(network))
    sites = data.draw(st.integers(min(plan[1] for plan in plans), max(plan[1] for plan in plans)))
    best = min(took for took, used, _ in plans if used <= sites)
    try:
        found = fastest(network, family="ice40", limits=Budget(sites=sites))
    except PlanError:
        # The search may miss what fits by a hair, as it prices conversions before it knows the pace.
        assert min(used for _, used, _ in plans) > 0.85 * sites
        return
    assert found.sites <= sites
    assert found.bound <= best <= found.cycles


@settings(max_examples=12)
@given(
    st.sampled_from([(2, 1), (4, 1), (6, 1), (2, 2), (4, 2)]),
    st.integers(1, 2),
    st.sampled_from([(1, 1), (2, 2), (3, 1)]),
    st.integers(1, 60),
)
def test_groups_at_once_are_searched(shape, neurons, kernel, cycles):
    groups, channels = shape
    entry = replace(identity_input(9 * groups * channels), map_shape=(3, 3, groups * channels))
    weights = np.ones((groups * neurons, *kernel, channels), bool)
    network = check(Network(name="net", input=entry, layers=(
        Conv(name="conv", weights=weights, groups=groups),
        Pool(name="pool", kind="sum", kernel=(4 - kernel[0], 4 - kernel[1]), stride=(1, 1)),
    )))  # fmt: skip
    cycles = max(cycles, least_cycles(network))
    found = cheapest(network, family="ice40", cycles=cycles, limits=Budget())
    best = min(sites for took, sites, _ in everything(network) if took <= cycles)
    assert found.cycles <= cycles
    assert found.bound <= best + 1e-6
    # Conversions of width are priced before the interval is known; in networks as small as these, they count.
    assert found.sites <= 1.15 * best + 4


def test_layers_that_take_all_at_once_are_wired_where_that_is_smaller(monkeypatch):
    network = dense_network(6, 5, 4)
    found = cheapest(network, family="ice40", cycles=1, limits=Budget())
    assert found.plan.foldings == tuple(wired(layer) for layer, _ in weighted(network))
    dear = lambda block, family: replace_sites(price(block, family), 1e4 * isinstance(block, WiredSpec))  # noqa: E731
    monkeypatch.setattr(prices, "estimate", dear)
    folded = cheapest(network, family="ice40", cycles=1, limits=Budget())
    assert [folding.memory for folding in folded.plan.foldings] == ["auto", "auto"]
    monkeypatch.setattr(prices, "estimate", price)
    loaded = cheapest(network, family="ice40", cycles=1, limits=Budget(), runtime_loadable=True)
    assert [folding.memory for folding in loaded.plan.foldings] == ["auto", "auto"]


def test_layers_take_bits_in_steps_where_that_is_smaller():
    network = few_bits()
    for cycles, steps in ((1, 1), (2, 2), (3, 3)):
        found = cheapest(network, family="ice40", cycles=cycles, limits=Budget())
        assert [(folding.memory, folding.steps) for folding in found.plan.foldings[:1]] == [("wired", steps)]
        assert found.cycles <= cycles
        assert found.bound <= found.sites == cost(lower(network, found.plan))[0]
    # The fastest one with as many sites, too; and not where there is much time.
    assert fastest(network, family="ice40", limits=Budget(sites=found.sites)).cycles == 3
    assert cheapest(network, family="ice40", cycles=60, limits=Budget()).plan.foldings[0].memory == "auto"


def test_a_chain_has_one_fifo():
    """Of two wired layers, one FIFO counts: the bound is below what they take, and near it."""
    network = dense_network(6, 5, 4)
    found = cheapest(network, family="ice40", cycles=1, limits=Budget())
    pipeline = lower(network, found.plan)
    assert pipeline.links and found.sites == cost(pipeline)[0]
    end = cost(replace(pipeline, nodes=pipeline.nodes[1:]))[0]
    chain = pipeline.nodes[0].block
    # The way to the end of the chain is longer than that of its last block, for which the bound has places.
    longer = chain.fifo_depth - replace(chain.blocks[-1], before=None).fifo_depth
    assert found.bound == found.sites - end - longer * chain.o_bits


def few_bits():
    """Inputs of 3 bits, 20 neurons, and 2 that are sums."""
    rng = np.random.default_rng(4)
    source = Input(
        shape=(24,), format=Format(bits=3), thresholds=np.arange(1, 8)[None] / 8, source=np.arange(24),
        map_shape=(1, 1, 24),
    )  # fmt: skip
    layers = (
        Dense(
            name="dense", weights=rng.random((20, 24)) < 0.5, thresholds=rng.integers(-9, 9, (20, 1)), output=BIPOLAR
        ),
        Dense(name="scores", weights=rng.random((2, 20)) < 0.5),
    )
    return check(Network(name="net", input=source, layers=layers))


def replace_sites(cost, more):
    """The same cost with more sites."""
    return SimpleNamespace(**{**vars(cost), "sites": cost.sites + more})


def test_a_depthwise_layer_as_fast_as_its_pixels():
    found = fastest(depthwise_network(), family="ice40", limits=Budget())
    assert (found.plan.foldings[0].pe, found.cycles, found.bound) == (8, 64, 64)


@settings(max_examples=20)
@given(st.data())
def test_any_network_gets_a_plan(data):
    network = data.draw(networks())
    cycles = 4 * least_cycles(network)
    found = cheapest(network, family="ice40", cycles=cycles, limits=Budget())
    pipeline = lower(network, found.plan)
    assert (
        max(block.cycles for block in pipeline.blocks)
        == found.cycles
        <= max(cycles, max(block.i_beats for block in pipeline.blocks))
    )
    assert (found.sites, found.block_rams) == cost(pipeline)
    assert found.bound <= found.sites + 1e-6


def test_what_does_not_fit_is_told():
    network, _ = every_kind()
    with pytest.raises(PlanError, match="LUT sites"):
        fastest(network, family="ice40", limits=Budget(sites=1))
    with pytest.raises(PlanError, match="A frame takes at least 16 cycles, so it cannot take at most 0"):
        cheapest(network, family="ice40", cycles=0, limits=Budget())


def test_what_does_not_fit_is_told_what_to_do():
    """A larger part, or what is known of parts; more cycles where they may help; and what is said besides."""
    network, _ = every_kind()

    def told(limits, ask=fastest, **options):
        with pytest.raises(PlanError) as error:
            ask(network, family="ice40", limits=limits, **options)
        return error.value

    start = r"^The network must fit into 1 LUT sites and inf block RAMs at [\d,]+ cycles a frame, but needs about "
    needs = start + r"[\d,]+ LUT sites and \d+ block RAMs: "
    alone = told(Budget(sites=1))
    assert re.search(needs + r"take a larger part\.$", str(alone))
    named = alone.with_remedy("take big")
    assert re.search(needs + r"take big\.$", str(named))
    assert str(named.with_note("So it is.")) == f"{named} So it is."
    slower = told(Budget(sites=1), cheapest, cycles=64)
    assert re.search(needs + r"allow more cycles a frame, or take a larger part\.$", str(slower))
    counted = told(Budget(sites=1, counted=Budget(), why="nobody knows"))
    assert str(counted.with_note("Still.")).endswith("take a larger part. By count it fits; nobody knows. Still.")


def a_dense_network(sizes=(256, 512, 512, 10)):
    rng = np.random.default_rng(3)
    layers = []
    for index, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
        last = index == len(sizes) - 2
        layers.append(
            Dense(
                name=f"dense{index}",
                weights=rng.random((outputs, inputs)) < 0.5,
                thresholds=None if last else rng.integers(-9, 9, (outputs, 1)),
                output=None if last else identity_input(1).format,
            )
        )
    return check(Network(name="net", input=identity_input(sizes[0]), layers=tuple(layers)))


def test_what_does_not_fit_is_told_which_weights_may_come_from_outside():
    network = a_dense_network()
    limits = Budget(sites=4000, block_rams=40)
    with pytest.raises(PlanError) as error:
        fastest(network, family="ice40", limits=limits)
    told = re.fullmatch(
        r".* needs at least \d+ block RAMs: .* or let weights of (\d) layers? come from outside the chip, ([\d.]+) MB "
        r"for each frame: --folding (\S+)\.",
        str(error.value),
    )
    assert told
    plan = plan_from_foldings(network, told[3])
    streamed = [folding for folding in plan.foldings if folding.memory == "stream"]
    assert len(streamed) == int(told[1]) < 3
    assert cost(lower(network, plan))[1] <= limits.block_rams
    # The largest layer first, of those of as many pixels: 512 x 512 bits, padded to whole words.
    assert float(told[2]) == pytest.approx(512 * 512 / 8 / 1e6, rel=0.1)
    # Loaded parameters are on the chip in any case.
    with pytest.raises(PlanError) as error:
        fastest(network, family="ice40", limits=limits, runtime_loadable=True)
    assert "outside" not in str(error.value)


@pytest.mark.parametrize("bits", [0.5, 64.0, 1e6])
def test_a_memory_outside_the_chip_is_one_of_the_limits(bits):
    network = a_dense_network()
    outside = Outside(layers=frozenset({"dense0", "dense1"}), bits_per_cycle=bits)
    search = Search(network, "ice40", outside=outside)
    found = search.fastest(Budget(sites=8000, block_rams=8))
    assert [folding.memory for folding in found.plan.foldings][:2] == ["stream", "stream"]
    pipeline = lower(network, found.plan)
    taken = sum(streamed.frame_words * streamed.bits for streamed in pipeline.weight_streams)
    busy = max(block.cycles for block in pipeline.blocks)
    assert found.cycles == max(busy, -(-taken // bits))
    assert found.bound >= min(found.cycles, (256 + 512) * 512 / bits)
    with pytest.raises(PlanError, match="cycles? with weights from that memory, so it cannot take at most 0"):
        Search(network, "ice40", outside=outside).cheapest(0, Budget())


def two_convolutions():
    """Of 8 x 8 pixels each."""
    rng = np.random.default_rng(7)
    shapes = ((24, 3, 3, 8), (8, 3, 3, 24))
    layers = [
        Conv(name=f"conv{n}", weights=rng.random(s) < 0.5, pads=(1,) * 4, pad_value=-1) for n, s in enumerate(shapes)
    ]
    layers = [replace(layer, thresholds=np.zeros((layer.outputs, 1), np.int64), output=BIPOLAR) for layer in layers]
    layers.append(Dense(name="end", weights=rng.random((2, 512)) < 0.5))
    entry = replace(identity_input(512), map_shape=(8, 8, 8))
    return check(Network(name="net", input=entry, layers=tuple(layers)))


@pytest.mark.parametrize("more", [0, 3, 1000])
def test_pixels_share_weights_as_far_as_block_ram_allows(more):
    network = two_convolutions()
    outside = Outside(layers=frozenset({"conv0", "conv1"}), bits_per_cycle=64)
    search = Search(network, "ice40")
    alone = search.streaming_from(outside)
    limits = Budget(block_rams=alone.within(alone.slowest, Budget())[0].block_rams + more)
    first = alone.fastest(limits)
    shared = sharing(search, outside, limits)
    found = search.streaming_from(shared).fastest(limits)
    assert limits.holds(found) and found.cycles <= first.cycles
    assert [folding.share for folding in found.plan.foldings] == [
        shared.share(layer.name) for layer, _ in weighted(network)
    ]
    pipeline = lower(network, found.plan)
    assert found.cycles == max(*(block.cycles for block in pipeline.blocks), -(-pipeline.weight_bits // 64))
    if more == 1000:
        assert dict(shared.shares) == {"conv0": 8, "conv1": 8}
        assert found.cycles < first.cycles


def test_without_block_ram_a_faster_plan_may_fit_where_the_slowest_does_not():
    """The memories of few lanes are deep, and want block RAM; those of many are in LUTs."""
    search, none = Search(dense_network(256, 128, 10), "ecp5"), Budget(sites=9_000, block_rams=0)
    assert search.within(search.slowest, none)[0] is None
    fitting = search.slowest_that_fits(none)
    assert fitting is not None and fitting < search.slowest
    found = search.fastest(none)
    assert found.block_rams == 0 and found.sites <= 9_000 and found.cycles <= fitting
    # Those that need none take more LUT sites than these.
    with pytest.raises(PlanError, match="but needs at least 8 block RAMs"):
        search.fastest(Budget(sites=300, block_rams=0))
