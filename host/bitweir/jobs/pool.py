"""Where parallel work runs: in processes of this machine, or with the workers of a Dask scheduler."""

from __future__ import annotations

import functools
import signal
import tempfile
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, suppress
from contextvars import ContextVar
from multiprocessing import resource_tracker as multiprocessing_tracker
from pathlib import Path
from typing import Any, Protocol

import joblib
from bitweir_hw.checked import text, whole
from bitweir_hw.errors import ToolError
from bitweir_hw.tools.following import every
from joblib.externals.loky.backend import resource_tracker as loky_tracker
from joblib.externals.loky.process_executor import BrokenProcessPool

from .call import REPORT_SECONDS, Answer, Function, answer, sources
from .cluster import cluster

__all__ = ["Told", "at_once", "run", "workers"]

#: Takes the number of a call and the share of it that is done; from any thread.
Told = Callable[[int, float], None]


class Pool(Protocol):
    """What runs calls."""

    @property
    def at_once(self) -> int:
        """How many calls run at the same time."""

    def run(
        self, function: Function, shared: Any, calls: Sequence[tuple[Any, ...]], told: Told
    ) -> Generator[Answer, None, None]:
        """What workers make of each call, in the order in which it comes."""


class _Processes:
    """Processes of this machine, as many as joblib is configured for."""

    @property
    def at_once(self) -> int:
        return int(joblib.effective_n_jobs(None))

    def run(
        self, function: Function, shared: Any, calls: Sequence[tuple[Any, ...]], told: Told
    ) -> Generator[Answer, None, None]:
        with tempfile.TemporaryDirectory(prefix="bitweir-") as name:
            folder = Path(name)
            # Once, as it may be large.
            joblib.dump(shared, folder / _SHARED)
            parallel = joblib.Parallel(return_as="generator_unordered")
            try:
                with _watched(folder, told):
                    yield from parallel(
                        joblib.delayed(_in_process)(function, name, number, call, sources())
                        for number, call in enumerate(calls)
                    )
            except BrokenProcessPool as error:
                raise ToolError(
                    "A worker process was killed, as the system does where memory is short; results so far are kept: "
                    "repeat the command, with fewer --jobs, to go on."
                ) from error


_SHARED = "shared"


@functools.lru_cache(maxsize=1)
def _shared(folder: str) -> Any:
    return joblib.load(Path(folder) / _SHARED)


def _in_process(function: Function, folder: str, number: int, arguments: tuple[Any, ...], expected: str) -> Answer:
    def report(share: float) -> None:
        # The folder is gone where nobody waits for the result any more.
        with suppress(OSError):
            (Path(folder) / f"{number}.share").write_text(f"{share:.6f}")

    return answer(function, _shared(folder), report, number, arguments, expected)


def _watched(folder: Path, told: Told) -> AbstractContextManager[None]:
    """Tell what workers write into a folder."""

    def look() -> None:
        for file in folder.glob("*.share"):
            # One that is being written may be empty.
            with suppress(OSError, ValueError):
                told(int(file.stem), float(file.read_text()))

    return every(REPORT_SECONDS, look)


#: Where parallel work of this context runs.
_pool: ContextVar[Pool] = ContextVar("pool")


def run(
    function: Function, shared: Any, calls: Sequence[tuple[Any, ...]], *, told: Told = lambda number, share: None
) -> Generator[tuple[int, Any], None, None]:
    """Run calls where `workers` says, and without it one after another in this process.

    Close the generator after an error or Ctrl-C (`contextlib.closing`), so that what is under way ends.

    Parameters
    ----------
    function : callable
        Called as ``function(shared, report, *call)`` in a worker; ``report`` takes the share of the call that is done.
    shared : object
        The same for all calls; it is sent once to each worker.
    calls : sequence of tuple
        The further arguments of each call.
    told : callable
        Takes the number of a call and the share of it that is done, as workers report it, from another thread.

    Yields
    ------
    int, object
        Number of a call and its result, in the order in which they come. Workers start the calls in their order.

    Raises
    ------
    ToolError
        A worker failed, or was lost; results that came before are right.
    """
    with closing(_pool.get(_Processes()).run(function, shared, calls, told)) as answers:
        for found in answers:
            if found.error:
                raise ToolError(found.error)
            yield found.number, found.result


def at_once() -> int:
    """How many calls run at the same time, where `workers` says."""
    return _pool.get(_Processes()).at_once


@contextmanager
def workers(jobs: int | None, scheduler: str | None) -> Iterator[None]:
    """Where to run what is parallel: processes of this machine, or workers of a Dask scheduler.

    Parameters
    ----------
    jobs : int or None
        Processes; None for one on each core.
    scheduler : str or None
        Address of a Dask scheduler.

    Raises
    ------
    PlanError
        There is no such number of processes.
    ToolError
        Dask is missing, or the scheduler is, or has no workers.
    """
    if jobs is not None:
        jobs = whole(jobs, "The number of processes (jobs)")
    if scheduler is None:
        with joblib.parallel_config(backend="loky", n_jobs=jobs or joblib.cpu_count()):
            _start_processes()
            with warnings.catch_warnings():
                # Of joblib, at an end before the last one, as after Ctrl-C.
                warnings.filterwarnings("ignore", message=".*tasks which were still being processed")
                yield
        return
    text(scheduler, "The scheduler", "tcp://host:8786")
    # Not by joblib: it would go on here, without a word, where a scheduler has few workers or none.
    with cluster(scheduler) as found:
        token = _pool.set(found)
        try:
            yield
        finally:
            _pool.reset(token)


def _start_processes() -> None:
    """Start the processes of joblib, which are kept, so that Ctrl-C is for this one alone.

    A terminal sends it to all, and each would print where it was. What is blocked here is blocked in them; here it
    comes when it is not blocked any more.
    """
    if not hasattr(signal, "pthread_sigmask"):
        return
    # Each of the two unblocks the signal in this process when it starts its tracker.
    for tracker in (multiprocessing_tracker, loky_tracker):
        tracker.ensure_running()
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        joblib.Parallel()(joblib.delayed(int)() for _ in range(2))
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
