"""A waveform on its way from a simulator to the file that somebody asked for."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bitweir_hw.blocks.pipeline import Pipeline
from bitweir_hw.errors import FileError, ToolError
from bitweir_hw.network import Network
from bitweir_sim.trace import SimulationError

from ...folders import added_file, streamed_file
from .decoding import CYCLE, Decoder, decoded_scope
from .fst import fst_missing, vcd_to_fst
from .header import Header
from .probes import Group, Machine, Probe, Shown, probes, state_machines
from .views import commands, is_ours, save_file

__all__ = ["Recorder", "check_waves"]

_ENDINGS = (".vcd", ".fst")


def check_waves(path: Path | None) -> None:
    """Refuse a place at which no waveform can be written, before anything takes time; None is no waveform.

    Raises
    ------
    FileError
        The ending of the name is none of a waveform, or nothing can be written there.
    ToolError
        Something is missing that writes such files.
    """
    if path is None:
        return
    if path.suffix not in _ENDINGS:
        raise FileError(f"Waveforms are written as {' or '.join(_ENDINGS)}, not {path.name!r}.")
    if path.suffix == ".fst" and (missing := fst_missing()):
        raise ToolError(missing)
    with streamed_file(path):
        pass


@dataclass(frozen=True, kw_only=True)
class Recorder:
    """Makes waveforms of a run of what a simulator writes.

    Parameters
    ----------
    network : Network
    pipeline : Pipeline
        Of that network.
    first : int
        What the first frame of the run is called.
    """

    network: Network
    pipeline: Pipeline
    first: int = 0

    @contextmanager
    def recording(self, path: Path | None) -> Iterator[Path | None]:
        """The place of a VCD file for a simulator, which becomes the waveform at `path` when the block ends.

        That also holds for a block that ends in a `SimulationError`, as the waveform may tell why. Beside it come
        files that open it in GTKWave and in Surfer, unless somebody has saved a view there.

        Parameters
        ----------
        path : Path or None
            As `check_waves` takes it; None where no waveform is wanted, which gives None.

        Raises
        ------
        FileError
            The waveform cannot be written.
        """
        if path is None:
            yield None
            return
        with streamed_file(path) as file:
            beside = file.parent if file.is_file() else None
            with tempfile.TemporaryDirectory(prefix=f".{path.stem[:40]}.", suffix=".part", dir=beside) as folder:
                raw = Path(folder) / "raw.vcd"
                try:
                    yield raw
                except SimulationError:
                    self._finish(raw, path, file)
                    raise
                self._finish(raw, path, file)

    def _finish(self, raw: Path, path: Path, file: Path) -> None:
        """Write the waveform in its format, and what opens it."""
        if not raw.is_file():
            return
        try:
            if path.suffix == ".vcd":
                groups = self._decode(raw, file)
            else:
                decoded, packed = raw.with_name("decoded.vcd"), raw.with_name("waves.fst")
                groups = self._decode(raw, decoded)
                vcd_to_fst(decoded, packed)
                shutil.copyfile(packed, file)
        except OSError as error:
            raise FileError("Cannot write all of the waveform: the disk may be full.") from error
        if file.is_file():
            _write_views(path, groups)

    def _decode(self, raw: Path, place: Path) -> list[Group]:
        """Write a VCD file with decoded signals; what viewers should show of it."""
        name = self.network.name
        with raw.open("rb") as source, place.open("wb") as target:
            header = Header.read(source, name)
            top = header.top(name)
            streams = probes(header, self.network, self.pipeline, top, self.first)
            machines = list(state_machines(header, top))
            decoder = Decoder(header, name=name, top=top, probes=streams, machines=machines)
            for line in (*header.lines, *decoder.definitions(), "$enddefinitions $end"):
                target.write(f"{line}\n".encode())
            decoder.write(source, target)
        own = [Shown(path=f"{top}.{signal}", kind="bit") for signal in ("clk", "rst")]
        return list(_groups(header, own, decoded_scope(name), streams, machines))


def _groups(
    header: Header, own: list[Shown], scope: str, streams: list[Probe], machines: list[Machine]
) -> Iterator[Group]:
    """The signals that viewers show: the number of the cycle and what is loaded, then stream by stream."""
    known = [one for one in own if one.path in header.variables]
    states = [Shown(path=f"{scope}.{one.name}_state", kind="text") for one in machines]
    number = Shown(path=f"{scope}.{CYCLE}", kind="number", width=32)
    yield Group(title="clock and reset", signals=(*known, number, *states))
    for probe in streams:
        texts = [Shown(path=f"{scope}.{name}", kind="text") for name in probe.decoded]
        widths = {path: header.variables[path].width for path in probe.signals}
        raw = [Shown(path=path, kind="bits" if width > 1 else "bit", width=width) for path, width in widths.items()]
        yield Group(title=probe.title, signals=(*texts, *raw))


def _write_views(path: Path, groups: list[Group]) -> None:
    saved, command = path.with_suffix(".gtkw"), path.with_suffix(".sucl")
    for place, text in (
        (saved, save_file(path.name, groups)), (command, commands(path.name, command.name, groups)),
    ):  # fmt: skip
        if is_ours(place):
            added_file(place, text.encode())
