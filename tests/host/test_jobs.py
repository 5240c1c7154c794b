"""Workers: results and shares come back, and a worker that fails, is killed or has no memory ends in a sentence."""

from __future__ import annotations

import os
import signal
import time
from contextlib import closing

import bitweir.jobs.call as calling
import distributed
import pytest
from bitweir.jobs import run, workers
from bitweir_hw.errors import PlanError, ToolError

KILLED = (
    "A worker process was killed, as the system does where memory is short; results so far are kept: repeat the "
    "command, with fewer --jobs, to go on."
)


def work(shared, report, number, what):
    """What calls do; pickled by its name, so it is a function of a module."""
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "memory":
        raise MemoryError
    if what == "refuse":
        raise PlanError("No such plan.")
    if what == "report":
        for step in range(8):
            report(step / 8)
            time.sleep(calling.REPORT_SECONDS / 2)
    return shared[number]


def results(calls, shared=(10, 11, 12, 13), told=lambda number, share: None):
    with closing(run(work, shared, calls, told=told)) as found:
        return dict(found)


@pytest.fixture(scope="module")
def dask():
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, protocol="tcp", dashboard_address=None
    ) as cluster:
        yield cluster.scheduler_address


@pytest.fixture(params=["this process", "processes", "dask"])
def where(request):
    if request.param == "dask":
        return None, request.getfixturevalue("dask")
    return {"this process": 1, "processes": 2}[request.param], None


def test_results_and_shares(where):
    shares = {}
    with workers(*where):
        found = results([(3, ""), (1, "report"), (0, "")], told=lambda n, share: shares.setdefault(n, []).append(share))
    assert found == {0: 13, 1: 11, 2: 10}
    assert 1 in shares and shares[1] == sorted(shares[1]) and set(shares[1]) <= {step / 8 for step in range(8)}


@pytest.mark.parametrize(
    ("what", "told"), [("refuse", r"^No such plan\.$"), ("memory", "^A worker has too little memory for its work; ")]
)
def test_failures(where, what, told):
    with workers(*where), pytest.raises(ToolError, match=told):
        results([(0, ""), (1, what)])


def test_a_worker_with_another_version(where, monkeypatch):
    monkeypatch.setattr("bitweir.jobs.pool.sources", lambda: "others")
    monkeypatch.setattr("bitweir.jobs.cluster.sources", lambda: "others")
    with workers(*where), pytest.raises(ToolError, match="^A worker has another version of bitweir"):
        results([(0, "")])


def test_a_process_that_is_killed():
    with workers(2, None), pytest.raises(ToolError) as error:
        results([(0, ""), (1, "kill"), (2, "")])
    assert str(error.value) == KILLED
    # The next work gets new ones.
    with workers(2, None):
        assert results([(0, ""), (1, "")]) == {0: 10, 1: 11}


def test_without_workers_it_runs_here():
    assert results([(number, "") for number in range(4)]) == dict(enumerate((10, 11, 12, 13)))
