"""Parameters in RAM: one accelerator, many networks of its shape, and never a wrong answer."""

import zlib
from dataclasses import replace
from math import inf

import numpy as np
import pytest
from amaranth.hdl import ResetInserter, Signal
from amaranth.sim import Simulator
from bitweir_hw.accelerator import Accelerator
from bitweir_hw.accelerator.parameters import (
    _shape,
    contents,
    image_beats,
    image_bytes,
    load_cycles,
    load_width,
    parameter_image,
    shape_crc,
    with_parameters_of,
)
from bitweir_hw.cost import estimate_pipeline
from bitweir_hw.errors import NetworkError, PlanError
from bitweir_hw.files import load_plan, plan_text
from bitweir_hw.lower import lower
from bitweir_hw.lower.ranges import LOADED, with_loadable_parameters
from bitweir_hw.network import BIPOLAR, Affine, Dense, Format, Network, Pool, Readout, check
from bitweir_hw.plan import LOAD_WIDTHS, Folding, Plan, plan_from_foldings
from bitweir_hw.search import Budget, cheapest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from support.loadbench import Load, beats_of, other_parameters, run_loads
from support.samples import dense_network, every_kind
from support.strategies import codes, identity_input, networks, plans, stalls


def limits(plan):
    return {name: (low, high) for name, low, high in plan.limits}


@st.composite
def pairs(draw, **sizes):
    """A network, a plan with parameters in RAM, and another network of the same shape."""
    network = draw(networks(**sizes).filter(lambda n: any(isinstance(layer, LOADED) for layer, _, _ in n.placed())))
    width = draw(st.sampled_from(LOAD_WIDTHS))
    plan = with_loadable_parameters(network, draw(plans(network)), load_width=width)
    return network, plan, other_parameters(network, limits(plan), np.random.default_rng(draw(st.integers(0, 2**32))))


