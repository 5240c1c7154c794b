"""Benches around blocks: their streams as free inputs, and what they show."""

from __future__ import annotations

from typing import Any

from amaranth.lib import stream, wiring
from bitweir_hw.blocks import BlockSpec, component_of
from bitweir_sim.formal import Bench
from bitweir_sim.formal.states import Handshakes

__all__ = ["Around"]


class Around:
    """A block, all of whose inputs may be anything.

    Attributes
    ----------
    bench : Bench
    inputs, outputs : dict of str to stream
        Those of the block; streamed weights are an input.

    Parameters
    ----------
    component : Component
    payloads : bool
        Whether payloads are shown; without them, there are gates for handshakes alone.
    """

    def __init__(self, component: wiring.Component, *, payloads: bool = True) -> None:
        self.bench = bench = Bench()
        bench.m.submodules.block = component
        self.inputs: dict[str, Any] = {}
        self.outputs: dict[str, Any] = {}
        for name, member in component.signature.members.items():
            port = getattr(component, name)
            if not isinstance(member.signature if member.is_signature else None, stream.Signature):
                self._free(name, port, member)
            elif member.flow == wiring.In:
                self.inputs[name] = port
                bench.m.d.comb += [
                    port.valid.eq(bench.free(1, f"{name}_valid")),
                    port.payload.eq(bench.free(len(port.payload), f"{name}_payload")),
                ]
                bench.show(f"{name}_ready", port.ready)
            else:
                self.outputs[name] = port
                bench.m.d.comb += port.ready.eq(bench.free(1, f"{name}_ready"))
                bench.show(f"{name}_valid", port.valid)
                if payloads:
                    bench.show(f"{name}_payload", port.payload)

    def _free(self, name: str, port: Any, member: wiring.Member) -> None:
        """Let inputs of another kind, such as the chain of bytes that loads memories, be anything."""
        if member.is_port:
            if member.flow == wiring.In:
                self.bench.m.d.comb += port.eq(self.bench.free(len(port), name))
            return
        for path, inner, signal in member.signature.flatten(port):
            if inner.flow == member.flow:
                continue
            self.bench.m.d.comb += signal.eq(self.bench.free(len(signal), "_".join((name, *map(str, path)))))

    @classmethod
    def of(cls, spec: BlockSpec, *, payloads: bool = True) -> Around:
        """Around the gateware of a specification."""
        return cls(component_of(spec), payloads=payloads)

    def handshakes(self) -> Handshakes:
        """The names of its handshakes."""
        inputs = [name for name in self.inputs if name != "weights"]
        word = ("weights_valid", "show_weights_ready") if "weights" in self.inputs else ()
        return Handshakes(
            offered=tuple(f"{name}_valid" for name in inputs),
            ready=tuple(f"show_{name}_ready" for name in inputs),
            valid=tuple(f"show_{name}_valid" for name in self.outputs),
            taken=tuple(f"{name}_ready" for name in self.outputs),
            word=word,
        )
