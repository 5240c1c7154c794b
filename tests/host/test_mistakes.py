"""Mistakes in Python: each is a BitweirError of one sentence with an exit code, and nothing wrong is accepted."""

from __future__ import annotations

import math
import warnings

import bitweir
import numpy as np
import pytest
from bitweir.shipped import demo_images
from bitweir_hw.errors import BitweirError, FileError, LinkError, NetworkError, PlanError
from hypothesis import given, settings
from hypothesis import strategies as st

FIRST, SECOND = np.where(np.arange(32).reshape(4, 8) % 3, 1, -1), np.where(np.arange(12).reshape(3, 4) % 2, 1, -1)
IMAGES = np.arange(80).reshape(10, 8) % 3
KERNEL = -np.ones((1, 2, 2, 1))


def layers():
    return [bitweir.dense(FIRST, thresholds=np.zeros(4)), bitweir.dense(SECOND)]


@pytest.fixture(scope="module")
def net():
    return bitweir.network(layers(), shape=8, threshold=1)


@pytest.fixture(scope="module")
def design(net, tmp_path_factory):
    return bitweir.generate(net, tmp_path_factory.mktemp("mistakes") / "net", folding="8x4,4x3")


def refuses(call, exit_code, told):
    with pytest.raises(BitweirError) as error:
        call()
    assert (error.value.exit_code, str(error.value)) == (exit_code, told)


@pytest.mark.parametrize("clock", [0, -5, math.nan, math.inf, 100, 1e30, "1e8", True])
def test_clocks(net, design, clock, tmp_path):
    """100 would be MHz: in Python clocks are in Hz."""
    for call in (
        lambda: design.report(clock=clock),
        lambda: design.simulate(IMAGES, engine="golden", clock=clock),
        lambda: bitweir.compare(design, design, clock=clock),
        lambda: bitweir.generate(net, tmp_path / "x", clock=clock),
        lambda: bitweir.generate_chips(net, tmp_path / "x", parts=["ecp5-25k"] * 2, clock=clock),
        lambda: bitweir.explore(net, "ecp5-25k", clock=clock),
        lambda: bitweir.build(net, board="icebreaker", folder=tmp_path / "x", clock=clock),
        lambda: bitweir.demo(folder=tmp_path / "x", clock=clock),
        lambda: bitweir.simulated_board(design, clock=clock),
    ):
        with pytest.raises(PlanError, match=r"^The clock must be 0\.01 to 10,000 MHz, in Python in Hz, such as 100e6"):
            call()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("limit", [0, -2, 2.5, "3", True])
def test_limits(design, limit):
    for call in (
        lambda: design.simulate(IMAGES, engine="golden", limit=limit),
        lambda: design.activity(IMAGES, limit=limit),
        lambda: bitweir.run(f"golden:{design.folder}", IMAGES, limit=limit),
    ):
        refuses(call, 8, f"The limit of images must be a whole number of 1 or more, not {limit!r}.")
    assert design.simulate(IMAGES, engine="golden", limit=np.int64(3)).images == 3


@pytest.mark.parametrize("jobs", [0, -3, 1.5])
def test_processes(net, design, jobs):
    told = f"The number of processes (jobs) must be a whole number of 1 or more, not {jobs}."
    refuses(lambda: design.simulate(IMAGES, engine="golden", jobs=jobs), 5, told)
    refuses(lambda: bitweir.explore(net, "ecp5-25k", jobs=jobs), 5, told)


