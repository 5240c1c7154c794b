from pathlib import Path

from bitweir.shipped import NETWORKS, located, model_file


def test_names_of_bundled_networks_are_files_also_among_several(tmp_path):
    digits, other = model_file("digits"), tmp_path / "other.onnx"
    scale = NETWORKS["digits"].input_scale
    assert located((Path("digits"),), None) == ((digits,), scale)
    assert located((Path("digits"), Path("digits")), None) == ((digits, digits), scale)
    assert located((Path("digits"),), "1/255") == ((digits,), "1/255")
    # What a file of a user takes is not known.
    assert located((Path("digits"), other), None) == ((digits, other), None)
    assert located((other,), None) == ((other,), None)


def test_a_file_of_that_name_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("digits").touch()
    assert located((Path("digits"),), None) == ((Path("digits"),), None)
