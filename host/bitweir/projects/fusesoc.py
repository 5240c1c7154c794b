"""A core file of FuseSoC (CAPI2): files, a target that lints, and one that simulates."""

from __future__ import annotations

from collections.abc import Iterable

from .bench import bench, can_be_benched
from .facts import Facts

__all__ = ["fusesoc"]


def _files(names: Iterable[str], kind: str, options: str = "") -> str:
    """A list of files."""
    return "".join(f"      - {name}{options}\n" for name in names) + f"    file_type: {kind}\n"


def fusesoc(facts: Facts) -> dict[str, str]:
    """``NAME.core``, and the bench that its target `sim` runs, where frames are all that the accelerator needs."""
    has_bench = can_be_benched(facts)
    filesets = "  rtl:\n    files:\n" + _files(facts.sources, "verilogSource")
    used = ["rtl"]
    if facts.memories:
        copied = [f"{name}: {{copyto: {name}}}" for name in facts.memories]
        filesets += "  memories:\n    files:\n" + _files(copied, "user")
        used.append("memories")
    if facts.models:
        filesets += "  models:\n    files:\n" + _files(facts.models, "verilogSource")
    simulated = [*used, *(["models"] if facts.models else [])]
    if has_bench:
        filesets += "  bench:\n    files:\n" + _files([f"{facts.name}_tb.v"], "verilogSource")
    targets = f"""  default:
    filesets: [{", ".join(used)}]
    toplevel: {facts.top}
  lint:
    filesets: [{", ".join(simulated)}]
    toplevel: {facts.top}
    default_tool: verilator
    tools:
      verilator:
        mode: lint-only
"""
    if has_bench:
        targets += f"""  sim:
    filesets: [{", ".join([*simulated, "bench"])}]
    toplevel: {facts.name}_tb
    default_tool: icarus
"""
    core = f"""CAPI=2:
name: bitweir:accelerators:{facts.name}:{facts.version}
description: Binary neural network accelerator {facts.name}
filesets:
{filesets}targets:
{targets}"""
    return {f"{facts.name}.core": core, **(bench(facts) if has_bench else {})}
