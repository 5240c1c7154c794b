"""Cases: a file is changed and imported in a process of its own, with limits of time and memory."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import re
import resource
import shutil
import signal
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from support.shared_data import DATA

from tools.fuzz_import.byte_changes import Random, pick
from tools.fuzz_import.keras_changes import changed_hdf, changed_keras
from tools.fuzz_import.onnx_changes import changed_onnx

__all__ = ["CHANGES", "Case", "Summary", "corpus", "run_case", "run_cases"]

#: Seconds of processor time that a case may take, and seconds after which its process is killed.
LIMIT, KILL = 10.0, 120.0
#: Bytes of memory that the process of a case may take.
MEMORY = 4 << 30
#: Frames on which a network that still imports is compared.
FRAMES = 5
#: Notes that say that floats may take another side.
EXCUSES = ("Approximate", "exactly on a threshold", "lies within", "whole multiples", "float32 rounds")

#: By the suffix of a file, what changes it: f(content, rng) -> (content, what was done).
CHANGES: dict[str, Callable[[bytes, Random], tuple[bytes, list[str]]]] = {
    ".onnx": changed_onnx,
    ".h5": changed_hdf,
    ".keras": changed_keras,
}


@dataclass(frozen=True)
class Case:
    """What became of one file.

    Parameters
    ----------
    seed : int
    outcome : str
        ``agrees``, ``imports`` (but is not compared), ``refused``; or a failure: ``wrong``, ``raises``, ``slow``,
        ``dies``, ``unprintable``, ``memory``, ``leaks`` (the name of an exception).
    seconds : float
        Of processor time.
    what : str
        File and changes.
    detail : str
        The sentence, or what went wrong.
    """

    seed: int
    outcome: str
    seconds: float
    what: str
    detail: str

    @property
    def failed(self) -> bool:
        """Whether this must not happen."""
        return self.outcome not in ("agrees", "imports", "refused")


@dataclass
class Summary:
    """All cases of a run."""

    counts: Counter[str] = field(default_factory=Counter)
    slowest: Case | None = None
    failures: list[Case] = field(default_factory=list)
    megabytes: int = 0

    def add(self, case: Case) -> None:
        """Count a case."""
        self.counts[case.outcome] += 1
        if self.slowest is None or case.seconds > self.slowest.seconds:
            self.slowest = case
        if case.failed:
            self.failures.append(case)


def corpus(*, small: bool = False) -> list[tuple[Path, str | None]]:
    """Model files with the input scale that suits each: the shipped ones, and those of the tests' data.

    Parameters
    ----------
    small : bool
        Leave out what takes long to import.
    """
    networks = Path(str(resources.files("bitweir.networks")))
    found: list[tuple[Path, str | None]] = [(networks / "cnn.onnx", "1"), (networks / "digits.onnx", "1")]
    slow = ("d_bireal", "t", "a2", "c2", "l1")
    for path in sorted(DATA.glob("digits/*")):
        if path.suffix in CHANGES and not (small and path.name.startswith(slow)):
            found.append((path, "int8" if path.name.startswith("l") else "1/16"))
    if not small:
        for name, scale in (("TFC_1W1A", "1/255"), ("TFC_1W1A_finn_dataflow", None), ("TFC_1W2A", "1/255")):
            found.append((DATA / "models" / f"{name}.onnx", scale))
        found.append((DATA / "models" / "larq_tiny_conv_mnist.h5", "1"))
    return [(path, scale) for path, scale in found if path.is_file()]


# ---- one case


class _TooSlowError(BaseException):
    """The case took too long; no handler for mistakes in files may catch it."""


def _stop(*_: Any) -> None:
    raise _TooSlowError


def run_case(seed: int, files: Sequence[tuple[Path, str | None]], folder: Path) -> Case:
    """Make the file of a seed in an empty folder, and import it."""
    rng = np.random.default_rng(seed)
    source, scale = pick(rng, files)
    if rng.random() < 0.1:
        scale = pick(rng, (None, "1", "1/255", "int8", "int2"))
    data, done = CHANGES[source.suffix](source.read_bytes(), rng)
    what = f"{source.name} ({scale}): {'; '.join(done)}"
    path = folder / f"m{source.suffix}"
    path.write_bytes(data)
    side = source.with_name(source.name + ".data")
    if side.is_file():
        shutil.copy(side, folder)
        (folder / side.name).chmod(0o600)
        if rng.random() < 0.1:
            with (folder / side.name).open("r+b") as file:
                file.truncate(int(rng.integers(side.stat().st_size)))
    (folder / "link").symlink_to("/etc/passwd")
    (folder / "folder").mkdir()
    started = time.process_time()
    signal.signal(signal.SIGPROF, _stop)
    signal.setitimer(signal.ITIMER_PROF, LIMIT)
    try:
        outcome, detail = _import(path, scale, rng)
    except _TooSlowError:
        outcome, detail = "slow", "".join(traceback.format_exc()[-600:])
    except BaseException as error:  # everything else is the failure that is looked for
        outcome, detail = "raises", f"{type(error).__name__}: {traceback.format_exc()[-1500:]}"
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return Case(seed, outcome, time.process_time() - started, what, detail)


def _import(path: Path, scale: str | None, rng: Random) -> tuple[str, str]:
    from bitweir.importers import load_model
    from bitweir.importers.folding.provenance import Taps
    from bitweir_hw.errors import BitweirError

    taps = Taps()
    try:
        network = load_model(path, input_scale=scale, taps=taps)
    except BitweirError as error:
        told = str(error)
        if "more memory than there is" in told:
            return "memory", told
        if re.search(r"\w(Error|Exception)\b", told):
            return "leaks", told
        return ("refused" if told.isprintable() else "unprintable"), told
    if not all(note.isprintable() for note in network.notes):
        return "unprintable", repr(network.notes)
    return _compared(path, network, taps, scale, rng) if path.suffix == ".onnx" else ("imports", "")


def _compared(path: Path, network: Any, taps: Any, scale: str | None, rng: Random) -> tuple[str, str]:
    """Whether a network finds what its file says, on a few frames."""
    from bitweir.importers.compare.agreement import Member, compare
    from bitweir.importers.execution.operators import CannotRunError
    from bitweir.importers.onnx.reference import numpy_executor
    from bitweir_sim.values.encoding import encode, model_values
    from bitweir_sim.values.golden import widest

    entry = network.input
    shape = (FRAMES, *entry.shape)
    if widest(network) > 1 << 14:
        return "imports", "large"
    if entry.stored is not None:
        frames = model_values(entry, rng.integers(entry.stored.low, entry.stored.high + 1, shape))
    else:
        frames = (rng.integers(0, 17, shape) / 16).astype(np.float32)
    try:
        tensors = [*(tap.tensor for tap in taps.codes), taps.scores]
        found = numpy_executor(path, tensors).run(frames)
    except CannotRunError as error:
        return "imports", f"the executor refuses: {error}"
    if not all(np.isfinite(np.asarray(array, np.float64)).all() for array in found.values()):
        return "imports", "the file makes infinite numbers"
    member = Member(path=path, network=network, taps=taps, last=network.layers[-1].name)
    (agreement,), scores = compare(network, [member], frames, encode(entry, frames), runtime=False)
    if agreement.results is None:
        if _detaches(path):
            return "imports", "(a - b) + b is taken as a, and here b has a larger shape"
        return "wrong", agreement.remark
    wrong = [layer for layer in agreement.layers if layer.differ]
    if network.readout.kind != "class":
        told = f"{agreement.results_differ} results differ, the first: {agreement.first_result}"
        return ("agrees", "") if agreement.agrees else ("wrong", f"{told}; notes {network.notes}")
    ours = scores.argmax(axis=1)
    wanted = found[taps.scores].reshape(FRAMES, -1).astype(np.float64)
    size = np.abs(wanted).max(axis=1) + 1e-300
    lead = wanted.max(axis=1) - np.take_along_axis(wanted, ours[:, None], 1)[:, 0]
    if not wrong and (lead <= 1e-6 * size).all():
        return "agrees", ""
    if any(excuse in note for note in network.notes for excuse in EXCUSES):
        return "imports", "floats may take another side"
    if _largest(path) > 1 << 20:
        return "imports", "numbers are so large that in floats (a - b) + b need not be a"
    told = f"codes {[(one.layer, one.differ, one.first) for one in wrong]}, lead {lead.tolist()} of {size.tolist()}"
    return "wrong", f"{told}; notes {network.notes}"


def _detaches(path: Path) -> bool:
    """Whether a file adds what it has subtracted before, as the detach trick of training does."""
    import onnx

    nodes = onnx.load(path).graph.node
    less = {node.output[0]: node.input[1] for node in nodes if node.op_type == "Sub" and len(node.input) == 2}
    return any(
        less.get(one) == other
        for node in nodes
        if node.op_type == "Add" and len(node.input) == 2
        for one, other in (node.input, reversed(node.input))
    )


def _largest(path: Path) -> float:
    """Largest size of a number among the tensors of a file."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load(path).graph
    arrays = [numpy_helper.to_array(tensor) for tensor in graph.initializer]
    with np.errstate(all="ignore"):
        return max((float(np.abs(array).max(initial=0)) for array in arrays if array.dtype.kind == "f"), default=0.0)


