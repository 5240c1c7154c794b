"""Where the streams of a design are in a waveform, and under which titles viewers show them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from bitweir_hw.accelerator.self_loading import BOOT_STATES
from bitweir_hw.blocks.pipeline import Pipeline
from bitweir_hw.gateware.loading import LOADER_STATES
from bitweir_hw.network import Network

from .header import Header
from .texts import Beats, Words, formats

__all__ = ["Group", "Machine", "Probe", "Shown", "probes", "state_machines"]

_Ends = tuple[str, str]


@dataclass(frozen=True, kw_only=True)
class Probe:
    """A stream in a waveform.

    Parameters
    ----------
    name : str
        Begins the names of its decoded signals.
    title : str
        Which blocks it connects.
    valid, ready, payload : str
        Paths of its signals; `ready` is empty where every beat is taken.
    texts : Beats or Words
    """

    name: str
    title: str
    valid: str
    ready: str
    payload: str
    texts: Beats | Words

    @property
    def decoded(self) -> tuple[str, ...]:
        """Names of its decoded signals."""
        kinds = ("state", "beat", "values") if isinstance(self.texts, Beats) else ("state", "beat")
        return tuple(f"{self.name}_{kind}" for kind in kinds)

    @property
    def signals(self) -> tuple[str, ...]:
        """Paths of its own signals that there are."""
        return tuple(path for path in (self.valid, self.ready, self.payload) if path)


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A state machine in a waveform: the path of its state, and the names of the states, from 0 on."""

    name: str
    path: str
    states: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A signal that a viewer shows: its path, and ``"bit"``, ``"bits"``, ``"number"`` or ``"text"``."""

    path: str
    kind: str
    width: int = 1


@dataclass(frozen=True, kw_only=True)
class Group:
    """Signals below a title."""

    title: str
    signals: tuple[Shown, ...]


def probes(header: Header, network: Network, pipeline: Pipeline, top: str, first: int) -> list[Probe]:
    """The streams that a waveform has, in the order of the pipeline, and streams of weights behind them.

    Parameters
    ----------
    header : Header
        Of the waveform.
    network : Network
    pipeline : Pipeline
        Of that network.
    top : str
        The path of the design.
    first : int
        What the first frame is called.
    """
    known, sides = formats(network), _sides(pipeline)
    always_taken = [link.stream for link in pipeline.links]
    found = []
    for stream in pipeline.shown:
        (sender, port), receiver = sides[stream.name]
        title = f"{sender or 'input'} to {receiver or 'result'}"
        texts = Beats.of(stream, pipeline, known, first)
        # What leaves the last block leaves the design, where some simulators show it half a cycle later.
        places = [f"{header.scope(sender)}.{port}"] if sender else []
        places += [] if sender and receiver else [f"{top}.{stream.name}"]
        tried = (_probe(header, stream.name, at, texts, title, taken=stream in always_taken) for at in places)
        found.append(next(filter(None, tried), None))
    for weights in pipeline.weight_streams:
        name, place = f"weights_{weights.block}", f"{top}.{weights.port}"
        found.append(_probe(header, name, place, Words(stream=weights), f"weights of {weights.block}"))
    return [probe for probe in found if probe]


def _sides(pipeline: Pipeline) -> dict[str, tuple[_Ends, str]]:
    """Block and port that each stream leaves, and the block that takes it; no block at the ends of the pipeline."""
    senders: dict[str, _Ends] = {pipeline.input.name: ("", "i")}
    receivers: dict[str, str] = {pipeline.output.name: ""}
    for node in pipeline.nodes:
        for number, output in enumerate(node.outputs):
            port = "o" if len(node.outputs) == 1 else f"o{number}"
            senders[pipeline.streams[output].name] = (node.blocks[-1].name, port)
        receivers |= {pipeline.streams[number].name: node.blocks[0].name for number in node.inputs}
    for link in pipeline.links:
        senders[link.stream.name], receivers[link.stream.name] = (link.sender.name, "o"), link.receiver.name
    return {name: (senders[name], receivers[name]) for name in senders}


def _probe(
    header: Header, name: str, port: str, texts: Beats | Words, title: str, *, taken: bool = False
) -> Probe | None:
    """The probe of a stream; None where the waveform does not have it."""
    paths = {part: f"{port}__{part}" for part in ("valid", "ready", "payload")}
    if taken:
        paths["ready"] = ""
    if any(path and path not in header.variables for path in paths.values()):
        return None
    return Probe(name=name.replace(".", "_"), title=title, texts=texts, **paths)


def state_machines(header: Header, top: str) -> Iterator[Machine]:
    """The state machines that a waveform has, of parameters that are loaded."""
    known: Mapping[str, tuple[str, ...]] = {"boot": BOOT_STATES, "loader": LOADER_STATES}
    for name, states in known.items():
        scope = top if name == "boot" else header.scope(name)
        if f"{scope}.fsm_state" in header.variables:
            yield Machine(name=name, path=f"{scope}.fsm_state", states=states)
