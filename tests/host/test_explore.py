"""Exploring: fronts are Pareto, results are kept, and what is written agrees."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys
import time
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

import bitweir.jobs.call as calling
import bitweir.jobs.cluster as cluster
import bitweir.planning.explore as exploring
import distributed
import numpy as np
import pytest
from bitweir.cli import main
from bitweir.cli.exploration import render_exploration
from bitweir.jobs import workers
from bitweir.planning.exploration import exploration_schema, write_exploration
from bitweir.planning.explore import ExploreRequest, explore, pareto
from bitweir.planning.limits import ROUTES
from bitweir_hw.cost import estimate_pipeline
from bitweir_hw.errors import PlanError, ToolError
from bitweir_hw.lower import lower
from bitweir_hw.network import BIPOLAR, Dense, Input, Network, check
from bitweir_hw.parts import PARTS
from bitweir_hw.plan import plan_from_foldings
from bitweir_sim.simulators.compiled import compiler_missing
from click.testing import CliRunner
from support.samples import dense_network, every_kind
from support.schemas import validate

DIGITS = str(Path(str(resources.files("bitweir.networks"))) / "digits.onnx")
GOALS = ExploreRequest(parts=("ice40-up5k", "ecp5-25k"), clock=50e6, points=6)


@pytest.fixture(scope="module")
def network():
    """For what does not depend on the network: small, so that its plans are found soon."""
    return dense_network(24, 12, 4)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BITWEIR_CACHE_DIR", str(tmp_path / "cache"))


def explored(network, goals=GOALS, *, synth=False, jobs=1):
    with workers(jobs, None):
        return explore(network, goals, synth=synth)


def run(network, goals=GOALS, *, synth=False, jobs=1):
    result = explored(network, goals, synth=synth, jobs=jobs).to_dict()
    validate(result, exploration_schema())
    return result


def shown(look, words=None):
    """A progress whose shares go to a function, and its words to another one."""

    def show(how_far):
        if not isinstance(how_far, str):
            look(how_far)
        elif words:
            words(how_far)

    @contextmanager
    def progress(what):
        assert what == "Exploring"
        yield show

    return progress


def fails(monkeypatch):
    def never(*_, **__):
        raise AssertionError("searched again")

    monkeypatch.setattr(exploring._Search, "run", never)


def command(*words, code=0):
    result = CliRunner().invoke(main, ["explore", *map(str, words)])
    assert result.exit_code == code, result.output
    return result


def test_fronts_are_pareto():
    result = run(every_kind()[0])
    for part in GOALS.parts:
        own = [point for point in result["points"] if point["part"] == part]
        assert len(own) >= 3 and len({point["foldings"] for point in own}) == len(own)
        for point in own:
            better = [
                other for other in own
                if other["sites"] <= point["sites"]
                and other["block_rams"] <= point["block_rams"]
                and other["cycles"] <= point["cycles"]
                and (other["sites"], other["block_rams"], other["cycles"])
                != (point["sites"], point["block_rams"], point["cycles"])
            ]  # fmt: skip
            assert point["front"] == (not better)
        assert any(point["front"] for point in own)


def test_points_fit_and_can_be_generated():
    network = every_kind()[0]
    for point in run(network)["points"]:
        part = PARTS[point["part"]]
        assert point["bound"] <= point["sites"] + 1
        assert point["sites"] <= ROUTES[part.family].sites * part.luts and point["block_rams"] <= part.block_rams
        clock = min(50e6, point["fmax_mhz"] * 1e6)
        assert point["frames_per_second"] == pytest.approx(clock / point["cycles"], rel=2e-3)
        popcount = exploring.Popcount.of(part.family, point["stage_levels"])
        pipeline = lower(network, plan_from_foldings(network, point["foldings"], popcount=popcount))
        total = estimate_pipeline(pipeline, part.family)[1]
        assert (point["lut"], point["ff"], point["block_rams"]) == (total.lut, total.ff, total.bram)
        assert point["cycles"] == max(block.cycles for block in pipeline.blocks)


def test_equal_points_do_not_beat_each_other():
    points = [
        {"sites": sites, "block_rams": rams, "frames_per_second": rate}
        for sites, rams, rate in ((10, 1, 5.0), (10, 1, 5.0), (11, 1, 5.0), (12, 0, 5.0), (9, 1, 4.0))
    ]
    assert [(p["sites"], p["front"]) for p in pareto(points)] == [
        (10, True), (10, True), (11, False), (12, True), (9, True)
    ]  # fmt: skip


def test_the_ladder_is_geometric():
    assert exploring._ladder(10, 1) == [10]
    assert exploring._ladder(10, 4) == [10, 40, 160, 640]
    assert exploring._ladder(1, 50)[0] == 1 and exploring._ladder(1, 50)[-1] == 64
    assert len(exploring._ladder(1, 50)) < 50


def test_second_run_searches_nothing(network, monkeypatch):
    first = run(network)
    fails(monkeypatch)
    assert run(network) == first


def test_an_interrupted_run_goes_on(network, monkeypatch, tmp_path):
    search, calls = exploring._Search.run, []

    def interrupted(job, network):
        calls.append(job)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return search(job, network)

    monkeypatch.setattr(exploring._Search, "run", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_exploration(tmp_path / "out", lambda: explored(network))
    assert not list(tmp_path.glob("*out*"))
    before = len(calls)
    result = run(network)
    whole = 2 * GOALS.points
    # Only the call that was interrupted is made twice.
    assert len(calls) == whole + 1 and before == 5
    monkeypatch.setenv("BITWEIR_CACHE_DIR", str(tmp_path / "other"))
    assert run(network) == result


def test_what_results_depend_on(network):
    search = exploring._search(GOALS, "ecp5-25k", 100, 1)
    keys = {
        exploring._key(digest, exploring.replace(search, **change))
        for digest in ("a", "b")
        for change in ({}, {"part": "ecp5-45k"}, {"cycles": 101}, {"cycles": None}, {"clock": 51e6}, {"streams": 2})
    } | {exploring._key("a", exploring.replace(search, **change)) for change in ({"levels": 2}, {"reserve_luts": 1})}
    assert len(keys) == 14


def test_other_sources_are_other_results(network, monkeypatch):
    search = exploring._search(GOALS, "ecp5-25k", 100, 1)
    before = exploring._key("a", search)
    # A worker with other sources must not fill this cache.
    found = calling.answer(exploring._worker, network, print, 3, (search,), "others")
    assert (found.number, found.result) == (3, None) and "another version of bitweir" in found.error
    monkeypatch.setattr(exploring, "sources", lambda: "others")
    assert exploring._key("a", search) != before


def test_processes_find_the_same(network, monkeypatch, tmp_path):
    found = run(network, jobs=2)
    monkeypatch.setenv("BITWEIR_CACHE_DIR", str(tmp_path / "other"))
    assert run(network) == found


def test_streams_go_side_by_side(network):
    one, two = (
        run(network, ExploreRequest(parts=("ecp5-25k",), clock=50e6, points=2, streams=streams))["points"]
        for streams in (1, 2)
    )
    clock = two[0]["expected_clock_mhz"] * 1e6
    assert two[0]["frames_per_second"] == pytest.approx(2 * clock / two[0]["cycles"], rel=1e-4)
    assert two[0]["frames_per_second"] > one[0]["frames_per_second"]


def test_parts_that_are_too_small(network, monkeypatch):
    search = exploring.Hunt.most_frames

    def small(hunt):
        if hunt.family == "ice40":
            raise PlanError("Too large.")
        return search(hunt)

    monkeypatch.setattr(exploring.Hunt, "most_frames", small)
    result = run(network)
    assert {point["part"] for point in result["points"]} == {"ecp5-25k"}
    assert result["notes"] == ["ice40-up5k: Too large."]
    with pytest.raises(PlanError, match=r"^ice40-up5k: Too large\.$"):
        run(network, ExploreRequest(parts=("ice40-up5k",), clock=50e6, points=2))


@pytest.mark.skipif(compiler_missing() is not None, reason=str(compiler_missing()))
def test_yosys_confirms_the_front(monkeypatch):
    entry = Input(shape=(20,), format=BIPOLAR, thresholds=np.array([[0.5]]), source=np.arange(20), map_shape=(1, 1, 20))
    weights = np.random.default_rng(1).random((3, 20)) < 0.5
    network = check(Network(name="net", input=entry, layers=(Dense(name="dense", weights=weights),)))
    goals = ExploreRequest(parts=("ice40-up5k",), clock=50e6, points=1)
    result = run(network, goals, synth=True)
    for point in result["points"]:
        assert point["front"] == ("measured_sites" in point)
        if point["front"]:
            assert point["measured_lut"] > 20 and point["measured_ff"] > 20
            off = 100 * (point["fitted_sites"] / point["measured_sites"] - 1)
            assert point["error_sites_percent"] == pytest.approx(off, abs=0.01)
            assert abs(off) < 30 and point["fitted_sites"] <= point["sites"]
    monkeypatch.setattr(exploring, "synthesise", None)
    assert run(network, goals, synth=True) == result
    told = _text(explored(network, goals, synth=True))
    assert "measured" in told and f"{off:+.1f}%" in told


def _text(result):
    from rich.console import Console

    console = Console(width=140)
    with console.capture() as capture:
        console.print(*render_exploration(result))
    return capture.get()


def test_errors_of_nothing():
    assert exploring._off(0, 0) == 0.0 and exploring._off(3, 0) is None and exploring._off(11, 10) == 10.0


def test_command_writes_a_folder(tmp_path):
    folder = tmp_path / "out"
    words = (DIGITS, "--input-scale", "1", "-o", folder, "--part", "ecp5-25k", "--part", "gw1n-9", "--points", "3")
    told = json.loads(command(*words, "--jobs", "1", "--json").stdout)
    content = json.loads((folder / "explore.json").read_text())
    assert told.pop("comparison")["results_differ"] == 0
    assert told == {"folder": str(folder), "exploration": content}
    assert (content["format"], content["version"]) == ("bitweir exploration", 2)
    with (folder / "explore.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows == [
        {key: "" if value is None else str(value) for key, value in point.items()} for point in content["points"]
    ]
    # A second time over the first, for people.
    shown = command(*words, "--jobs", "1").stdout
    assert "Pareto front of digits" in shown and "gw1n-9" in shown
    assert json.loads((folder / "explore.json").read_text()) == content


def test_plots(network, tmp_path):
    for name in ("a", "b"):
        write_exploration(tmp_path / name, lambda: explored(network))
    first, second = ((tmp_path / name / "explore.svg").read_bytes() for name in ("a", "b"))
    assert first == second and b"<svg" in first
    assert (tmp_path / "a" / "explore.png").read_bytes().startswith(b"\x89PNG")


def test_without_matplotlib_there_is_a_note(network, tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    result = write_exploration(tmp_path / "out", lambda: explored(network))
    assert "pip install 'bitweir[explore]'" in result.notes[-1]
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == [
        "bitweir-manifest.json",
        "explore.csv",
        "explore.json",
    ]


def test_mistakes(tmp_path, monkeypatch):
    assert "'--part'" in command(DIGITS, "-o", tmp_path / "o", "--part", "z80", code=2).stderr
    assert "'--part'" in command(DIGITS, "-o", tmp_path / "o", code=2).stderr
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "file").touch()
    fails(monkeypatch)
    words = (DIGITS, "--input-scale", "1", "--part", "ecp5-25k", "--jobs", "1", "-o")
    assert "was not made by bitweir" in command(*words, tmp_path / "mine", code=7).stderr
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["mine"]
    monkeypatch.undo()
    monkeypatch.setenv("BITWEIR_CACHE_DIR", str(tmp_path / "cache"))
    assert command(*words, tmp_path / "o", "--streams", "0", code=5).stderr.startswith("bitweir: ")
    assert not (tmp_path / "o").exists()


def test_dask_missing(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(ToolError, match=r"pip install 'bitweir\[dask\]'"), workers(None, "tcp://127.0.0.1:1"):
        pass


def test_dask_finds_the_same(network, monkeypatch, tmp_path):
    with pytest.raises(ToolError, match="No Dask scheduler answers at 'nothing://x'"), workers(None, "nothing://x"):
        pass
    local = distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=False, protocol="tcp", dashboard_address=None
    )
    with local:
        with workers(None, local.scheduler_address):
            found = explore(network, GOALS, synth=False)
        # What a worker cannot do is told, not waited for.
        monkeypatch.setenv("BITWEIR_CACHE_DIR", str(tmp_path / "other"))
        monkeypatch.setattr(exploring._Search, "run", _broken)
        with pytest.raises(ToolError, match=r"^Broken\.$"), workers(None, local.scheduler_address):
            explore(network, GOALS, synth=False)
    monkeypatch.undo()
    monkeypatch.setenv("BITWEIR_CACHE_DIR", str(tmp_path / "third"))
    assert run(network) == found.to_dict()


def _broken(*_):
    raise ToolError("Broken.")


@pytest.fixture
def scheduler(tmp_path):
    """A scheduler in a process of its own, and its address."""
    file = tmp_path / "scheduler.json"
    words = ("distributed.cli.dask_scheduler", "--port", "0", "--no-dashboard", "--scheduler-file", str(file))
    with subprocess.Popen([sys.executable, "-m", *words], stderr=subprocess.DEVNULL) as process:
        try:
            while not file.exists() or not file.read_text():
                assert process.poll() is None
                time.sleep(0.1)
            yield process, json.loads(file.read_text())["address"]
        finally:
            process.kill()


@pytest.fixture
def worker(scheduler):
    """A worker of it, with one thread."""
    words = ("distributed.cli.dask_worker", scheduler[1], "--nthreads", "1", "--nworkers", "1", "--no-dashboard")
    with subprocess.Popen([sys.executable, "-m", *words], stderr=subprocess.DEVNULL) as process:
        yield process
        process.kill()


def test_a_scheduler_that_dies_ends_it(network, scheduler, worker, monkeypatch):
    process, address = scheduler

    def progress(share):
        if share == pytest.approx(3 / 10):
            process.kill()
            process.wait()

    with monkeypatch.context() as patch, pytest.raises(ToolError) as error, workers(None, address):
        # All work is done by the worker.
        fails(patch)
        explore(network, GOALS, synth=False, progress=shown(progress))
    assert str(error.value) == (
        f"The Dask scheduler at {address!r} is lost; results so far are kept: start it again, and repeat the command "
        "to go on."
    )
    shares, told = [], []
    with workers(1, None):
        explore(network, GOALS, synth=False, progress=shown(shares.append, told.append))
    assert re.fullmatch(r"trial \d+ of \d+", told[0]) and len(set(told[-1].split()[1::2])) == 1
    # The fastest plans of both parts, and those of the second step that had come.
    assert shares[0] == 1.0 and shares[1] >= 3 / 10 - 1e-9


def test_a_scheduler_without_workers(scheduler, network, monkeypatch):
    monkeypatch.setattr(cluster, "CONNECT_SECONDS", 1)
    _, address = scheduler
    with pytest.raises(ToolError) as error, workers(None, address):
        pass
    assert str(error.value) == (
        f"The Dask scheduler at {address!r} has no workers: start some with dask worker {address}."
    )


def test_workers_that_die(network, scheduler, worker, monkeypatch):
    monkeypatch.setattr(cluster, "LOOK_SECONDS", 1)
    _, address = scheduler

    def progress(share):
        if worker.poll() is None:
            worker.terminate()
            worker.wait()

    with pytest.raises(ToolError) as error, workers(None, address):
        explore(network, GOALS, synth=False, progress=shown(progress))
    assert str(error.value) == (
        f"The Dask scheduler at {address!r} has no workers left; results so far are kept: start some with dask worker "
        f"{address}, and repeat the command to go on."
    )
