"""All states that a `System` reaches, and what is true of them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from .system import Faults, State, System

__all__ = ["Found", "explore"]


@dataclass(frozen=True)
class Found:
    """What the exploration has found.

    Parameters
    ----------
    states : int
        The number of states that are reached.
    wrong : str
        What is wrong with an answer that the host takes; empty: no answer that it ever takes is wrong.
    stuck : str
        What keeps the host from the end once nothing more goes wrong; empty: it always gets there.
    trace : tuple of str
        The steps to the state in question.
    """

    states: int
    wrong: str = ""
    stuck: str = ""
    trace: tuple[str, ...] = ()


def explore(system: System, faults: Faults, *, limit: int = 1_000_000) -> Found:
    """Visit every state that is reached, by steps and faults in any order and number.

    Safety: in no state has the host taken a wrong answer. Liveness: from each state, every run in which nothing more
    goes wrong ends with all answers, or with the error that another device answers. For the second, the graph of the
    steps without faults has no cycle, and all its ends are right ones.

    Parameters
    ----------
    system : System
    faults : Faults
    limit : int
        Of states.

    Returns
    -------
    Found

    Raises
    ------
    MemoryError
        There are more states than `limit`.
    """
    first = system.canonical(system.start())
    came: dict[State, tuple[State | None, str]] = {first: (None, "")}
    queue = deque([first])
    quiet: dict[State, list[State]] = {}
    while queue:
        state = queue.popleft()
        if wrong := system.wrong(state):
            return Found(len(came), wrong=wrong, trace=_trace(came, state))
        quiet[state] = [system.canonical(after) for _, after in system.steps(state)]
        nexts = [*system.steps(state), *system.faults(state, faults)]
        for name, after in nexts:
            after = system.canonical(after)
            if after not in came:
                came[after] = (state, name)
                queue.append(after)
        if len(came) > limit:
            raise MemoryError(f"There are more than {limit:,} states.")
    stuck, where = _stuck(system, quiet)
    return Found(len(came), stuck=stuck, trace=_trace(came, where) if where else ())


def _stuck(system: System, after: dict[State, list[State]]) -> tuple[str, State | None]:
    """A state from which a run without faults does not end well: by taking away the ends, again and again."""
    before: dict[State, list[State]] = {state: [] for state in after}
    left = {}
    for state, nexts in after.items():
        left[state] = 0 if system.finished(state) else len(nexts)
        if not left[state] and not system.finished(state):
            return "nothing more happens", state
        for other in set(nexts):
            before[other].append(state)
    ends = [state for state, count in left.items() if not count]
    open_ = {state: set(nexts) for state, nexts in after.items() if left[state]}
    while ends:
        end = ends.pop()
        for state in before[end]:
            if state in open_:
                open_[state].discard(end)
                if not open_[state]:
                    del open_[state]
                    ends.append(state)
    return ("it goes round for ever", next(iter(open_))) if open_ else ("", None)


def _trace(came: dict[State, tuple[State | None, str]], state: State) -> tuple[str, ...]:
    steps = []
    at: State | None = state
    while at is not None:
        at, name = came[at]
        steps.append(name)
    return tuple(reversed(steps[:-1]))
