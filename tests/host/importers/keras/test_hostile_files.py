"""Keras files that are damaged or hostile: a network or one sentence."""

from __future__ import annotations

import zipfile
from copy import deepcopy
from pathlib import Path

import h5py
import numpy as np
import pytest
from bitweir.importers import ModelError, load_model
from bitweir.importers.keras import files as keras_files
from bitweir_hw.errors import BitweirError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.keras_runs import (
    larq,
    says,
    small,
)

DRAWN = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])


# ---- hostile files


@pytest.mark.parametrize("suffix", ["h5", "hdf5", "keras"])
@pytest.mark.parametrize("content", [b"", b"garbage", b"\x89HDF\r\n\x1a\n" * 9, b"PK\5\6" + bytes(18)])
def test_garbage(tmp_path, suffix, content):
    path = tmp_path / f"m.{suffix}"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"^Model file .*m\.(h5|hdf5|keras)' (is no|must hold) .*: save it .*\.$"):
        load_model(path)


def test_weights_alone(tmp_path):
    path = small().save(tmp_path / "m.h5")
    with h5py.File(path, "a") as file:
        del file.attrs["model_config"]
    with pytest.raises(ModelError, match=r"must hold a whole model, .*: save it with model\.save, not with "):
        load_model(path)


@pytest.mark.parametrize("text", ["{", "[1]", "[" * 100_000, '{"class_name": ' + "9" * 5000 + "}"])
def test_damaged_configurations(tmp_path, text):
    path = small().save(tmp_path / "m.h5")
    with h5py.File(path, "a") as file:
        file.attrs["model_config"] = text
    with pytest.raises(ModelError, match=r"has a damaged configuration: save it again\.$"):
        load_model(path)


KERNEL = "model_weights/conv/conv/kernel:0"


def soft_link(file, folder):
    file[KERNEL] = h5py.SoftLink("/model_weights/point/point/kernel:0")


def external_link(file, folder):
    with h5py.File(folder / "other.h5", "w") as other:
        other["x"] = np.ones((2, 2, 1, 2), np.float32)
    file[KERNEL] = h5py.ExternalLink("other.h5", "/x")


def external_storage(file, folder):
    (folder / "secret").write_bytes(bytes(32))
    file.create_dataset(KERNEL, (2, 2, 1, 2), "f4", external=[(str(folder / "secret"), 0, 32)])


def virtual(file, folder):
    external_link(file, folder)
    del file[KERNEL]
    layout = h5py.VirtualLayout((2, 2, 1, 2), "f4")
    layout[:] = h5py.VirtualSource(str(folder / "other.h5"), "x", (2, 2, 1, 2))
    file.create_virtual_dataset(KERNEL, layout)


def references(file, folder):
    file.create_dataset(KERNEL, data=[file.ref] * 8, dtype=h5py.ref_dtype)


def huge(file, folder):
    file.create_dataset(KERNEL, (1 << 20, 1 << 20, 1, 2), "f4", chunks=(64, 64, 1, 2))


def bomb(file, folder):
    file.create_dataset(KERNEL, data=np.zeros((1 << 11, 1 << 11), np.float32), compression="gzip")


def group(file, folder):
    file.create_group(KERNEL)


HOSTILE = {
    soft_link: "must have its weight '{}' in the file itself, not behind a link: save the model again.",
    external_link: "must have its weight '{}' in the file itself, not behind a link: save the model again.",
    external_storage: "must have its weight '{}' in the file itself, not in another: save the model again.",
    virtual: "must have its weight '{}' in the file itself, not in another: save the model again.",
    references: "must have plain numbers as weight '{}', not 'object'.",
    huge: "must leave the model at most 268435456 numbers in 8 axes; its weight '{}' has the shape "
    "(1048576, 1048576, 1, 2).",
    bomb: "has a weight '{}' of shape (2048, 2048), of which the file holds ",
    group: "needs the weight '{}', which the file does not hold: save the model again.",
}


@pytest.mark.parametrize("how", HOSTILE)
def test_data_sets_that_are_refused(tmp_path, how):
    path = small().save(tmp_path / "m.h5")
    with h5py.File(path, "a") as file:
        del file[KERNEL]
        how(file, tmp_path)
    with says("Layer QuantConv2D 'conv' " + HOSTILE[how].format(KERNEL)):
        load_model(path, input_scale="1")


def test_groups_inside_themselves(tmp_path):
    path = small().save(tmp_path / "m.h5")
    with h5py.File(path, "a") as file:
        for name in "abc":
            file[f"model_weights/{name}"] = file["model_weights"]
    with pytest.raises(ModelError, match=r"is no Keras file, or it is damaged: save it again\.$"):
        load_model(path)


