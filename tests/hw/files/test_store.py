"""Networks and plans survive a round through files; damaged files are told."""

import contextlib
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from bitweir_hw.errors import NetworkError, PlanError
from bitweir_hw.files import store
from bitweir_hw.files.store import VERSION, digest, load_network, load_plan, network_bytes, plan_text, save_network
from bitweir_hw.network import Readout, Stored
from bitweir_hw.plan import Folding, Plan
from hypothesis import given
from hypothesis import strategies as st
from support.samples import dense_network
from support.strategies import dense_networks, networks, plans


def same(a, b):
    """Equality of dataclasses that hold arrays."""
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if hasattr(a, "__dataclass_fields__"):
        return type(a) is type(b) and all(same(getattr(a, name), getattr(b, name)) for name in a.__dataclass_fields__)
    return a == b


@given(st.data())
def test_round_trip(tmp_path_factory, data):
    network = data.draw(networks())
    plan = data.draw(plans(network, streamed=True))
    folder = tmp_path_factory.mktemp("files")
    save_network(network, folder / "net.npz")
    (folder / "plan.json").write_text(plan_text(plan))
    loaded = load_network(folder / "net.npz")
    assert same(loaded, network)
    assert digest(loaded) == digest(network)
    assert network_bytes(loaded) == network_bytes(network)
    assert load_plan(folder / "plan.json") == plan


@given(st.data())
def test_digest_tells_networks_apart(data):
    network = data.draw(dense_networks())
    weights = network.layers[0].weights.copy()
    before = digest(network)
    weights_of = network.layers[0].weights
    weights_of[0, 0] = ~weights_of[0, 0]
    assert digest(network) != before
    weights_of[:] = weights
    assert digest(network) == before


@given(st.data())
def test_digest_leaves_out_what_the_scores_of_a_class_mean(data):
    network = data.draw(dense_networks())
    other = Readout(kind=network.readout.kind, scale=("3/7",), offset=("-1/2",))
    told = digest(replace(network, readout=other)) != digest(network)
    assert told == (network.readout.kind != "class" and network.readout != other)


def test_damaged_results_are_told(tmp_path):
    network = dense_network(4, 3, 2)
    path = tmp_path / "net.npz"
    with np.load(io.BytesIO(network_bytes(network))) as file:
        arrays = dict(file)
    tree = json.loads(arrays["network.json"].tobytes())
    assert tree["network"].pop("readout")["kind"] == "class"
    for readout in ({"type": "Folding", "pe": 1, "simd": 1}, [], "class"):
        tree["network"]["readout"] = readout
        arrays["network.json"] = np.frombuffer(json.dumps(tree).encode(), np.uint8)
        np.savez(path, **arrays)
        with pytest.raises(NetworkError, match="File 'net.npz' is not a bitweir network of version 3: "):
            load_network(path)


@pytest.mark.parametrize("scale", [None, "1/255"])
def test_networks_of_version_2_are_read(tmp_path, scale):
    network = dense_network(4, 3, 2)
    file = tmp_path / "net.npz"
    with np.load(io.BytesIO(network_bytes(network))) as arrays:
        content = dict(arrays)
    tree = json.loads(content["network.json"].tobytes())
    tree["version"] = 2
    for name in ("readout", "bounds"):
        del tree["network"][name]
    del tree["network"]["input"]["stored"]
    tree["network"]["input"]["pixel_scale"] = scale
    content["network.json"] = np.frombuffer(json.dumps(tree).encode(), np.uint8)
    np.savez(file, **content)
    found = load_network(file)
    stored = None if scale is None else Stored(scale=(scale,))
    assert same(found, replace(network, input=replace(network.input, stored=stored)))
    assert found.readout == Readout(kind="class")


def test_missing(tmp_path):
    with pytest.raises(NetworkError, match="There is no network file"):
        load_network(tmp_path / "net.npz")
    with pytest.raises(PlanError, match="There is no plan file"):
        load_plan(tmp_path / "plan.json")


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04 cut"])
def test_damaged(tmp_path, content):
    path = tmp_path / "net.npz"
    path.write_bytes(content)
    with pytest.raises(NetworkError, match=r"File 'net.npz' is not a bitweir network of version 3: .*\."):
        load_network(path)
    path = tmp_path / "plan.json"
    path.write_bytes(content)
    with pytest.raises(PlanError, match=r"File 'plan.json' is not a bitweir plan of version 2: .*\."):
        load_plan(path)


def test_an_array_file_that_is_no_network(tmp_path):
    path = tmp_path / "ok.npz"
    for names, told in (
        (("x", "y"), "the arrays 'x', 'y', and looks like images. Name the file that import or Model.save wrote."),
        (("w",), "the arrays 'w', and no network.json."),
        ((), "no arrays, and no network.json."),
    ):
        np.savez(path, **{name: np.zeros(1) for name in names})
        with pytest.raises(NetworkError) as error:
            load_network(path)
        assert str(error.value) == f"File 'ok.npz' is not a bitweir network: it holds {told}"


def test_a_flipped_byte_tells_no_raw_bytes(tmp_path):
    path, content = tmp_path / "net.npz", network_bytes(dense_network(4, 3, 2))
    told = set()
    for place in range(0, len(content), 7):
        damaged = bytearray(content)
        damaged[place] ^= 255
        path.write_bytes(damaged)
        with contextlib.suppress(NetworkError):
            load_network(path)
            continue
        with pytest.raises(NetworkError) as error:
            load_network(path)
        told.add(str(error.value))
    assert "File 'net.npz' is not a bitweir network of version 3: it is damaged." in told
    assert all(len(text) < 200 and text.isprintable() and " b'" not in text for text in told)


def test_no_pickle(tmp_path):
    path = tmp_path / "net.npz"
    np.savez(path, allow_pickle=True, **{"network.json": np.array([print], object)})
    with pytest.raises(NetworkError, match="allow_pickle=False"):
        load_network(path)


def test_absurd_size_is_refused_unread(tmp_path, monkeypatch):
    path = tmp_path / "net.npz"
    np.savez_compressed(path, x=np.zeros(1 << 20))
    monkeypatch.setattr(store, "LIMIT_BYTES", 1 << 20)
    with pytest.raises(NetworkError, match="it must unpack to at most 1048576 bytes, not 83887"):
        load_network(path)


def test_other_kinds_are_refused(tmp_path):
    path = tmp_path / "net.npz"
    tree = {"format": "bitweir network", "version": VERSION, "network": {"type": "Folding", "pe": 1, "simd": 1}}
    np.savez(path, **{"network.json": np.frombuffer(json.dumps(tree).encode(), np.uint8)})
    with pytest.raises(NetworkError, match="it holds something else"):
        load_network(path)


@pytest.mark.parametrize(
    "broken",
    [
        {"foldings": 5},
        {"foldings": [{"type": "Folding", "pe": "a", "simd": 1}]},
        {"foldings": [{"type": "Folding", "pe": 1, "simd": 3.5}]},
        {"foldings": [{"type": "Network"}]},
        {"foldings": [{"type": "Folding", "pe": 1, "simd": 1, "memory": "tape"}]},
        {"popcount": {"type": "Folding", "pe": 1, "simd": 1}},
        {"popcount": {"type": "Popcount", "style": 3, "levels_per_stage": 1}},
    ],
)
def test_plan_of_wrong_types(tmp_path, broken):
    tree = json.loads(plan_text(Plan(foldings=(Folding(pe=1, simd=1),))))
    tree["plan"] |= broken
    (tmp_path / "plan.json").write_text(json.dumps(tree))
    with pytest.raises(PlanError):
        load_plan(tmp_path / "plan.json")
