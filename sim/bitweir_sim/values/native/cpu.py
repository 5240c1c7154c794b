"""Instruction sets of CPUs that there are kernels for, and which of them this machine has."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bitweir_hw.errors import ToolError

__all__ = ["INSTRUCTION_SETS", "InstructionSet", "chosen", "runnable"]


@dataclass(frozen=True, kw_only=True)
class InstructionSet:
    """Instructions that a library is compiled for.

    Parameters
    ----------
    name : str
    flags : tuple of str
        Of the compiler. They name each extension, in place of what the compiling machine has (``-march=native``), so
        that a library runs wherever `needs` are there, also from a cache that machines share.
    needs : frozenset of str
        What the system must say that the CPU has, in the words of Linux.
    """

    name: str
    flags: tuple[str, ...]
    needs: frozenset[str]


#: The best first.
INSTRUCTION_SETS = (
    InstructionSet(
        name="avx512",
        flags=(
            "-DBITWEIR_AVX512", "-mavx2", "-mbmi2", "-mavx512f", "-mavx512bw", "-mavx512dq", "-mavx512vl",
            "-mavx512vpopcntdq", "-mavx512vnni",
        ),
        needs=frozenset(
            {"avx2", "bmi2", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512_vpopcntdq", "avx512_vnni"}
        ),
    ),
    InstructionSet(name="avx2", flags=("-DBITWEIR_AVX2", "-mavx2"), needs=frozenset({"avx2"})),
    InstructionSet(name="neon", flags=("-DBITWEIR_NEON",), needs=frozenset({"asimd"})),
    InstructionSet(name="portable", flags=(), needs=frozenset()),
)  # fmt: skip


@cache
def _features() -> frozenset[str]:
    """Extensions of the CPU, as far as the system says them."""
    if platform.machine().lower() in ("aarch64", "arm64"):
        return frozenset({"asimd"})  # a part of each AArch64 for applications
    try:
        lines = Path("/proc/cpuinfo").read_text(errors="replace").splitlines()
    except OSError:
        return frozenset()
    # A list for each core; a library must run on all of them.
    cores = [frozenset(line.partition(":")[2].split()) for line in lines if line.partition(":")[0].strip() == "flags"]
    return frozenset.intersection(*cores) if cores else frozenset()


def runnable() -> list[InstructionSet]:
    """The sets that this machine has, the best first."""
    return [one for one in INSTRUCTION_SETS if one.needs <= _features()]


def chosen() -> InstructionSet:
    """The set of BITWEIR_NATIVE, or the best that this machine has.

    Raises
    ------
    ToolError
        BITWEIR_NATIVE names none that this machine has.
    """
    sets = {one.name: one for one in runnable()}
    name = os.environ.get("BITWEIR_NATIVE") or next(iter(sets))
    if name not in sets:
        raise ToolError(f"BITWEIR_NATIVE must be one of {', '.join(sets)} on this machine, not {name!r}.")
    return sets[name]