# ---- all cases


def _worker(pipe: Any, seeds: Sequence[int], files: Sequence[tuple[Path, str | None]], keep: Path | None) -> None:
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    for seed in seeds:
        pipe.send(seed)
        with tempfile.TemporaryDirectory(prefix="bitweir-fuzz-") as name:
            case = run_case(seed, files, Path(name))
            if keep is not None and case.failed:
                shutil.copytree(name, keep / str(seed), symlinks=True, dirs_exist_ok=True)
        pipe.send((case, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024))
    pipe.send(None)


def run_cases(
    seeds: Sequence[int],
    files: Sequence[tuple[Path, str | None]],
    *,
    jobs: int = 1,
    keep: Path | None = None,
    told: Callable[[Summary], None] = lambda summary: None,
) -> Summary:
    """Run the cases of some seeds in processes of their own.

    Parameters
    ----------
    seeds : sequence of int
    files : sequence of (Path, str or None)
        As `corpus` gives them.
    jobs : int
        Processes at a time.
    keep : Path or None
        Folder for the files of failures.
    told : callable
        Called after each case.
    """
    summary = Summary()
    for case, megabytes in _cases([list(seeds[start::jobs]) for start in range(jobs)], files, keep):
        summary.add(case)
        summary.megabytes = max(summary.megabytes, megabytes)
        told(summary)
    return summary


