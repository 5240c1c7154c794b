"""The script that fetches the tests' data, with files in place of the network."""

import hashlib
import re

import pytest
from support import ROOT
from support.shared_data import DATA, needs_shared

from tools.fetch_test_data import Entry, fetch, main, manifest

CONTENT = b"a network"
SHA = hashlib.sha256(CONTENT).hexdigest()
OTHER = hashlib.sha256(b"another").hexdigest()


@pytest.fixture
def source(tmp_path):
    path = tmp_path / "source" / "net.onnx"
    path.parent.mkdir()
    path.write_bytes(CONTENT)
    return path


def test_a_file_is_downloaded_once(tmp_path, source, capsys):
    entry = Entry("models/net.onnx", SHA, source.as_uri())
    assert main([str(tmp_path)], [entry]) == 0
    assert (tmp_path / entry.path).read_bytes() == CONTENT
    source.unlink()
    assert fetch(entry, tmp_path) == "there"
    assert capsys.readouterr().out == f"models/net.onnx: downloaded\n{tmp_path} is complete.\n"
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["net.onnx"]


def test_another_file_is_not_kept(tmp_path, source, capsys):
    entry = Entry("models/net.onnx", OTHER, source.as_uri())
    assert main([str(tmp_path)], [entry]) == 1
    assert f"is another file at {source.as_uri()} (SHA-256 {SHA}), and was not kept" in capsys.readouterr().out
    assert not (tmp_path / "models").exists()


def test_a_file_of_the_users_own_is_not_overwritten(tmp_path, source):
    (tmp_path / "net.onnx").write_bytes(b"mine")
    told = fetch(Entry("net.onnx", SHA, source.as_uri()), tmp_path)
    assert re.fullmatch(r"is another file \(SHA-256 [0-9a-f]{64}\): move it away", told)
    assert (tmp_path / "net.onnx").read_bytes() == b"mine"


def test_what_cannot_be_downloaded(tmp_path, source):
    missing = source.with_name("none").as_uri()
    assert fetch(Entry("a", SHA, missing), tmp_path).startswith(f"could not be downloaded from {missing}: ")
    assert fetch(Entry("a", SHA), tmp_path) == "is missing, and has no address: see docs/test-data.md"
    assert fetch(Entry("a", SHA, source.as_uri()), tmp_path, download=False) == "is missing"


def test_the_manifest_and_the_page_name_the_same_files():
    entries, page = manifest(), (ROOT / "docs" / "test-data.md").read_text()
    assert len({entry.path for entry in entries}) == len(entries) > 60
    assert [entry.path for entry in entries] == sorted(entry.path for entry in entries)
    for entry in entries:
        assert re.fullmatch("[0-9a-f]{64}", entry.sha256) and entry.url.startswith(("", "https://"))
        folder, _, name = entry.path.partition("/")
        assert f"## {folder}/" in page and (folder == "digits" or f"`{name}`" in page), entry.path
        # Raw files of a commit, not of a branch that moves.
        assert not entry.url or re.search(r"/[0-9a-f]{40}/", entry.url)


@needs_shared
def test_the_data_are_those_of_the_manifest():
    assert {entry.path: fetch(entry, DATA, download=False) for entry in manifest()} == {
        entry.path: "there" for entry in manifest()
    }
