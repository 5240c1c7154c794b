"""Which engine computes a network, and what is said where it cannot."""

from __future__ import annotations

import numpy as np
import pytest
from bitweir_hw.errors import FileError, NetworkError, ToolError
from bitweir_hw.network import BIPOLAR, Dense, Network
from bitweir_sim.compiler import compiler_missing
from bitweir_sim.values import engines, native
from bitweir_sim.values.fast import FastModel
from bitweir_sim.values.native import NativeModel
from support.wide_networks import network_of

needs_compiler = pytest.mark.skipif(compiler_missing() is not None, reason=str(compiler_missing()))


@pytest.fixture
def network() -> Network:
    return network_of(BIPOLAR, Dense(name="last", weights=np.array([[True, True, False], [False, True, False]])))


@pytest.fixture
def empty_cache(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BITWEIR_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr("bitweir_sim.values.native.library._loaded", {})
    monkeypatch.setattr("bitweir_sim.values.engines._broken", set())


@needs_compiler
@pytest.mark.parametrize("asked", ["native", "numpy", None])
def test_all_engines_give_the_same(network: Network, asked: str | None) -> None:
    found = engines.run(network, [[1, 0, 1], [0, 0, 0]], asked=asked, threads=1)
    assert found.scores.tolist() == [[-1, -3], [-1, 1]]
    assert found.classes is not None
    assert found.classes.tolist() == [0, 1]


@needs_compiler
def test_what_is_compiled_is_used_for_all(network: Network) -> None:
    assert type(engines.engine(network, 1, "numpy")) is FastModel
    assert type(engines.engine(network, 1, "native")) is NativeModel
    assert type(engines.engine(network, 1)) is (FastModel if native.chosen().name == "portable" else NativeModel)


@needs_compiler
def test_portable_kernels_are_used_where_they_are_asked_for(network: Network, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BITWEIR_NATIVE", "portable")
    assert type(engines.engine(network, 1, "native")) is NativeModel
    assert type(engines.engine(network, 1 << 60)) is FastModel


def test_kernels_are_compiled_for_large_work_alone(
    network: Network, empty_cache: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepared = []
    monkeypatch.setattr("bitweir_sim.values.native.prepare", lambda network: prepared.append(network))
    monkeypatch.setattr("bitweir_sim.values.engines.compiler_missing", lambda: None)
    monkeypatch.setattr("bitweir_sim.values.native.chosen", lambda: native.INSTRUCTION_SETS[0])
    assert engines.multiplications(network) == 6
    frames = -(-int(engines.WORTH_COMPILING) // 6)
    assert type(engines.engine(network, frames - 1)) is FastModel
    assert prepared == []
    engines.engine(network, frames)
    assert prepared == [network]
    monkeypatch.setattr("bitweir_sim.values.engines.compiler_missing", lambda: "none")
    assert type(engines.engine(network, frames)) is FastModel


@pytest.mark.parametrize("error", [ToolError, FileError, NetworkError])
def test_numpy_computes_where_kernels_fail_that_nobody_asked_for(
    network: Network, empty_cache: None, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def fails(network: Network) -> None:
        raise error("No.")

    monkeypatch.setattr("bitweir_sim.values.native.prepare", fails)
    monkeypatch.setattr("bitweir_sim.values.native.compiled_before", lambda instructions: True)
    assert type(engines.engine(network, 1)) is FastModel
    with pytest.raises(error):
        engines.engine(network, 1, "native")


def test_without_a_compiler(network: Network, empty_cache: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "none")
    assert type(engines.engine(network, 1 << 60)) is FastModel
    with pytest.raises(ToolError) as caught:
        engines.engine(network, 1, "native")
    assert str(caught.value) == (
        "The native engine needs a C++ compiler, and none was not found: install g++ (Debian, Ubuntu: apt install "
        "g++), or name another compiler in CXX; the engine numpy needs none."
    )


def test_an_engine_that_is_none(network: Network) -> None:
    with pytest.raises(NetworkError) as caught:
        engines.engine(network, 1, "cuda")
    assert str(caught.value) == "The engine must be one of native, numpy, not 'cuda'."


def test_a_library_is_for_instructions_that_the_machine_has() -> None:
    names = [one.name for one in native.runnable()]
    assert names[-1] == "portable"
    assert not {"avx2", "neon"} <= set(names)
