"""An accelerator as RTLIL and as portable Verilog."""

from __future__ import annotations

import re
import tempfile
from contextlib import nullcontext
from pathlib import Path

from amaranth.lib import wiring

from ..blocks.pipeline import Pipeline
from ..tools.names import tuple_names
from ..tools.rtlil import convert
from ..tools.yosys import run_yosys
from .accelerator import Accelerator
from .comments import Comments, put_comments
from .literals import put_contents, take_contents
from .rtlil_text import readable

__all__ = ["accelerator_rtlil", "component_rtlil", "rtlil_to_verilog"]


def accelerator_rtlil(pipeline: Pipeline, *, name: str, taps: bool = False, named: bool = False) -> str:
    """An accelerator in Yosys' intermediate language; the same input gives the same text.

    Parameters
    ----------
    pipeline : Pipeline
        As `lower.lower` makes it.
    name : str
        Of the top module; other modules are called ``NAME__BLOCK__PART``.
    taps : bool
        See `accelerator.accelerator.Accelerator`.
    named : bool
        See `component_rtlil`.
    """
    return component_rtlil(Accelerator(pipeline, taps=taps), name=name, named=named)


def component_rtlil(component: wiring.Component, *, name: str, named: bool = False) -> str:
    """A component in Yosys' intermediate language, its inner modules called ``NAME__PART``.

    With `named`, signals that are assigned several at once have names, too, for people who read it. Placers see other
    names then, and what they make is another one: bitstreams are made without.
    """
    with tuple_names() if named else nullcontext():
        text = convert(component, name=name)
    # Amaranth puts dots between the parts of a module's name, which Verilog would have to escape.
    return re.sub(
        rf"^(module|  cell) (\\{name}\.\S+)",
        lambda match: f"{match[1]} {match[2].replace('.', '__')}",
        text,
        flags=re.MULTILINE,
    )


def rtlil_to_verilog(text: str, comments: Comments | None = None, files: dict[str, str] | None = None) -> str:
    """Verilog of a design in RTLIL, hierarchy and memories kept.

    Wide multiplexers become trees: as functions, which is how Yosys writes them, Icarus does not take them.
    Yosys never sees what memories begin with: see `literals`. Names, the order of ports and the widths of operands are
    those of `rtlil_text.readable`; nothing is optimised that would give operands other widths again.

    Parameters
    ----------
    text : str
        As `accelerator_rtlil` makes it.
    comments : Comments, optional
        What stands beside modules and ports.
    files : dict, optional
        Takes a file, by its name, for each memory that begins with anything but zeros, which the Verilog reads with
        $readmemh. Without it, all is in the Verilog.
    """
    emptied, contents = take_contents(readable(text))
    with tempfile.TemporaryDirectory(prefix="bitweir-") as folder:
        (Path(folder) / "design.il").write_text(emptied)
        run_yosys(
            """
            read_rtlil design.il
            proc -noopt
            pmuxtree
            opt_clean -purge
            memory_collect
            setattr -mod -unset generator
            write_verilog design.v
            """,
            Path(folder),
        )
        verilog = put_contents((Path(folder) / "design.v").read_text(), contents, files)
    return put_comments(verilog, comments) if comments else verilog