@pytest.mark.parametrize(
    ("wish", "code", "told"),
    [
        ({"streams": 1.5}, 5, "The number of parallel frames (streams) must be a whole number from 1 to 64, not 1.5."),
        ({"fps": math.nan}, 5, "The frame rate must be a positive number of frames/s, not nan."),
        ({"folding": [1, 2]}, 5, "The folding must be a text, such as '16x4,8x10', not [1, 2]."),
        ({"axi": "8"}, 5, "An AXI4-Stream must be 1, 2, 4, 8, 16, 32 or 64 bytes wide, not '8'."),
        ({"axi": 8.0}, 5, "An AXI4-Stream must be 1, 2, 4, 8, 16, 32 or 64 bytes wide, not 8.0."),
        ({"axi": True}, 5, "An AXI4-Stream must be 1, 2, 4, 8, 16, 32 or 64 bytes wide, not True."),
        (
            {"part": 5}, 5,
            "A part must be the name of a listed one, such as 'ecp5-25k', a file in TOML, or an FpgaPart, not 5.",
        ),
        (
            {"board": 5}, 5,
            "A board must be the name of a listed one, such as 'ulx3s_85f', a file in TOML, or a Board, not 5.",
        ),
        ({"goal": [], "part": "ecp5-25k"}, 5, "The goal must be one of fps, area, latency, not []."),
        ({"stage_levels": 1.5}, 5,
            "The number of adder levels between registers must be a whole number of 0 or more, not "
            "1.5."),
        (
            {"reserve_luts": 1.5}, 5,
            "The reserve of LUTs must be a count or a share of 0 to 100 %, as 500 or 20%, not 1.5.",
        ),
        ({"weight_bandwidth": "x"}, 5, "The bandwidth of weights must be 1 bytes/s or more, not 'x'."),
        ({"tools": 5}, 5, 'The tools to write files for must be a list, such as ["c"], not 5.'),
        ({"folder": None}, 7, "The folder must be a path, such as 'build/net', not None."),
        ({"folder": "a\0b"}, 7, "The folder must have a name without the character NUL, not 'a\\x00b'."),
        (
            {"net": "net.npz"}, 4,

                "A network must be what bitweir.load or bitweir.network returns, not 'net.npz': "
                "bitweir.load('net.npz') reads "
            "a file.",
        ),
        (
            {"part": bitweir.FpgaPart(name="ecp5-25k", family="ecp5", luts=9, ffs=9, block_rams=9, source="x")}, 5,
            "Part ecp5-25k differs from the listed part of the same name: give it another.",
        ),
    ],
)  # fmt: skip
def test_wishes(net, tmp_path, wish, code, told):
    with warnings.catch_warnings():
        # Of Amaranth, where something was begun before it was refused.
        warnings.simplefilter("error")
        refuses(lambda: bitweir.generate(**{"net": net, "folder": tmp_path / "x", **wish}), code, told)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("call", "kind", "told"),
    [
        (lambda: bitweir.max_pool("2"), NetworkError,
            "The kernel of a max pool must be a whole number of 1 or more, or 2 of them, not '2'."),
        (lambda: bitweir.max_pool((2, 2, 2)), NetworkError,
            "The kernel of a max pool must be a whole number of 1 or more, or 2 of them, not (2, 2, "
            "2)."),
        (lambda: bitweir.max_pool(2, stride=1.5), NetworkError,
            "The stride of a max pool must be a whole number of 1 or more, or 2 of them, not 1.5."),
        (lambda: bitweir.conv(KERNEL, padding=1.0), NetworkError,
            "The padding of a convolution must be a whole number of 0 or more, or 4 of them, not 1.0."),
        (lambda: bitweir.conv(KERNEL, padding=1, pad_value=0.5), NetworkError,
            "The pad_value of a convolution must be a whole number, not 0.5."),
        (lambda: bitweir.conv(KERNEL, groups="1"), NetworkError,
            "The number of groups of a convolution must be a whole number of 1 or more, not '1'."),
        (lambda: bitweir.dense([[1, -1], [1]]), NetworkError,
            "The weights of a dense layer must be an array of numbers, not rows of different lengths."),
        (lambda: bitweir.dense(FIRST, [[1], [1, 2], [3], [4]]), NetworkError,
            "The thresholds of a dense layer must be an array of numbers, not rows of different "
            "lengths."),
        (lambda: bitweir.network(layers()[0], shape=8), NetworkError,
            "The layers of a network must be a list, such as [bitweir.dense(weights)], not one layer."),
        (lambda: bitweir.network([FIRST, SECOND], shape=8), NetworkError,
            "Layer 1 of a network must be what bitweir.dense, bitweir.conv or bitweir.max_pool make, "
            "not an array of shape (4, 8)."),
        (lambda: bitweir.network(layers(), shape=8.0), NetworkError,
            "The shape of a frame must be (K,), (H, W) or (H, W, C), of whole numbers of 1 or more, "
            "not 8."),
        (lambda: bitweir.network(layers(), shape=8, threshold="8"), NetworkError,
            "The threshold of the input must be a number, or an array of numbers, not '8'."),
        (lambda: bitweir.network(layers(), shape=8, high=2.5), NetworkError,
            "The highest integer of frames (high) must be a whole number, not 2.5."),
        (lambda: bitweir.dense(FIRST.astype(np.int8).astype(np.uint8)), NetworkError,
            "The weights of a dense layer hold 255 as uint8, which is what -1 becomes in that type: "
            "give them in a signed one, such as np.int8, from the start, or in np.int64 if they are "
            "meant so."),
        (lambda: bitweir.dense(np.zeros((2, 2))), NetworkError,
            "The weights of a dense layer are all 0, so its sums are 0 whatever comes in: give those "
            "that were trained; or, where 0 is a bit that means -1, give bits as bool: weights > 0."),
        (lambda: bitweir.load("digits", input_range=(1,)), BitweirError,
            "The input range must be two integers, such as (-128, 127), not (1,)."),
        (lambda: bitweir.load("digits", result=5), BitweirError, "The result must be a text, such as 'class', not 5."),
        (lambda: bitweir.load("digits", weight_bits=1.5), BitweirError,
            'The bits of weights must be a list, such as ["conv0=8"], not 1.5.'),
        (lambda: bitweir.open(5), FileError, "The folder must be a path, such as 'build/net', not 5."),
        (lambda: bitweir.explore(None, 5), PlanError, 'The parts must be a list, such as ["ecp5-25k"], not 5.'),
        (lambda: bitweir.connect("serial:x", baud=0), LinkError,
            "The baud rate must be a whole number of 1 or more, not 0."),
        (lambda: bitweir.connect("serial:x", rounds=1.5), LinkError,
            "The number of rounds must be a whole number of 1 or more, not 1.5."),
        (lambda: bitweir.connect("serial:x", margin=-1), LinkError, "The margin must be 0 to 3,600 seconds, not -1."),
    ],
)  # fmt: skip
def test_values(call, kind, told):
    with pytest.raises(kind) as error:
        call()
    assert str(error.value) == told and error.value.exit_code > 1


