"""How a design becomes a shared library: through CXXRTL or through Verilator."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from bitweir_hw.errors import ToolError
from bitweir_hw.tools import run_yosys

from ..cache import cached, content_key
from ..compiler import compile_with, run_tool
from .cxxrtl import adapt, compiler_options
from .direct.build import Direct, direct, top_code
from .direct.build import objects as direct_objects
from .direct.cells import with_cells
from .direct.rtlil import UnknownError
from .harness import Harness, Ports
from .pieces import MEMORIES, CannotSplitError, Leaf, Memories, Pieces, objects, runtime, shell_commands
from .verilator import verilator_environment, verilator_root

__all__ = ["BACKENDS", "UNITS"]

#: The names of the units that count, in the folder of the library; that of what is around them is empty.
UNITS = "units.json"

# The top module becomes a C++ class, where no signal may have the same name.
_TOP = "bitweir_top"
_HERE = Path(__file__).parent


def _read(names: Sequence[str], top: str, before: str = "") -> str:
    """Yosys commands that read a design and make one module of it; those `before` come while there are several."""
    read = [f"read_{'verilog' if name.endswith('.v') else 'rtlil'} {name}" for name in names]
    return "\n".join([*read, f"hierarchy -top {top}", "proc", f"{before}flatten", f"rename {top} {_TOP}", ""])


def _glue(top_class: str, shim: str, harness: Harness, ports: Ports, before: Sequence[str] = ()) -> str:
    """The file `design.h` that the harness includes."""
    resets = [ports.set_bit.format(f"top.{ports.member(name)}") for name in ("rst", "link_rst") if name in ports.widths]
    link_clock = ports.member("link_clk")
    clocks = [f"#define LINK_CLOCK {link_clock}", f"#define PREV_LINK_CLOCK prev_{link_clock}"]
    return "\n".join(
        [
            f"#define TOP {top_class}",
            *(clocks if harness.link_clock else []),
            f"static inline void set_reset(TOP &top, bool on) {{ {'; '.join(resets) or '(void)top, (void)on'}; }}",
            *before,
            f'#include "{shim}"',
            *harness.glue(ports),
            "",
        ]
    )


def _check_ports(ports: dict[str, int], top: str, harness: Harness) -> None:
    if missing := [name for name in (*harness.clocks, *harness.needed) if name not in ports]:
        clocks = "clocks clk and link_clk" if harness.link_clock else "a clock"
        raise ToolError(f"Module {top} must have {harness.told} and {clocks}, but has no port {missing[0]}.")


def build_cxxrtl(
    folder: Path,
    names: Sequence[str],
    *,
    top: str,
    flags: Sequence[str],
    compiler: Sequence[str],
    waves: bool,
    harness: Harness,
) -> None:
    """Build ``design.so`` and ``ports.json`` from the files `names` in `folder`."""
    settings: dict[str, Any] = {"top": top, "flags": flags, "compiler": compiler, "harness": harness}
    # Waveforms show what is in all pieces; and a second clock would have to reach them.
    if names[0].endswith(".il") and not waves and not harness.link_clock:
        design = folder / names[0]
        whole = design.read_text()
        pieces = Pieces.of(whole, top)
        try:
            leaves = objects(pieces, [folder / name for name in names[1:]], flags=flags, compiler=compiler)
            design.write_text(pieces.text)
            _build_cxxrtl(folder, names, **settings, pieces=(pieces, leaves))
            return
        except CannotSplitError:
            design.write_text(whole)
    _build_cxxrtl(folder, names, **settings, waves=waves)


def _build_cxxrtl(
    folder: Path,
    names: Sequence[str],
    *,
    top: str,
    flags: Sequence[str],
    compiler: Sequence[str],
    harness: Harness,
    waves: bool = False,
    pieces: tuple[Pieces, dict[str, Leaf]] | None = None,
) -> None:
    """The same of the design as a whole, or of what is around its datapaths, with these.

    Raises
    ------
    CannotSplitError
        What is around them has not all memories, or needs more than one evaluation a cycle.
    """
    level = "-g4" if waves else "-g0"
    boxes = shell_commands(list(pieces[1])) if pieces else ""
    # A wire with several drivers would look like feedback, which takes several evaluations to settle.
    tidy = "" if waves else "opt\nsplitnets -driver\nclean\n"
    run_yosys(f"{_read(names, top, boxes)}{tidy}write_cxxrtl {level} -header design.cc\n", folder)
    header = (folder / "design.h").read_text()
    (folder / "design.h").rename(folder / "cxxrtl_design.h")
    code = (folder / "design.cc").read_text().replace('#include "design.h"', '#include "cxxrtl_design.h"')
    # So eval() begins where wires feed themselves, or have a next value like registers.
    feedback = "bool converged = false;" in code
    if pieces:
        pieces[0].check(header)
        if feedback and pieces[1]:
            raise CannotSplitError("the design has feedback")
    code = adapt(code, header)
    (folder / "design.cc").write_text(code)
    found = re.findall(r"/\*(?:in|out)put\*/ (?:value|wire)<(\d+)> p_(\w+);", header)
    ports = {name.replace("__", "_"): int(bits) for bits, name in found}
    _check_ports(ports, top, harness)
    memories = pieces[0].memories if pieces else Memories({}, b"")
    glue = _glue(
        f"cxxrtl_design::p_{_TOP.replace('_', '__')}",
        "shim_cxxrtl.h",
        harness,
        Ports(ports, lambda name: "p_" + name.replace("_", "__"), "{}.set(on)"),
        memories.glue(),
    )
    leaves = pieces[1] if pieces else {}
    boxed = "".join(leaf.box(name) for name, leaf in leaves.items())
    (folder / "design.h").write_text(
        f'#include <cxxrtl/cxxrtl.h>\n#include <cstring>\n#include <memory>\n{boxed}#include "design.cc"\n{glue}'
    )
    # Without CXXRTL_NDEBUG an address out of range would end the Python process.
    options = ["-std=c++17", "-shared", "-fPIC", *flags, *(["-DFEEDBACK"] if feedback else []), "-DCXXRTL_NDEBUG"]
    options += [*compiler_options(code, flags), "-I.", f"-I{_HERE}", f"-I{runtime()}"]
    parts = dict.fromkeys(leaf.folder / "leaf.o" for leaf in leaves.values())
    compile_with([*compiler, *options, "-o", "design.so", _HERE / harness.source, *parts], folder, "compiler.log")
    (folder / MEMORIES).write_bytes(memories.data)
    (folder / "ports.json").write_text(json.dumps(ports))


def build_direct(
    folder: Path,
    names: Sequence[str],
    *,
    top: str,
    flags: Sequence[str],
    compiler: Sequence[str],
    waves: bool,
    harness: Harness,
) -> None:
    """Build ``design.so`` and ``ports.json``; through CXXRTL what cannot be translated directly."""
    # Waveforms show what is in all units; a second clock would have to reach them; and Verilog is for Yosys.
    able = sys.byteorder == "little" and len(names) == 1 and names[0].endswith(".il")
    if able and not waves and not harness.link_clock:
        try:
            design = direct((folder / names[0]).read_text(), top)
        except UnknownError as error:
            (folder / "direct.log").write_text(f"{error}\n")
        else:
            _build_direct(folder, design, top=top, flags=flags, compiler=compiler, harness=harness)
            return
    build_cxxrtl(folder, names, top=top, flags=flags, compiler=compiler, waves=waves, harness=harness)


def build_toggles(
    folder: Path,
    names: Sequence[str],
    *,
    top: str,
    flags: Sequence[str],
    compiler: Sequence[str],
    waves: bool,
    harness: Harness,
) -> None:
    """As `build_direct`, with each block as a unit that counts the bits of registers that change.

    Raises
    ------
    ToolError
        The design cannot be translated directly.
    """
    try:
        if waves or not names[0].endswith(".il") or sys.byteorder != "little":
            raise UnknownError("waveforms, or is in Verilog, or the lowest byte does not come first here")
        text = with_cells((folder / names[0]).read_text(), [folder / name for name in names[1:]], folder)
        # What is around the units is one, too.
        design = direct(text, top, large=1)
    except UnknownError as error:
        raise ToolError(f"Toggles cannot be counted, as the design has {error}.") from error
    settings: dict[str, Any] = {"top": top, "flags": [*flags, "-DTOGGLES"], "compiler": compiler, "harness": harness}
    _build_direct(folder, design, **settings, toggles=True)
    (folder / UNITS).write_text(json.dumps([unit.path.removesuffix(".") for unit in design.units]))


def _build_direct(
    folder: Path,
    design: Direct,
    *,
    top: str,
    flags: Sequence[str],
    compiler: Sequence[str],
    harness: Harness,
    toggles: bool = False,
) -> None:
    places = {name: place for side in design.ports() for name, place in side.items() if name.startswith("\\")}
    ports = {name[1:]: width for name, (width, _) in places.items()}
    _check_ports(ports, top, harness)
    data, words = design.words()
    access = Ports(ports, lambda name: f"p_{name}", "{}.set(on)")
    glue = _glue("Top", "shim_direct.h", harness, access)
    (folder / "design.h").write_text(f"{top_code(design, words, toggles=toggles)}\n{glue}")
    parts = direct_objects(design.units, flags=flags, compiler=compiler)
    options = ["-std=c++17", "-shared", "-fPIC", *flags, "-I.", f"-I{_HERE}"]
    compile_with([*compiler, *options, "-o", "design.so", _HERE / harness.source, *parts], folder, "compiler.log")
    (folder / MEMORIES).write_bytes(data)
    (folder / "ports.json").write_text(json.dumps(ports))


def build_verilator(
    folder: Path,
    names: Sequence[str],
    *,
    top: str,
    flags: Sequence[str],
    compiler: Sequence[str],
    waves: bool,
    harness: Harness,
) -> None:
    """Build ``design.so`` and ``ports.json`` from the files `names` in `folder`."""
    run_yosys(f"{_read(names, top)}write_verilog -norename flat.v\n", folder)
    root, environment = verilator_root(), verilator_environment()
    command = ["verilator", "--cc", "-O3", "--x-assign", "fast", "--x-initial", "fast", "--no-assert", "-Wno-fatal"]
    command += ["-Wno-lint", "--Mdir", ".", "--prefix", "Vtop", "--top-module", _TOP, *(["--trace"] if waves else [])]
    done = run_tool([*command, "flat.v"], folder, environment)
    if done.returncode:
        raise ToolError(f"Verilator failed: {(done.stdout + done.stderr).strip().splitlines()[0]}")
    found = re.findall(r"VL_(?:IN|OUT)\w*\(&(\w+),(\d+),(\d+)", (folder / "Vtop.h").read_text())
    ports = {name.replace("___05F", "__"): int(high) - int(low) + 1 for name, high, low in found}
    _check_ports(ports, top, harness)
    access = Ports(ports, lambda name: name.replace("__", "___05F"), "{} = on")
    glue = _glue("Vtop", "shim_verilator.h", harness, access)
    (folder / "design.h").write_text('#include "Vtop.h"\n' + glue)
    defines = [f"-DVM_TRACE={int(waves)}", f"-DVM_TRACE_VCD={int(waves)}", "-DVL_TIME_CONTEXT", "-DVERILATOR=1"]
    includes = ["-I.", f"-I{_HERE}", f"-I{root / 'include'}", f"-I{root / 'include/vltstd'}"]
    common: list[str | Path] = [*compiler, "-std=c++17", "-fPIC", "-w", "-pthread", *defines, *includes]
    library = _verilator_library(root, [*common, *flags], waves)
    # What runs once is not worth optimising.
    units: list[tuple[Path, Sequence[str]]] = [(_HERE / harness.source, flags)]
    for path in folder.glob("V*.cpp"):
        units.append((path, ["-O0"] if "Slow" in path.name or "Syms" in path.name else flags))
    trace = ["-DWAVES"] if waves else []
    with ThreadPoolExecutor(2) as pool:
        list(
            pool.map(
                lambda unit: compile_with(
                    [*common, *trace, *unit[1], "-c", unit[0], "-o", f"{unit[0].stem}.o"], folder, f"{unit[0].stem}.log"
                ),
                units,
            )
        )
    objects = [f"{path.stem}.o" for path, _ in units]
    compile_with([*common, "-shared", "-o", "design.so", *objects, *library.glob("*.o")], folder, "link.log")
    (folder / "ports.json").write_text(json.dumps(ports))


def _verilator_library(root: Path, common: Sequence[str | Path], waves: bool) -> Path:
    """Folder of Verilator's own objects, compiled once."""
    names = ["verilated", "verilated_threads", *(["verilated_vcd_c"] if waves else [])]
    sources = [root / "include" / f"{name}.cpp" for name in names]
    key = content_key("verilated", *map(str, common), *(source.read_bytes() for source in sources))

    def build(folder: Path) -> None:
        for source in sources:
            compile_with([*common, "-c", source, "-o", f"{source.stem}.o"], folder, f"{source.stem}.log")

    return cached(key, build)


#: How each backend builds.
BACKENDS = {
    "direct": build_direct,
    "toggles": build_toggles,
    "cxxrtl": build_cxxrtl,
    "verilator": build_verilator,
}