def _cases(
    shares: list[list[int]], files: Sequence[tuple[Path, str | None]], keep: Path | None
) -> Iterator[tuple[Case, int]]:
    context = multiprocessing.get_context("fork")
    at_work: dict[Any, tuple[Any, list[int], list[float]]] = {}

    def start(seeds: list[int]) -> None:
        if seeds:
            ours, theirs = context.Pipe(duplex=False)
            process = context.Process(target=_worker, args=(theirs, seeds, files, keep), daemon=True)
            process.start()
            theirs.close()
            at_work[ours] = (process, seeds, [time.monotonic()])

    for share in shares:
        start(share)
    try:
        while at_work:
            for pipe in multiprocessing.connection.wait(list(at_work), timeout=1.0):
                process, seeds, since = at_work[pipe]
                since[0] = time.monotonic()
                try:
                    message = pipe.recv()
                except EOFError:  # it died in the middle of a case
                    process.join()
                    del at_work[pipe]
                    start(seeds[1:])
                    yield Case(seeds[0], "dies", 0.0, "", f"exit code {process.exitcode}"), 0
                    continue
                if message is None:
                    process.join()
                    del at_work[pipe]
                elif not isinstance(message, int):
                    del seeds[0]
                    yield message
            for process, _, since in at_work.values():
                if time.monotonic() - since[0] > KILL:
                    process.kill()
    finally:
        for process, _, _ in at_work.values():
            process.kill()
