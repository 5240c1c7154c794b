# amaranth: UnusedElaboratable=no
"""Designs that compile in pieces: datapaths of their own, and words of memories in a file."""

import numpy as np
import pytest
from bitweir_hw.accelerator import accelerator_rtlil
from bitweir_hw.accelerator.literals import Contents
from bitweir_hw.lower import lower
from bitweir_hw.plan import Folding, Plan
from bitweir_hw.popcount import Popcount
from bitweir_sim.cache import cache_folder
from bitweir_sim.simulators import pieces
from bitweir_sim.simulators.compiled import compile_design, compiler_missing
from bitweir_sim.simulators.pieces import CannotSplitError, Memories, Pieces, _ports
from bitweir_sim.trace import SimulationError
from bitweir_sim.values.frames import pack
from bitweir_sim.verify import expected_trace
from support.samples import dense_network

pytestmark = pytest.mark.skipif(compiler_missing() is not None, reason=str(compiler_missing()))


def example(seed=1):
    network = dense_network(30, 12, 12, 12, 5, seed=seed)
    # Two datapaths are equal.
    foldings = (Folding(pe=4, simd=10), Folding(pe=3, simd=6), Folding(pe=3, simd=6), Folding(pe=1, simd=6))
    pipeline = lower(network, Plan(foldings=foldings, popcount=Popcount(style="fused")))
    return network, pipeline, accelerator_rtlil(pipeline, name="odd", taps=True)


def check_runs(network, pipeline, design):
    """The trace is that of the model, with long pauses, after which all begins to move again."""
    rng = np.random.default_rng(3)
    frames = rng.integers(0, 2, (8, 30))
    pauses = [None, rng.random(900) < 0.5, np.repeat(rng.random(30) < 0.5, 40)]
    for i_stalls, o_stalls in zip(pauses, pauses[::-1], strict=True):
        timed = {"i_stalls": i_stalls, "o_stalls": o_stalls}
        expected = expected_trace(network, pipeline, frames, drain=20, **timed)
        found = design.run(pack(frames, pipeline.input), expected=expected, drain=20, **timed)
        assert len(found.o) == 8 * pipeline.output.beats


def datapaths():
    return {path.parent.name: path.stat().st_mtime_ns for path in cache_folder().glob("datapath-*/leaf.o")}


@pytest.fixture
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("BITWEIR_CACHE_DIR", str(tmp_path / "cache"))
    # So that the small datapaths here are pieces, too.
    monkeypatch.setattr(pieces, "_LARGE", 40)


@pytest.mark.usefixtures("own_cache")
def test_pieces_are_the_design(monkeypatch):
    network, pipeline, text = example()
    taken = Pieces.of(text, "odd")
    elements = {f"odd__dense{n}__elements" for n in range(3)}
    assert elements <= taken.leaves.keys()
    assert taken.leaves["odd__dense1__elements"] == taken.leaves["odd__dense2__elements"]
    check_runs(network, pipeline, compile_design(text, top="odd", optimise=0, backend="cxxrtl"))
    first = datapaths()
    # The equal ones are one.
    assert len(first) == len(taken.leaves) - 1
    # Other weights, the same datapaths: none is compiled again.
    network, pipeline, text = example(seed=2)
    other = compile_design(text, top="odd", optimise=0, backend="cxxrtl")
    assert datapaths() == first
    check_runs(network, pipeline, other)


@pytest.mark.usefixtures("own_cache")
def test_a_design_that_does_not_suit_compiles_as_a_whole(monkeypatch):
    def refuse(self, header):
        raise CannotSplitError

    monkeypatch.setattr(pieces, "_LARGE", 1000)
    monkeypatch.setattr(Pieces, "check", refuse)
    network, pipeline, text = example(seed=3)
    whole = compile_design(text, top="odd", optimise=0, backend="cxxrtl")
    assert (whole.folder / pieces.MEMORIES).stat().st_size == 0
    check_runs(network, pipeline, whole)


@pytest.mark.usefixtures("own_cache")
def test_a_wrong_word_in_the_file_is_found(monkeypatch):
    # Without pieces, which compile for nothing here.
    monkeypatch.setattr(pieces, "_LARGE", 1000)
    network, pipeline, text = example()
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
