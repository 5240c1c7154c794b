"""The file of a build folder that shows that its accelerator never jams, and its check.

Opening a folder checks that the file is of the network and the plan beside it. What it says is replayed where the plan
is lowered, before anything relies on it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from bitweir_hw.blocks.pipeline import Pipeline
from bitweir_hw.errors import FileError, PlanError
from bitweir_hw.files import digest
from bitweir_hw.network import Network
from bitweir_sim import deadlock
from bitweir_sim.cache import cached, content_key, kept
from bitweir_sim.deadlock import Certificate, JamError, certificate, check_certificate, too_large
from bitweir_sim.time.cycles import Timing
from bitweir_sim.time.sizing import jam_error

from .schemas import Digest, read, to_dict
from .sources import gateware_sources

__all__ = ["CERTIFICATE", "Claim", "certificate_text", "load_claim"]

#: Name of the file in a build folder.
CERTIFICATE = "certificate.json"
_FORMAT, _VERSION = "bitweir certificate", 1
#: A block takes some 30 bytes.
_LIMIT_BYTES = 1 << 22
#: Beats a frame on all streams whose replay takes as long as a look into the cache.
_QUICK = 5_000
_CHECKED = "checked"
_REMEDY = "make the folder again with bitweir generate"


@dataclass(frozen=True, kw_only=True)
class _File:
    """Content of the file.

    Parameters
    ----------
    format, version
    network : str
        Digest of the network.
    plan : str
        SHA-256 of the plan, or of all plans and channels of several chips.
    state : tuple of tuple of int, optional
        Of each block between two frames, in the order of the pipeline: see `deadlock.Certificate`.
    instead : str
        Where there is no state: why, and what shows in its place that nothing jams.
    """

    format: str
    version: int
    network: Digest
    plan: Digest
    state: tuple[tuple[int, ...], ...] | None
    instead: str


@dataclass(frozen=True, kw_only=True)
class Claim:
    """What the file says of an accelerator whose network and plan it names.

    Parameters
    ----------
    path : Path
        Of the file.
    network, plan : str
        As in the file.
    state : tuple of tuple of int, optional
        None where it says that frames have too many beats for a replay.
    """

    path: Path
    network: str
    plan: str
    state: tuple[tuple[int, ...], ...] | None

    def check(self, pipeline: Pipeline) -> None:
        """Check it by a replay; a long one is not repeated on the same machine.

        Raises
        ------
        PlanError
            The accelerator jams; names the FIFOs that are too shallow.
        FileError
            The claim is another accelerator's.
        """
        told = too_large(pipeline)
        if self.state is None and told:
            return  # the cycle model tells
        if self.state is None or told:
            raise _wrong(self.path)
        key = _key(self.network, self.plan, self.state) if _beats(pipeline) > _QUICK else None
        if key and _is_kept(key):
            return
        try:
            check_certificate(pipeline, Certificate(self.state))
        except JamError:
            raise jam_error(pipeline) from None
        except PlanError as error:
            raise _wrong(self.path) from error
        if key:
            _keep(key)


def certificate_text(pipeline: Pipeline, timing: Timing, network: Network, parts: Sequence[str]) -> str:
    """Content of the file.

    Parameters
    ----------
    pipeline : Pipeline
    timing : Timing
        Of the pipeline.
    network : Network
    parts : sequence of str
        The plan as text, or the plans of all chips and their channels.

    Raises
    ------
    PlanError
        The accelerator jams; names the FIFOs that are too shallow.
    """
    state, instead = None, ""
    if told := too_large(pipeline):
        instead = f"{told} By the cycle model nothing jams, and frames follow every {float(timing.interval):g} cycles."
    else:
        try:
            state = certificate(pipeline).state
        except JamError:
            raise jam_error(pipeline) from None
    file = _File(
        format=_FORMAT, version=_VERSION, network=digest(network), plan=_hash(parts), state=state, instead=instead
    )
    if state is not None and _beats(pipeline) > _QUICK:
        _keep(_key(file.network, file.plan, state))
    return _text(file)


def load_claim(folder: Path, network: Network, parts: Sequence[str]) -> Claim:
    """Read the file of a folder, if it is that of these parts; see `certificate_text`.

    Raises
    ------
    FileError
        There is none, it is damaged, or that of another accelerator.
    """
    path = folder / CERTIFICATE
    if not path.is_file():
        raise FileError(
            f"Build folder {str(folder)!r} has no {CERTIFICATE}, as those of earlier versions of bitweir: make it "
            "again with bitweir generate."
        )
    if path.stat().st_size > _LIMIT_BYTES:
        raise FileError(f"{str(path)!r} is damaged: {_REMEDY}.")
    file = read(path, _File, _REMEDY)
    if (file.format, file.version) != (_FORMAT, _VERSION):
        raise FileError(f"{str(path)!r} is no certificate of version {_VERSION}: {_REMEDY}.")
    if (file.network, file.plan) != (digest(network), _hash(parts)):
        raise _wrong(path)
    return Claim(path=path, network=file.network, plan=file.plan, state=file.state)


def _wrong(path: Path) -> FileError:
    return FileError(f"{str(path)!r} is that of another accelerator: {_REMEDY}.")


def _beats(pipeline: Pipeline) -> int:
    return sum(stream.beats for stream in pipeline.streams)


def _hash(parts: Sequence[str]) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def _text(file: _File) -> str:
    """With a line for each block."""
    tree = to_dict(file)
    lines = ",\n".join(f"  {json.dumps(block)}" for block in tree["state"] or ())
    state = f"[\n{lines}\n ]" if lines else json.dumps(tree["state"])
    fields = [f" {json.dumps(name)}: {state if name == 'state' else json.dumps(tree[name])}" for name in tree]
    return "{\n" + ",\n".join(fields) + "\n}\n"


def _key(network: str, plan: str, state: tuple[tuple[int, ...], ...]) -> str:
    """Of the cache: what was checked, and the code that checked it."""
    checker = Path(deadlock.__file__).read_bytes()
    return content_key("certificate", gateware_sources(), checker, network, plan, json.dumps(state))


def _is_kept(key: str) -> bool:
    with suppress(OSError, FileError):
        return kept(key) is not None
    return False


def _keep(key: str) -> None:
    """Note that a certificate was checked; without a cache it is checked again."""
    with suppress(OSError, FileError):
        cached(key, lambda folder: (folder / _CHECKED).touch())
