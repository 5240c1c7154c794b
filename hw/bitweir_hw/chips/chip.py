"""One chip of several: an accelerator with the ends of its channels. And all of them, as one component to simulate."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from amaranth.hdl import Cat, ClockSignal, Const, Instance, Module, ResetSignal, Value
from amaranth.lib import stream, wiring
from amaranth.lib.wiring import In, Out

from ..accelerator import accelerator_ports, inner_accelerator
from ..blocks.pipeline import Pipeline
from ..blocks.width.gateware import WidthConverter
from ..errors import PlanError
from ..gateware.values import elements
from .channel import CreditReceiver, CreditSender, Transport
from .joined import Joint

__all__ = ["Chip", "Chips", "chip_ports"]


def chip_ports(pipeline: Pipeline, entry: Joint | None, exit: Joint | None) -> dict[str, wiring.Member]:
    """The members of a `Chip`."""
    ports = accelerator_ports(pipeline)
    if "load" in ports:
        raise PlanError("Parameters of several chips must be constants: leave out --weights ram (in Python weights=).")
    if entry:
        del ports["i"]
        ports |= {"rx": In(stream.Signature(entry.channel.bits)), "rx_credit": Out(1)}
    if exit:
        del ports["o"]
        ports |= {"tx": Out(stream.Signature(exit.channel.bits)), "tx_credit": In(1)}
    return ports


class Chip(wiring.Component):
    """An accelerator, and the ends of the channels that feed it and that it feeds.

    | property   | formula                                                                                     |
    |------------|---------------------------------------------------------------------------------------------|
    | resources  | an `Accelerator`; the width converters, `CreditReceiver` and `CreditSender` of its channels |

    Parameters
    ----------
    pipeline : Pipeline
    entry, exit : Joint or None
        What stands before it and behind it; None where streams `i` and `o` are the accelerator's own.
    module : str, optional
        Name of the Verilog module elsewhere that is the accelerator; by default it is a part of this one.

    Members
    -------
    i, o : stream
        See `Accelerator`; without a channel there.
    rx, rx_credit : In(stream), Out(1)
        The channel before it: see `CreditReceiver`.
    tx, tx_credit : Out(stream), In(1)
        The channel behind it: see `CreditSender`.
    """

    def __init__(
        self, pipeline: Pipeline, *, entry: Joint | None = None, exit: Joint | None = None, module: str | None = None
    ) -> None:
        self.pipeline, self.entry, self.exit, self.module = pipeline, entry, exit, module
        super().__init__(chip_ports(pipeline, entry, exit))

    def elaborate(self, platform: object) -> Module:
        m = Module()
        ports: Any = self
        m.submodules.accelerator = accelerator = inner_accelerator(self.pipeline, self.module)
        source, result = wiring.flipped(ports.i) if self.entry is None else self._receive(m, self.entry), accelerator.o
        wiring.connect(m, source, accelerator.i)
        if self.exit is None:
            wiring.connect(m, result, wiring.flipped(ports.o))
        else:
            self._send(m, self.exit, result)
        return m

    def _receive(self, m: Module, joint: Joint) -> stream.Interface:
        ports: Any = self
        channel = joint.channel
        m.submodules.receiver = receiver = CreditReceiver(width=channel.bits, credits=channel.credits)
        wiring.connect(m, wiring.flipped(ports.rx), receiver.i)
        m.d.comb += ports.rx_credit.eq(receiver.credit)
        source = receiver.o
        for spec in joint.after:
            m.submodules[spec.name] = converter = WidthConverter(spec)
            wiring.connect(m, source, converter.i)
            source = converter.o
        return source

    def _send(self, m: Module, joint: Joint, result: stream.Interface) -> None:
        ports: Any = self
        channel = joint.channel
        m.submodules.sender = sender = CreditSender(width=channel.bits, credits=channel.credits)
        ends: list[Any] = [*(WidthConverter(spec) for spec in joint.before), sender]
        for spec, converter in zip(joint.before, ends, strict=False):
            m.submodules[spec.name] = converter
        # What marks the last beat, and the class, stay behind: beats of frames are counted.
        m.d.comb += [
            ends[0].i.valid.eq(result.valid),
            ends[0].i.payload.eq(_codes(self.pipeline, joint, result.payload)),
            result.ready.eq(ends[0].i.ready),
        ]
        for one, other in zip(ends, ends[1:], strict=False):
            wiring.connect(m, one.o, other.i)
        wiring.connect(m, sender.o, wiring.flipped(ports.tx))
        m.d.comb += sender.credit.eq(ports.tx_credit)


def _codes(pipeline: Pipeline, joint: Joint, payload: Value) -> Value:
    """The elements of a beat of results as the next chip takes them: see `network.cuts.cut_format`."""
    results, bits = pipeline.output, joint.element_bits
    taken: list[Value] = []
    for element in elements(payload[: results.bits], results.lane_bits):
        # In the same number of bits, whatever the sums on the way needed.
        if not results.signed:
            taken.append(Cat(element, Const(0, max(bits - len(element), 0)))[:bits])
            continue
        wide = Cat(element, element[-1].replicate(max(bits - len(element), 0)))
        taken.append(Cat(wide[: bits - 1], ~wide[bits - 1]))
    return Cat(*taken)


class _External(wiring.Component):
    """The ports of a `Chip`, and within them an instance of a module."""

    def __init__(self, ports: dict[str, wiring.Member], name: str) -> None:
        self.name = name
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        ports: dict[str, Any] = {"i_clk": ClockSignal(), "i_rst": ResetSignal()}
        for path, member, value in self.signature.flatten(self):
            ports[f"{'i' if member.flow is In else 'o'}_{'__'.join(map(str, path))}"] = value
        m.submodules.module = Instance(self.name, **ports)
        return m


class Chips(wiring.Component):
    """All chips, with what carries beats and credits between them: for simulation.

    Parameters
    ----------
    pipelines : sequence of Pipeline
    joints : sequence of Joint
        One between each two.
    modules : sequence of str, optional
        Names of the Verilog modules elsewhere that are the chips; by default they are parts of this one.
    taps : bool
        Whether to show what arrives at a chip over each channel on a port of its own.

    Members
    -------
    i, o : stream
        Of the first and of the last chip.
    tap_channelN : Out(payload, valid, ready)
        With `taps`: what arrives at chip N + 1.
    """

    i: stream.Interface
    o: stream.Interface

    def __init__(
        self,
        pipelines: Sequence[Pipeline],
        joints: Sequence[Joint],
        *,
        modules: Sequence[str] | None = None,
        taps: bool = False,
    ) -> None:
        self.pipelines, self.joints, self.modules, self.taps = tuple(pipelines), tuple(joints), modules, taps
        ports = {"i": accelerator_ports(pipelines[0])["i"], "o": accelerator_ports(pipelines[-1])["o"]}
        for one in joints if taps else ():
            shown = {"payload": Out(one.channel.bits), "valid": Out(1), "ready": Out(1)}
            ports[f"tap_{one.channel.name}"] = Out(wiring.Signature(shown))
        super().__init__(ports)

    def elaborate(self, platform: object) -> Module:
        m = Module()
        before: Any = None
        for number, pipeline in enumerate(self.pipelines):
            entry = self.joints[number - 1] if number else None
            exit = self.joints[number] if number < len(self.joints) else None
            chip: Any
            if self.modules:
                chip = _External(chip_ports(pipeline, entry, exit), self.modules[number])
            else:
                chip = Chip(pipeline, entry=entry, exit=exit)
            m.submodules[f"chip{number}"] = chip
            if entry is None:
                wiring.connect(m, wiring.flipped(self.i), chip.i)
            else:
                way = Transport(width=entry.channel.bits, latency=entry.channel.latency)
                m.submodules[entry.channel.name] = way
                wiring.connect(m, before.tx, way.i)
                wiring.connect(m, way.o, chip.rx)
                m.d.comb += [way.credit_i.eq(chip.rx_credit), before.tx_credit.eq(way.credit_o)]
                if self.taps:
                    tap = getattr(self, f"tap_{entry.channel.name}")
                    m.d.comb += [
                        getattr(tap, part).eq(getattr(chip.rx, part)) for part in ("payload", "valid", "ready")
                    ]
            before = chip
        wiring.connect(m, before.o, wiring.flipped(self.o))
        return m
