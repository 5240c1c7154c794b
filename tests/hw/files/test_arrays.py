"""Arrays of .npz files: as NumPy reads them, no more of them than is asked for, and nothing else."""

from __future__ import annotations

import io
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from bitweir_hw.files.arrays import open_arrays, read_arrays
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as nps

LIMIT = 1 << 24


@given(
    nps.arrays(
        st.one_of(nps.integer_dtypes(), nps.unsigned_integer_dtypes(), nps.floating_dtypes(), nps.boolean_dtypes()),
        nps.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5),
    ),
    st.booleans(),
    st.booleans(),
    st.one_of(st.none(), st.integers(0, 6)),
)
def test_as_numpy_reads_them(tmp_path_factory, array, fortran, packed, first):
    path = tmp_path_factory.mktemp("arrays") / "a.npz"
    array = np.asfortranarray(array) if fortran else array
    (np.savez_compressed if packed else np.savez)(path, x=array, y=np.arange(3))
    with open_arrays(path, limit=LIMIT) as file:
        assert file.names == ["x", "y"] and file.shape("x") == array.shape
        found = file.read("x", first)
    with np.load(path) as file:
        want = file["x"] if first is None or not array.shape else file["x"][:first]
    assert found.dtype == want.dtype and found.shape == want.shape
    assert found.tobytes() == want.tobytes()


def members(path: Path, **contents: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in contents.items():
            file.writestr(name.replace("__", "."), content)
    return path


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def test_members_that_are_no_arrays_are_passed_over(tmp_path):
    path = members(tmp_path / "a.npz", README__txt=b"hello", x=b"no array", y__npy=npy(np.arange(3)))
    found = read_arrays(path, limit=LIMIT)
    assert list(found) == ["y"] and found["y"].tolist() == [0, 1, 2]


WHOLE = npy(np.arange(100))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (WHOLE[:-1], "array 'x' is cut short"),
        (WHOLE + b"x", "array 'x' is longer than its shape says"),
        (b"", "EOF: reading magic string"),
        (b"hello world", "the magic string is not correct"),
        (npy(np.array([(1, 2.0)], [("a", int), ("b", float)])), "Object arrays and records cannot be loaded"),
        (WHOLE.replace(b"(100,)", b"(-10,)"), r"an array has the shape \(-10,\)"),
        (WHOLE.replace(b"\x93NUMPY\x01", b"\x93NUMPY\x03"), r"arrays of version \(3, 0\) are not known here"),
    ],
)
def test_damaged_arrays(tmp_path, content, told):
    path = members(tmp_path / "a.npz", x__npy=content)
    with pytest.raises(ValueError, match=told):
        read_arrays(path, limit=LIMIT)


def test_objects_are_refused(tmp_path):
    np.savez(tmp_path / "a.npz", x=np.array([print], object))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        read_arrays(tmp_path / "a.npz", limit=LIMIT)


def test_the_first_rows_of_a_large_array_take_little(tmp_path):
    """1 GiB of pixels in a file of a megabyte: what is not asked for is neither unpacked nor held."""
    rows, columns = 1 << 14, 1 << 16
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "|u1", "fortran_order": False, "shape": (rows, columns)})
    with (
        zipfile.ZipFile(tmp_path / "a.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file,
        file.open("x.npy", "w", force_zip64=True) as member,
    ):
        member.write(header.getvalue())
        for _ in range(rows // 256):
            member.write(bytes(256 * columns))
    tracemalloc.start()
    with open_arrays(tmp_path / "a.npz", limit=1 << 20) as file:
        assert file.shape("x") == (rows, columns)
        assert file.read("x", 2).shape == (2, columns)
        with pytest.raises(ValueError, match=r"it must unpack to at most 1048576 bytes, not 1073872896"):
            file.read("x")
    assert tracemalloc.get_traced_memory()[1] < 1 << 24
    tracemalloc.stop()
    with pytest.raises(ValueError, match="it must unpack to at most 1048576 bytes, not"):
        read_arrays(tmp_path / "a.npz", limit=1 << 20)
