"""An accelerator as RTLIL and as portable Verilog."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from amaranth.lib import wiring

from ..blocks.pipeline import Pipeline
from ..tools.rtlil import convert
from ..tools.yosys import run_yosys
from .accelerator import Accelerator
from .literals import put_contents, take_contents

__all__ = ["accelerator_rtlil", "component_rtlil", "rtlil_to_verilog"]


def accelerator_rtlil(pipeline: Pipeline, *, name: str, taps: bool = False) -> str:
    """An accelerator in Yosys' intermediate language; the same input gives the same text.

    Parameters
    ----------
    pipeline : Pipeline
        As `lower.lower` makes it.
    name : str
        Of the top module; other modules are called ``NAME__BLOCK__PART``.
    taps : bool
        See `accelerator.accelerator.Accelerator`.
    """
    return component_rtlil(Accelerator(pipeline, taps=taps), name=name)


def component_rtlil(component: wiring.Component, *, name: str) -> str:
    """A component in Yosys' intermediate language, its inner modules called ``NAME__PART``."""
    text = convert(component, name=name)
    # Amaranth puts dots between the parts of a module's name, which Verilog would have to escape.
    return re.sub(
        rf"^(module|  cell) (\\{name}\.\S+)",
        lambda match: f"{match[1]} {match[2].replace('.', '__')}",
        text,
        flags=re.MULTILINE,
    )


def rtlil_to_verilog(text: str) -> str:
    """Verilog of a design in RTLIL, hierarchy and memories kept.

    Wide multiplexers become trees: as functions, which is how Yosys writes them, Icarus does not take them.
    Yosys never sees what memories begin with: see `contents`.
    """
    emptied, contents = take_contents(text)
    with tempfile.TemporaryDirectory(prefix="bitweir-") as folder:
        (Path(folder) / "design.il").write_text(emptied)
        run_yosys(
            """
            read_rtlil design.il
            proc
            pmuxtree
            opt_clean
            memory_collect
            setattr -mod -unset generator
            write_verilog -norename design.v
            """,
            Path(folder),
        )
        return put_contents((Path(folder) / "design.v").read_text(), contents)
