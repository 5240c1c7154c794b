"""Work for the workers of a Dask scheduler, which may die at any moment."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from queue import Empty, SimpleQueue
from typing import Any

from bitweir_hw.errors import ToolError

from .call import Answer, Function, answer, sources

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

    @property
    def at_once(self) -> int:
        """Threads of all workers there are now."""
        return sum(self._client.nthreads().values()) or 1

    def run(
        self,
        function: Function,
        shared: Any,
        calls: Sequence[tuple[Any, ...]],
        told: Callable[[int, float], None],
    ) -> Generator[Answer, None, None]:
        """What workers make of each call, in the order in which it comes; see `jobs.run`.

        Raises
        ------
        ToolError
            The scheduler or all of its workers are lost, or one fails. Results that came before are right.
        """
        import distributed
        from distributed.scheduler import KilledWorker

        topic = f"bitweir-{uuid.uuid4()}"
        pending: set[Any] = set()
        try:
            self._client.subscribe_topic(topic, lambda event: told(*event[1]))
            # Once, as it may be large.
            [place] = self._client.scatter([shared], hash=False, timeout=CONNECT_SECONDS)
            finished: SimpleQueue[Any] = SimpleQueue()
            # Futures must be held, or the scheduler forgets them.
            for number, call in enumerate(calls):
                future = self._client.submit(
                    _on_worker, place, topic, function, number, call, sources(), pure=False, priority=-number
                )
                pending.add(future)
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
            raise ToolError(
                f"Workers of the Dask scheduler at {self._address!r} die at their work; results so far are kept: look "
                "into their logs, and repeat the command to go on."
            ) from error
        except (distributed.CancelledError, OSError) as error:
            # Without workers there is a limit to waiting for one, too.
            if self._client.status == "running":
                self._check_workers()
            raise ToolError(
                f"The Dask scheduler at {self._address!r} is lost; results so far are kept: start it again, and repeat "
                "the command to go on."
            ) from error
        finally:
            # What nobody holds is not begun.
            pending.clear()
            if self._client.status == "running":
                self._client.unsubscribe_topic(topic)

    def _check_workers(self) -> None:
        if not self._client.nthreads():
            raise ToolError(
                f"The Dask scheduler at {self._address!r} has no workers left; results so far are kept: start some "
                f"with dask worker {self._address}, and repeat the command to go on."
            )


def _on_worker(
    shared: Any, topic: str, function: Function, number: int, arguments: tuple[Any, ...], expected: str
) -> Answer:
    import distributed

    worker = distributed.get_worker()
    return answer(function, shared, lambda share: worker.log_event(topic, (number, share)), number, arguments, expected)


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
