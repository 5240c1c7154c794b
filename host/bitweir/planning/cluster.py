"""Work for the workers of a Dask scheduler, which may die at any moment."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Any

from bitweir_hw.errors import ToolError

__all__ = ["Cluster", "cluster"]

#: Seconds to wait for a scheduler, or for its first worker.
CONNECT_SECONDS = 10
#: Seconds without a result after which to look whether there are workers left.
LOOK_SECONDS = 5


class Cluster:
    """The workers of a scheduler.

    Parameters
    ----------
    client : distributed.Client
    address : str
        Of the scheduler.
    """

    def __init__(self, client: Any, address: str) -> None:
        self._client, self._address = client, address

    def run(self, function: Callable[..., Any], shared: Any, calls: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        """Results of ``function(shared, *call)``, in the order in which they come.

        Raises
        ------
        ToolError
            The scheduler or all of its workers are lost, or one fails. Results that came before are right.
        """
        import distributed
        from distributed.scheduler import KilledWorker

        try:
            # Once, as it may be large.
            [place] = self._client.scatter([shared], hash=False, timeout=CONNECT_SECONDS)
            # Futures must be held, or the scheduler forgets them.
            pending = {self._client.submit(function, place, *call, pure=False) for call in calls}
            finished: SimpleQueue[Any] = SimpleQueue()
            for future in pending:
                future.add_done_callback(finished.put)
            while pending:
                try:
                    future = finished.get(timeout=LOOK_SECONDS)
                except Empty:
                    self._check_workers()
                    continue
                pending.remove(future)
                yield future.result()
        except KilledWorker as error:
            raise ToolError(f"Workers of the Dask scheduler at {self._address!r} die at their work.") from error
        except (distributed.CancelledError, OSError) as error:
            # Without workers there is a limit to waiting for one, too.
            if self._client.status == "running":
                self._check_workers()
            raise ToolError(
                f"The Dask scheduler at {self._address!r} is lost; results so far are kept: start it again, and repeat "
                "the command to go on."
            ) from error

    def _check_workers(self) -> None:
        if not self._client.nthreads():
            raise ToolError(
                f"The Dask scheduler at {self._address!r} has no workers left; results so far are kept: start some "
                f"with dask worker {self._address}, and repeat the command to go on."
            )


@contextmanager
def cluster(address: str) -> Iterator[Cluster]:
    """Connect to a scheduler.

    Parameters
    ----------
    address : str

    Raises
    ------
    ToolError
        Dask is missing, nothing answers at the address, or the scheduler has no workers.
    """
    try:
        import distributed
    except ImportError as error:
        raise ToolError("A scheduler needs Dask: pip install 'bitweir[dask]'.") from error
    # It tells of a lost scheduler with tracebacks; we do in a sentence.
    log = logging.getLogger("distributed.client")
    level = log.level
    log.setLevel(logging.CRITICAL)
    connect: Any = distributed.Client
    try:
        try:
            client = connect(address, timeout=f"{CONNECT_SECONDS}s", set_as_default=False)
        except (OSError, ValueError) as error:
            raise ToolError(f"No Dask scheduler answers at {address!r}: start one with dask scheduler.") from error
        with client:
            try:
                client.wait_for_workers(1, timeout=CONNECT_SECONDS)
            except TimeoutError as error:
                raise ToolError(
                    f"The Dask scheduler at {address!r} has no workers: start some with dask worker {address}."
                ) from error
            yield Cluster(client, address)
    finally:
        log.setLevel(level)