@settings(max_examples=200)
@given(pairs())
def test_nothing_but_parameters_depends_on_values(pair):
    network, plan, other = pair
    pipeline, again = lower(network, plan), with_parameters_of(other, network, plan)
    assert _shape(pipeline) == _shape(again)
    first, second = parameter_image(pipeline), parameter_image(again)
    assert len(first) == len(second) == image_bytes(pipeline)
    parts = [part for block in pipeline.blocks for part in contents(block)]
    beats = sum(part.depth * -(-part.width // (8 * plan.load_width)) for part in parts)
    assert image_beats(pipeline) == beats + -(-4 // plan.load_width)
    for image in (first, second):
        assert zlib.crc32(image[:-4], shape_crc(pipeline)) == int.from_bytes(image[-4:], "little")


def images_of(network, plan, *others):
    """An accelerator, and the image of each network for it."""
    pipeline = lower(network, plan)
    networks = (network, *others)
    return pipeline, {parameter_image(with_parameters_of(each, network, plan)): each for each in networks}


def check_two_networks(data, most_cycles=inf, **sizes):
    network, plan, other = data.draw(pairs(**sizes))
    pipeline, images = images_of(network, plan, other)
    assume(load_cycles(pipeline) <= most_cycles)
    first, second = list(images)[0], list(images)[-1]
    frames = data.draw(codes(network, data.draw(st.integers(2, 4))))
    # The second load begins while frames of the first are under way, or before all of them have come.
    begin = load_cycles(pipeline) + data.draw(st.integers(0, 100))
    loads = [Load(first), Load(second, begin, data.draw(stalls()))]
    i_stalls, o_stalls = (np.concatenate([np.zeros(load_cycles(pipeline)), data.draw(stalls())]) for _ in range(2))
    run_loads(pipeline, images, loads, frames, i_stalls, o_stalls)


def test_scales_that_come_in_series_are_loaded():
    rng = np.random.default_rng(2)
    scores = Affine(name="scores", scale=rng.integers(1, 1 << 7, 6), offset=rng.integers(-99, 99, 6))
    dense = dense_network(32, 24, 6)
    network = check(replace(dense, layers=(*dense.layers, scores)))
    plan = with_loadable_parameters(network, plan_from_foldings(network, "2x1,2x2"))
    other = other_parameters(network, limits(plan), rng)
    pipeline, images = images_of(network, plan, other)
    (block,) = (block for block in pipeline.blocks if block.name == "scores")
    assert block.serial and block.loadable_bits
    none, begin = np.zeros(0, bool), load_cycles(pipeline) + 400
    first, second = images
    frames = rng.integers(0, 2, (3, 32))
    run_loads(pipeline, images, [Load(first), Load(second, begin, none)], frames, none, none)


@settings(max_examples=8)
@given(st.data())
def test_every_beat_of_two_networks(data):
    check_two_networks(data, most_cycles=1000, max_layers=2, max_size=8)


@pytest.mark.long
@settings(max_examples=150)
@given(st.data())
def test_every_beat_of_many_pairs(data):
    check_two_networks(data)


def small(simd=4, load_width=1):
    """Two networks of one shape with bits as weights, and a plan."""
    rng = np.random.default_rng(1)

    def network(name):
        layers = (
            Dense(name="a", weights=rng.random((6, 9)) < 0.5, thresholds=rng.integers(-3, 4, (6, 1)), output=BIPOLAR),
            Dense(name="b", weights=rng.random((3, 6)) < 0.5),
        )
        return check(Network(name=name, input=identity_input(9), layers=layers))

    network, other = network("net"), network("other")
    plan = Plan(foldings=(Folding(pe=2, simd=simd), Folding(pe=3, simd=3)))
    return network, with_loadable_parameters(network, plan, load_width=load_width), other


@pytest.mark.parametrize("simd", [4, 9])
def test_a_load_waits_for_frames_that_wait_for_the_output(simd):
    # The accelerator is full, and the next beat is offered already. With 9, each beat is a frame.
    network, plan, other = small(simd)
    pipeline, images = images_of(network, plan, other)
    begin = load_cycles(pipeline) + 150
    frames = np.random.default_rng(2).integers(0, 2, (30, 9))
    loads = [Load(image, at) for image, at in zip(images, (0, begin), strict=True)]
    met = run_loads(pipeline, images, loads, frames, (), np.ones(begin + 60, bool))
    assert 3 < met.count(network) < 25 and met == [network] * met.count(network) + [other] * met.count(other)


WRONG = ("damaged", "cut", "of another shape", "of another width", "of zeros", "with a gap", "with bytes behind")


@settings(max_examples=15)
@given(
    load_width=st.sampled_from(LOAD_WIDTHS),
    kinds=st.lists(st.sampled_from(WRONG), max_size=4),
    seed=st.integers(0, 2**32),
    pauses=st.lists(stalls(), min_size=5, max_size=5),
    frames=st.integers(1, 3),
)
def test_only_right_images_let_frames_in(load_width, kinds, seed, pauses, frames):
    network, plan, other = small(load_width=load_width)
    pipeline, images = images_of(network, plan, other)
    good, last = images
    rng, loads = np.random.default_rng(seed), []
    for kind, pause in zip(kinds, pauses, strict=False):
        content, bad = bytearray(good), ()
        if kind == "damaged":
            content[int(rng.integers(0, len(content)))] ^= 1 << int(rng.integers(0, 8))
        elif kind == "cut":
            content = content[: load_width * int(rng.integers(1, len(content) // load_width))]
        elif kind == "of another shape":
            content[-4:] = zlib.crc32(content[:-4]).to_bytes(4, "little")
        elif kind == "of another width":
            width = int(rng.choice([width for width in LOAD_WIDTHS if width != load_width]))
            content = parameter_image(lower(network, replace(plan, load_width=width)))
        elif kind == "of zeros":
            content = bytes(len(content))
        elif kind == "with a gap" and load_width > 1:
            bad = (int(rng.integers(0, len(content) // load_width)),)
        else:
            content += rng.bytes(3)
        loads.append(Load(bytes(content), 0, pause, bad))
    loads.append(Load(last, 40))
    codes_ = rng.integers(0, 2, (frames, 9))
    met = run_loads(pipeline, images, loads, codes_)
    if "with bytes behind" not in kinds and (load_width > 1 or "with a gap" not in kinds):
        assert all(one is other for one in met)


@pytest.mark.parametrize("cut", range(1, 8))
def test_a_load_that_is_cut_inside_a_word_leaves_nothing_behind(cut):
    # Words of three bytes, in two memories: a counter of bytes that a new load does not clear would shift its image.
    network, plan, other = small(9)
    pipeline, images = images_of(network, plan, other)
    words = [part.width for block in pipeline.blocks for part in contents(block)]
    assert words[0] == 18
    good, last = images
    frames = np.random.default_rng(cut).integers(0, 2, (3, 9))
    # The second cut stands in a later word of the last memory.
    met = run_loads(pipeline, images, [Load(good[:cut]), Load(good[: len(good) - 4 - cut]), Load(last)], frames)
    assert met == [other] * 3


@pytest.mark.parametrize("width", LOAD_WIDTHS)
def test_frames_come_from_the_cycle_that_is_told(width):
    network, plan, _ = small(9, width)
    pipeline, images = images_of(network, plan)
    assert load_width(pipeline) == width
    (image,) = [beats_of(content, width) for content in images]
    opened = []

    async def bench(ctx):
        ctx.set(dut.i.valid, 1)
        at = 0
        for _ in range(load_cycles(pipeline) + 1):
            ctx.set(dut.load.valid, at < len(image))
            ctx.set(dut.load.payload.data, image[min(at, len(image) - 1)])
            ctx.set(dut.load.payload.first, at == 0)
            at += ctx.get(dut.load.ready) and at < len(image)
            opened.append(ctx.get(dut.i.ready))
            await ctx.tick()

    dut = Accelerator(pipeline)
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()
    assert opened == [0] * load_cycles(pipeline) + [1]


def test_a_reset_forgets_the_parameters():
    network, plan, _ = small()
    pipeline, images = images_of(network, plan)
    (image,) = images
    reset, dut = Signal(), Accelerator(pipeline)

    async def bench(ctx):
        async def load(content):
            for at, byte in enumerate(content):
                ctx.set(dut.load.payload.data, byte)
                ctx.set(dut.load.payload.first, at == 0)
                ctx.set(dut.load.valid, 1)
                await ctx.tick().until(dut.load.ready)
            ctx.set(dut.load.valid, 0)

        ctx.set(dut.i.valid, 1)
        for content in (image, image[:20]):
            await load(content)
            await ctx.tick().repeat(20)
            assert ctx.get(dut.loaded) == (content is image)
            ctx.set(reset, 1)
            await ctx.tick()
            ctx.set(reset, 0)
            assert not ctx.get(dut.loaded) and not ctx.get(dut.i.ready)
        # The rest of an image is not one.
        await load(image[20:])
        await ctx.tick().repeat(20)
        assert not ctx.get(dut.loaded) and not ctx.get(dut.load_failed)
        await load(image)
        await ctx.tick().repeat(20)
        assert ctx.get(dut.loaded)

    simulator = Simulator(ResetInserter(reset)(dut))
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    simulator.run()


# ---- networks that fit, and such that do not


def changed(network, index, **fields):
    layers = list(network.layers)
    layers[index] = replace(layers[index], **fields)
    return replace(network, layers=tuple(layers))


def test_layers_may_have_other_names():
    network, plan, other = small()
    renamed = changed(changed(other, 0, name="x"), 1, name="y")
    assert parameter_image(with_parameters_of(renamed, network, plan)) == parameter_image(
        with_parameters_of(other, network, plan)
    )


def test_another_shape_is_refused_by_name():
    network, plan = every_kind(wired=False)
    plan = with_loadable_parameters(network, plan)
    shape = "Network 'net' must have the shape of 'net' to be loaded in its place, but "
    least = np.array([True, False, False, False, False])
    sign, select = network.layers[3].branches[0]
    picks = ((sign, replace(select, channels=np.array([3, 0, 4, 0, 2]))), ())
    for other, told in (
        (changed(network, 3, branches=picks), "layer 'select' differs in its channels"),
        (changed(network, 1, pad_value=1), "layer 'conv' differs in its pad_value"),
        (
            changed(network, 1, weights=network.layers[1].weights.astype(np.int64)),
            "layer 'conv' differs in its weights",
        ),
        (changed(network, 1, thresholds=np.array([[-3, 0]] * 5)), "layer 'conv' differs in its thresholds"),
        (changed(network, 1, output=Format(bits=2, offset=1)), "layer 'conv' differs in its output"),
        (changed(network, 2, least=least), "layer 'pool' differs in its least"),
        (changed(network, 3, weights=(2, 1)), "layer 'sum' differs in its weights"),
        (replace(network, layers=network.layers[:3] + network.layers[4:]), "it has other layers"),
        (replace(network, input=replace(network.input, format=Format(bits=2, step=2))), "its input differs"),
        (replace(network, readout=ONE_SCALE), "its result is scores, not class"),
    ):
        with pytest.raises(NetworkError) as error:
            with_parameters_of(other, network, plan)
        assert str(error.value) == f"{shape}{told}."


ONE_SCALE = Readout(kind="scores", scale=("1",), offset=("0",))


def test_parameters_beyond_their_limits_are_refused_by_name():
    network, plan = every_kind(wired=False)
    plan = with_loadable_parameters(network, plan)
    wide = changed(network, 4, scale=np.array([1, -2, 3, 1, 4]))
    with pytest.raises(PlanError) as error:
        with_parameters_of(wide, network, plan)
    assert str(error.value) == (
        "Layer 'affine' must have scale of -4 to 3, for which the accelerator has room, not of -2 to 4."
    )


def test_what_is_told_are_the_values_of_the_array():
    # Integers of 0 to 2 have room for -4 to 3: what is told of those that do not fit is what they are.
    rng = np.random.default_rng(2)
    network = check(
        Network(
            name="net", input=identity_input(6),
            layers=(Dense(name="dense", weights=np.array([[0, 1, 2, 0, 1, 2]] * 3)),
                    Affine(name="affine", scale=np.array([1, 2, 0]), offset=np.array([0, 5, 1]))),
        )
    )  # fmt: skip
    plan = with_loadable_parameters(network, Plan(foldings=(Folding(pe=1, simd=2),)))
    assert plan.limits == (("dense.weights", -4, 3), ("affine.scale", -4, 3), ("affine.offset", -8, 7))
    for at, field, values, told in (
        (0, "weights", rng.integers(0, 5, (3, 6)) | 4, "weights of -4 to 3, for which"),
        (1, "scale", np.array([0, 2, 4]), "scale of -4 to 3, for which the accelerator has room, not of 0 to 4."),
        (1, "offset", np.array([-9, 2, 1]), "offset of -8 to 7, for which the accelerator has room, not of -9 to 2."),
    ):
        with pytest.raises(PlanError) as error:
            with_parameters_of(changed(network, at, **{field: values}), network, plan)
        assert told in str(error.value)
        if field == "weights":
            assert str(error.value).endswith(f"room, not of {values.min()} to {values.max()}.")
    # Limits that somebody wrote into the plan hold as they are.
    narrow = replace(plan, limits=(("dense.weights", 0, 2), ("affine.scale", 0, 2), ("affine.offset", 0, 5)))
    pipeline, images = images_of(network, narrow)
    assert image_bytes(pipeline) <= image_bytes(lower(network, plan))
    never = np.zeros(load_cycles(pipeline))
    run_loads(pipeline, images, [Load(*images)], rng.integers(0, 2, (3, 6)), never, never)
    with pytest.raises(PlanError) as error:
        lower(network, replace(plan, limits=(*plan.limits, ("dense.scale", 0, 1))))
    assert str(error.value) == "The plan must give limits of parameters of its network, not of 'dense.scale'."


def test_fixed_parameters_have_no_image():
    network, plan = every_kind()
    for work in (lambda: parameter_image(lower(network, plan)), lambda: with_parameters_of(network, network, plan)):
        with pytest.raises(PlanError) as error:
            work()
        assert str(error.value) == (
            "The accelerator must have parameters in RAM to be loaded: generate it with --weights ram (in Python "
            "weights='ram')."
        )


def test_a_network_without_parameters_has_nothing_to_load():
    pool = Pool(name="pool", kind="sum", kernel=(1, 1), stride=(1, 1))
    network = check(Network(name="bare", input=identity_input(4), layers=(pool,)))
    with pytest.raises(PlanError) as error:
        with_loadable_parameters(network, Plan(foldings=()))
    assert str(error.value) == "Network 'bare' must have weights or thresholds to load; it has none."


def test_the_plan_keeps_the_limits(tmp_path):
    network, plan = every_kind(wired=False)
    plan = with_loadable_parameters(network, plan)
    assert plan.limits == (
        ("conv.edges", 0, 0), ("affine.scale", -4, 3), ("affine.offset", -8, 7),
        ("pieces.scale", -8, 7), ("pieces.offset", -16, 15),
    )  # fmt: skip
    for kept in (plan, replace(plan, load_width=8)):
        (tmp_path / "plan.json").write_text(plan_text(kept))
        assert load_plan(tmp_path / "plan.json") == kept
    # Plans for a byte a cycle are as they were before there was a width.
    assert "load_width" not in plan_text(plan)


def test_what_is_loaded_has_a_width():
    network, plan, _ = small()
    for other, text in (
        (replace(plan, load_width=3), "Parameters must be loaded 1, 2, 4, 8 or 16 bytes a cycle, not 3."),
        (
            replace(plan, weights="rom", limits=(), load_width=2),
            "Parameters must be in RAM to be loaded several bytes a cycle: choose --weights ram (in Python "
            "weights='ram'), or leave the width out.",
        ),
    ):
        with pytest.raises(PlanError) as error:
            lower(network, other)
        assert str(error.value) == text
    shapes = {shape_crc(lower(network, replace(plan, load_width=width))) for width in LOAD_WIDTHS}
    assert len(shapes) == len(LOAD_WIDTHS)


@pytest.mark.parametrize("change", ['"weights": 1', '"weights": "ram", "limits": [["a", 1]]'])
def test_a_damaged_plan_is_refused(tmp_path, change):
    _, plan = every_kind()
    text = plan_text(plan).replace('"weights": "rom",\n  "limits": []', change)
    assert change in text
    (tmp_path / "plan.json").write_text(text)
    with pytest.raises(PlanError, match=r"^File 'plan.json' is not a bitweir plan"):
        load_plan(tmp_path / "plan.json")


def test_weights_are_in_rom_or_ram():
    network, plan = every_kind()
    with pytest.raises(PlanError) as error:
        lower(network, replace(plan, weights="flash"))
    assert str(error.value) == "Weights must be in rom or ram, not 'flash'."


@pytest.mark.parametrize("family", ["ecp5", "ice40"])
def test_the_search_prices_what_is_loaded(family):
    network, _, _ = small()
    found = cheapest(network, family=family, cycles=20, limits=Budget(), runtime_loadable=True)
    assert found.plan.weights == "ram" and found.cycles <= 20
    total = estimate_pipeline(lower(network, found.plan), family)[1]
    assert (found.sites, found.block_rams) == (total.sites, total.bram)
    assert found.sites > cheapest(network, family=family, cycles=20, limits=Budget()).sites