def test_what_is_given_in_place_of_images(net, design):
    for given_, told in (
        (None, "Images must be an array of numbers, not None."),
        (5, "Images must be an array of several, or the path of an .npz file, not 5."),
        ([[1], [1, 2]], "Images must be an array of numbers, not rows of different lengths."),
    ):
        refuses(lambda given_=given_: net.classify(given_), 8, told)
        refuses(lambda given_=given_: design.simulate(given_), 8, told)
    refuses(lambda: net.save(None), 7, "The network file must be a path, such as 'build/net', not None.")
    refuses(
        lambda: design.report(part=5),
        5,
        "A part must be the name of a listed one, such as 'ecp5-25k', a file in TOML, or an FpgaPart, not 5.",
    )
    refuses(
        lambda: bitweir.build(net, board="icebreaker", folder="x", seeds=0),
        5,
        "The number of seeds must be a whole number of 1 or more, not 0.",
    )
    refuses(lambda: bitweir.simulated_board(design, faults=2), 10, "The share of faults must be 0 to 1, not 2.")


def test_integers_of_numpy_do():
    one = np.int64(1)
    made = bitweir.conv(
        np.ones((2, 2, 2, 1)), [0, 0], stride=np.uint8(1), padding=one, pad_value=np.int8(-1), groups=one
    )
    assert made.pads == (1, 1, 1, 1) and made.pad_value == -1 and type(made.groups) is type(made.pads[0]) is int
    net = bitweir.network(
        [made, bitweir.max_pool(np.int64(3)), bitweir.dense(SECOND[:, :2])], shape=np.array([2, 2]), high=np.int16(3),
        threshold=np.float32(1),
    )  # fmt: skip
    assert net.classify(np.ones((1, 2, 2), int)).shape == (1,)