def test_a_library_that_hangs_is_ended(tmp_path, monkeypatch):
    """An object of size 0 in the global heap, where long texts lie: HDF5 may never pass it."""
    path = small().save(tmp_path / "m.h5")
    content = bytearray(path.read_bytes())
    heap = content.index(b"GCOL") + 16
    content[heap + 8 : heap + 16] = b"\xf0" + b"\xff" * 7  # the size of the first object, as a step back
    path.write_bytes(bytes(content))
    monkeypatch.setattr(keras_files, "_PATIENCE", 3.0)
    with pytest.raises(
        ModelError,
        match=r"(readable within 3 s, but the HDF5 library .*|is no Keras file, or it is damaged): .*again\.$",
    ):
        load_model(path)


def with_members(path: Path, **members: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "."), content)
    return path


def test_archives_that_are_refused(tmp_path):
    path = tmp_path / "m.keras"
    with pytest.raises(ModelError, match=r"must hold config\.json and model\.weights\.h5: save it with model\.save\.$"):
        load_model(with_members(path, config__json=b"{}"))
    with says(
        "The member config.json of the file must have at most 16777216 bytes and grow at most 64 times when it is "
    ):
        load_model(with_members(path, config__json=bytes(1 << 25), model__weights__h5=b""))
    with says("The member model.weights.h5 of the file must have at most 1073741824 bytes and grow at most 64 times"):
        load_model(with_members(path, config__json=b"{}", model__weights__h5=bytes(1 << 24)))
    many = {f"f{number}": b"" for number in range(30_000)}
    with pytest.raises(ModelError, match=r"is no \.keras file, or it is damaged: save it again\.$"):
        load_model(with_members(path, config__json=b"{}", **many))


def test_nothing_is_written_beside_an_archive(tmp_path):
    path = small().save(tmp_path / "m.keras")
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("../evil", "x")
    with pytest.raises(ModelError, match="pixel"):
        load_model(path)
    assert [entry.name for entry in tmp_path.iterdir()] == ["m.keras"]


def test_more_weights_than_a_layer_has(tmp_path, in_process):
    model = small()
    model.layers[1][3]["other"] = np.ones(2, np.float32)
    with says("Layer QuantConv2D 'conv' has a weight 'other' that such a layer does not use."):
        load_model(model.save(tmp_path / "m.h5", "keras2"), input_scale="1")
    with says("Layer QuantConv2D 'conv' must have 1 weights in the file, but it holds more of them."):
        load_model(model.save(tmp_path / "m.keras", "keras3"), input_scale="1")


def expect_network_or_sentence(path: Path) -> None:
    try:
        load_model(path, input_scale="1")
    except BitweirError as error:
        text = str(error)
        assert text[0].isupper() and text.endswith(".") and text.isprintable() and len(text) < 700


@settings(DRAWN, max_examples=25)
@given(data=st.data())
def test_mutated_bytes_end_in_a_network_or_a_sentence(tmp_path, monkeypatch, data):
    monkeypatch.setattr(keras_files, "_PATIENCE", 3.0)
    path = small().save(tmp_path / "m.h5", "keras2")
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        if data.draw(st.booleans()):
            content[at] = data.draw(st.integers(0, 255))
        else:
            del content[at : at + data.draw(st.integers(1, 20))]
    path.write_bytes(bytes(content))
    expect_network_or_sentence(path)


JUNK = [
    None, True, -1, 0, 3, 1e30, float("nan"), 10**30, "x", [], {}, [1], [0, 0], "softmax", "same", 65536,
    larq("SteTern"),
]  # fmt: skip


def places(value, path=()):
    """Paths to everything inside a configuration."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield (*path, key)
        yield from places(inner, (*path, key))


@settings(DRAWN, max_examples=100)
@given(data=st.data())
def test_mutated_configurations_end_in_a_network_or_a_sentence(tmp_path, in_process, data):
    model = small()
    config = model.config(data.draw(st.sampled_from(["sequential", "keras2", "keras3"])))
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(list(places(config)) or [()]))
        if not path:
            break
        holder = config
        for key in path[:-1]:
            holder = holder[key]
        if data.draw(st.booleans()):
            holder[path[-1]] = deepcopy(data.draw(st.sampled_from(JUNK)))
        else:
            del holder[path[-1]]
    expect_network_or_sentence(model.save(tmp_path / "m.h5", config=config or {"x": 1}))
