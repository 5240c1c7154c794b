"""Options of the wrapper with AXI ports."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click
from bitweir_hw.axi import AxiPorts

__all__ = ["AXI_OPTIONS", "axi_options"]

#: The names of the options beside ``axi`` itself, and the fields of `AxiPorts` that they are.
AXI_OPTIONS = {
    "axi_result": "result_bytes",
    "axi_load": "load_bytes",
    "axi_class": "class_only",
    "axi_lite": "lite",
    "axi_crc": "checksums",
    "axi_memory": "memory_bytes",
}


def axi_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of the wrapper to a command, and give it ``axi``: `AxiPorts`, or None."""

    @click.option(
        "--axi",
        type=int,
        metavar="BYTES",
        help="Add a wrapper with AXI4-Stream ports that are this many bytes wide: 1, 2, 4, ... 64.",
    )
    @click.option(
        "--axi-result",
        type=int,
        metavar="BYTES",
        help="Width of the wrapper's stream of results.  [default: that of --axi]",
    )
    @click.option(
        "--axi-load",
        type=int,
        metavar="BYTES",
        help="Width of the wrapper's stream of parameters, with --weights ram.  [default: that of --axi]",
    )
    @click.option("--axi-class", is_flag=True, help="Let the wrapper send the class alone, without the scores.")
    @click.option(
        "--axi-lite",
        is_flag=True,
        help="Give the wrapper registers at an AXI4-Lite port, and an interrupt: counts, errors, reset, parameters.",
    )
    @click.option(
        "--axi-crc",
        is_flag=True,
        help="Let the wrapper compute the CRC-32 of all frames and of all results.",
    )
    @click.option(
        "--axi-memory",
        type=int,
        metavar="BYTES",
        help="Bytes of data of the wrapper's AXI4 port over which streamed weights come: 4, 8, ... 64.  [default: 16]",
    )
    @functools.wraps(command)
    def with_ports(*args: Any, axi: int | None, **options: Any) -> None:
        given = {field: options.pop(name) for name, field in AXI_OPTIONS.items()}
        if axi is None:
            for name, field in AXI_OPTIONS.items():
                if given[field]:
                    raise click.UsageError(f"--{name.replace('_', '-')} needs --axi.")
        ports = None if axi is None else AxiPorts(frame_bytes=axi, **given)
        command(*args, axi=ports, **options)

    return with_ports
