# amaranth: UnusedElaboratable=no
"""Designs that compile in pieces: datapaths of their own, and words of memories in a file."""

import numpy as np
import pytest
from bitweir_hw.accelerator.literals import Contents
from bitweir_sim.cache import cache_folder
from bitweir_sim.simulators import pieces
from bitweir_sim.simulators.compiled import compile_design, compiler_missing
from bitweir_sim.simulators.pieces import CannotSplitError, Memories, Pieces, _ports
from bitweir_sim.trace import SimulationError
from support.compiled import check_runs, equal_datapaths

pytestmark = pytest.mark.skipif(compiler_missing() is not None, reason=str(compiler_missing()))


def datapaths():
    return {path.parent.name: path.stat().st_mtime_ns for path in cache_folder().glob("datapath-*/leaf.o")}


@pytest.fixture
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("BITWEIR_CACHE_DIR", str(tmp_path / "cache"))
    # So that the small datapaths here are pieces, too.
    monkeypatch.setattr(pieces, "_LARGE", 40)


@pytest.mark.usefixtures("own_cache")
def test_pieces_are_the_design(monkeypatch):
    network, pipeline, text = equal_datapaths()
    taken = Pieces.of(text, "odd")
    elements = {f"odd__dense{n}__elements" for n in range(3)}
    assert elements <= taken.leaves.keys()
    assert taken.leaves["odd__dense1__elements"] == taken.leaves["odd__dense2__elements"]
    check_runs(network, pipeline, compile_design(text, top="odd", optimise=0, backend="cxxrtl"))
    first = datapaths()
    # The equal ones are one.
    assert len(first) == len(taken.leaves) - 1
    # Other weights, the same datapaths: none is compiled again.
    network, pipeline, text = equal_datapaths(seed=2)
    other = compile_design(text, top="odd", optimise=0, backend="cxxrtl")
    assert datapaths() == first
    check_runs(network, pipeline, other)


@pytest.mark.usefixtures("own_cache")
def test_a_design_that_does_not_suit_compiles_as_a_whole(monkeypatch):
    def refuse(self, header):
        raise CannotSplitError

    monkeypatch.setattr(pieces, "_LARGE", 1000)
    monkeypatch.setattr(Pieces, "check", refuse)
    network, pipeline, text = equal_datapaths(seed=3)
    whole = compile_design(text, top="odd", optimise=0, backend="cxxrtl")
    assert (whole.folder / pieces.MEMORIES).stat().st_size == 0
    check_runs(network, pipeline, whole)


@pytest.mark.usefixtures("own_cache")
def test_a_wrong_word_in_the_file_is_found(monkeypatch):
    # Without pieces, which compile for nothing here.
    monkeypatch.setattr(pieces, "_LARGE", 1000)
    network, pipeline, text = equal_datapaths()
    design = compile_design(text, top="odd", optimise=0, backend="cxxrtl")
    file = design.folder / pieces.MEMORIES
    file.write_bytes(bytes(byte ^ 1 for byte in file.read_bytes()))
    with pytest.raises(SimulationError, match="differs"):
        check_runs(network, pipeline, design)


def test_words_are_as_cxxrtl_has_them():
    words = [(1 << 70) + (5 << 32) + 3, 7, 1 << 69]
    bits = "".join(f"{word:071b}" for word in reversed(words))
    contents = [Contents("m", "a_b", 71, bits), Contents("m", "zero", 3, "000"), Contents("n", "c", 1, "01")]
    memories = Memories.of(contents, {"m": ["x.y.", "z."], "n": [""]})
    assert memories.places == {"memory_p_x_2e_y_2e_a__b": 0, "memory_p_z_2e_a__b": 36, "memory_p_c": 72}
    data = np.frombuffer(memories.data, "<u4")
    assert data[:9].tolist() == [3, 5, 1 << 6, 7, 0, 0, 0, 0, 1 << 5]
    assert data[9:18].tolist() == data[:9].tolist() and data[18:].tolist() == [1, 0]


HEADER = """
	/*input*/ value<1> p_clk;
	value<1> prev_p_clk;
	/*input*/ value<5> p_x;
	/*output*/ wire<5> p_o;
"""
CODE = """
	bool converged = true;
	if (posedge_p_clk) {
		p_o.next = p_x;
	}
"""


def test_only_datapaths_that_end_in_registers_stand_alone():
    assert _ports(CODE, HEADER) == [{"p_x": 5}, {"p_o": 5}]
    for code, header in [
        (CODE, HEADER.replace("wire<5> p_o", "value<5> p_o")),
        (CODE.replace("converged = true", "converged = false"), HEADER),
        (CODE + "\tp_o.next = p_x;\n", HEADER),
        (CODE, HEADER.replace("value<1> prev_p_clk", "value<1> prev_p_other")),
        (CODE, HEADER + "\tvalue<1> prev_p_other;\n"),
        (CODE, HEADER + "\tbool negedge_p_clk() const {\n"),
    ]:
        assert _ports(code, header) == []