def test_short_floats_warn_of_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made = bitweir.dense(FIRST.astype(np.float16), thresholds=np.full(4, 0.5, np.float16))
    assert made.weights.dtype == bool and made.thresholds.tolist() == [[1]] * 4


def test_weights_of_zeros_and_ones_as_numbers(net):
    """What the refusal offers: twice the weights and thresholds are the same network."""
    weights, thresholds = FIRST > 0, np.array([1, 2, 3, 4])
    with pytest.raises(NetworkError, match=r"give weights of 0 and 2, and thresholds twice as high\.$"):
        bitweir.dense(weights.astype(int), thresholds)
    doubled = bitweir.network([bitweir.dense(2 * weights, 2 * thresholds), bitweir.dense(SECOND)], shape=8, high=2)
    assert (doubled.trace(IMAGES)["dense1"] == np.where(thresholds <= IMAGES @ weights.T, 1, -1)).all()


def test_activations_of_three_values(net):
    """What the notes of `dense` say: outputs of 0, 1 and 2, and thresholds moved by the sums of weights."""
    rows, last = np.array([[-2, 3]] * 4), np.array([0, 1, 2])
    made = bitweir.network(
        [bitweir.dense(FIRST, rows), bitweir.dense(SECOND, last + SECOND.sum(axis=1))], shape=8, threshold=1,
        result="labels",
    )  # fmt: skip
    sums = np.where(IMAGES >= 1, 1, -1) @ FIRST.T
    three = np.where(sums >= 3, 1, np.where(sums >= -2, 0, -1))
    assert (made.classify(IMAGES) == (three @ SECOND.T >= last)).all()


_ANY = st.one_of(
    st.none(), st.booleans(), st.integers(-9, 9), st.floats(), st.text(max_size=4),
    st.lists(st.integers(-2, 2), max_size=3)
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(
    st.fixed_dictionaries(
        {}, optional=dict.fromkeys(("stride", "padding", "pad_value", "groups", "name", "thresholds"), _ANY)
    ),
    _ANY,
    _ANY,
)
def test_nothing_but_errors_of_bitweir(options, shape, threshold):
    try:
        made = bitweir.conv(KERNEL, **options)
        bitweir.network([made, bitweir.dense([[1], [-1]])], shape=shape, threshold=threshold)
    except BitweirError as error:
        assert error.exit_code == 4 and str(error).endswith(".")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"name = 5", "name must be a text, not an integer"),
        (b'name = "x"\nfoo = 1', "it has a field foo, which is not known"),
        (b'name = "x"\nfamily = "ecp5"\nluts = 1\nffs = 1\nblock_rams = 1', "it lacks the field source"),
        (b'name = "\xf6"', "it is not a text in UTF-8, at byte 8"),
    ],
)
def test_files_of_parts_are_told_in_words(tmp_path, content, told):
    path = tmp_path / "p.toml"
    path.write_bytes(content)
    with pytest.raises(FileError) as error:
        bitweir.generate(bitweir.network(layers(), shape=8), tmp_path / "x", part=path)
    assert str(error.value).startswith(f"'{path}' is no part ({told}): it takes name, ")


def test_pins_of_boards_are_told_in_words(tmp_path):
    path = tmp_path / "b.toml"
    path.write_text('name = "x"\ntitle = "x"\npart = "ecp5-25k"\ndevice = "x"\noscillator = 25_000_000\n[pins]\n')
    with pytest.raises(FileError) as error:
        bitweir.generate(bitweir.network(layers(), shape=8), tmp_path / "x", board=path)
    assert str(error.value).startswith(f"'{path}' is no board (it lacks the field clk of the table pins): it takes ")


def test_demo_images_are_for_other_networks(net):
    told = "The demo images are for the bundled networks: frames must have the shape (N, 8), not (360, 64)."
    refuses(lambda: net.run(demo_images()), 8, told)
