"""What files for tools are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bitweir_hw.accelerator.comments import Port
from bitweir_hw.blocks.pipeline import Pipeline
from bitweir_hw.network import Network

__all__ = ["Facts"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Facts:
    """A build folder, as far as other tools need to know it.

    Parameters
    ----------
    network : Network
    pipeline : Pipeline
    version : str
        Of bitweir.
    top : str
        The module to instantiate: the wrapper with AXI ports, if there is one.
    ports : sequence of Port
        Of that module.
    sources, models : sequence of str
        Verilog files, and those with models of cells, for simulators alone.
    memories : sequence of str
        Files that memories begin with.
    clock : float
        Hz.
    """

    network: Network
    pipeline: Pipeline
    version: str
    top: str
    ports: Sequence[Port]
    sources: Sequence[str]
    models: Sequence[str]
    memories: Sequence[str]
    clock: float

    @property
    def name(self) -> str:
        """The name of the network."""
        return self.network.name

    @property
    def clock_port(self) -> str:
        """The name of the clock."""
        return "aclk" if any(port.name == "aclk" for port in self.ports) else "clk"

    @property
    def period(self) -> str:
        """Of the clock, in nanoseconds, rounded down to picoseconds: what meets it is fast enough."""
        return f"{int(1e12 / self.clock) / 1000:.3f}"
