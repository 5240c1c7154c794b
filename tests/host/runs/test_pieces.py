"""Simulations in pieces: they equal one run, go on after an interruption, and name the first difference of all."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from importlib import resources
from pathlib import Path

import bitweir.runs.engines as engines
import bitweir.runs.pieces as pieces
import distributed
import numpy as np
import pytest
from bitweir.cli import main
from bitweir.design import Design
from bitweir.folders import FileError
from bitweir.images import as_images
from bitweir.jobs import workers
from bitweir.runs import simulate
from bitweir.runs.simulation import WeightMemory
from bitweir_hw.errors import PlanError, ToolError
from bitweir_hw.network import BIPOLAR, Dense, Input, Network, check
from bitweir_hw.plan import plan_from_foldings
from bitweir_sim.cache import cache_folder
from bitweir_sim.simulators.cocotb import available
from bitweir_sim.simulators.compiled import compiler_missing
from bitweir_sim.trace import SimulationError
from bitweir_sim.values import fast
from bitweir_sim.values.encoding import Codes
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

NETWORKS = Path(str(resources.files("bitweir.networks")))
needs_compiler = pytest.mark.skipif(compiler_missing() is not None, reason=str(compiler_missing()))
#: What a run in pieces has in common with one run.
SAME = (
    "engine", "images", "rounded", "accuracy", "cycles_per_frame", "cycles_per_frame_from", "latency_cycles",
    "clock_mhz", "frames_per_second", "mismatches", "first_mismatch",
)  # fmt: skip


def small(frames=1, folding="3x2"):
    entry = Input(shape=(9,), format=BIPOLAR, thresholds=np.array([[0.5]]), source=np.arange(9), map_shape=(1, 1, 9))
    weights = np.random.default_rng(1).random((4, 9)) < 0.5
    network = check(Network(name="net", input=entry, layers=(Dense(name="dense", weights=weights),)))
    return Design(network=network, plan=plan_from_foldings(network, folding, parallel_frames=frames))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BITWEIR_CACHE_DIR", str(tmp_path / "cache"))


def images_of(design, count, *, labels=False):
    bits = np.random.default_rng(count).integers(0, 2, (count, 9))
    y = np.random.default_rng(0).integers(0, 4, count) if labels else None
    return as_images(design.network, Codes(bits), y)


def kept():
    return sorted(path.name for path in cache_folder().glob("simulation-*") if path.is_dir())


def changed(monkeypatch, change):
    """Let a function change or refuse the run of each piece on the golden engine."""
    make = engines.ENGINES["golden"]

    def runner(design, waves, weights):
        run = make(design, waves, weights)
        return lambda images, progress: change(run, images, progress)

    monkeypatch.setitem(engines.ENGINES, "golden", runner)


@needs_compiler
def test_pieces_equal_one_run():
    design = small(frames=2)
    images = images_of(design, 301, labels=True)
    one = simulate(design, images)
    many = simulate(design, images, jobs=2)
    for name in SAME:
        assert one.to_dict()[name] == many.to_dict()[name], name
    np.testing.assert_array_equal(one.result.scores, many.result.scores)
    np.testing.assert_array_equal(one.result.classes, many.result.classes)
    assert one.mismatches == 0 and many.trace is None and many.resumed == 0 and one.pieces == 1 < many.pieces
    # Each piece fills the pipeline once more.
    assert one.simulated_cycles < many.simulated_cycles < 2 * one.simulated_cycles
    assert not kept()


@given(st.data())
def test_images_are_cut_into_pieces(data):
    frames, count, at_once = (data.draw(st.integers(1, last)) for last in (3, 200, 5))
    design = small(frames)
    work = pieces.Work(design=design, engine="golden", weights=pieces.Weights(supplies={}, timing=design.timing))
    ends = sorted(data.draw(st.sets(st.integers(1, -(-count // frames)), max_size=6)))
    marks = [0, *(min(end * frames, count) for end in ends), count]
    done = [(a, b) for number, (a, b) in enumerate(zip(marks, marks[1:], strict=False)) if number % 2 and a < b]
    gaps = list(pieces._gaps(done, count))
    found = pieces.divided(gaps, work, at_once=at_once)
    covered = [image for a, b in done for image in range(a, b)]
    covered += [image for part in found for image in range(part.start, part.stop)]
    assert sorted(covered) == list(range(count))
    assert all(part.start % frames == 0 for part in found)
    # Nobody is idle while there are frames that go side by side.
    if not done:
        assert len(found) >= min(at_once, -(-count // frames)) or len({p.stop - p.start for p in found}) <= 2


def test_an_interrupted_run_goes_on(cache, monkeypatch):
    design = small()
    images = images_of(design, 400, labels=True)
    calls = []

    def interrupted(run, some, progress):
        calls.append(some.first)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return run(some, progress)

    with monkeypatch.context() as patch:
        changed(patch, interrupted)
        with pytest.raises(KeyboardInterrupt):
            simulate(design, images, engine="golden", jobs=1)
    assert len(kept()) == 2
    # Another cut, as by another number of workers, and other images, which do not go on with these.
    monkeypatch.setattr(pieces, "_PIECES", 5)
    assert simulate(design, images_of(design, 401), engine="golden", jobs=1).resumed == 0
    shares = []
    whole = simulate(design, images, engine="golden", jobs=1, progress=shown(shares.append))
    assert 0 < whole.resumed < 400 and shares[0] == whole.resumed / 400 and shares[-1] == 1.0
    expected = fast.run(design.network, images.codes)
    np.testing.assert_array_equal(whole.result.scores, expected.scores)
    np.testing.assert_array_equal(whole.result.classes, expected.classes)
    assert whole.accuracy == (expected.classes == images.labels).mean()
    # There is an answer: the same call begins anew.
    assert not kept() and simulate(design, images, engine="golden", jobs=1).resumed == 0


def shown(look):
    @contextmanager
    def progress(what):
        yield look if what.startswith("Simulating") else lambda share: None

    return progress


def test_pieces_that_were_damaged_are_simulated_again(cache, monkeypatch):
    design = small()
    images = images_of(design, 200)

    def later_ones_fail(run, some, progress):
        if some.first >= 100:
            raise ToolError("Broken.")
        return run(some, progress)

    with monkeypatch.context() as patch, pytest.raises(ToolError, match=r"^Broken\.$"):
        changed(patch, later_ones_fail)
        simulate(design, images, engine="golden", jobs=1)
    before = kept()
    assert len(before) > 2
    for name, damage in zip(before, (lambda data: data[:-1], lambda data: b"", None), strict=False):
        if damage:
            file = cache_folder() / name / "arrays.npz"
            file.write_bytes(damage(file.read_bytes()))
    whole = simulate(design, images, engine="golden", jobs=1)
    sizes = [int(name.split("-")[-1]) - int(name.split("-")[-2]) for name in before]
    assert whole.resumed == sum(sizes) - sum(sizes[:2]) and whole.mismatches == 0
    np.testing.assert_array_equal(whole.result.scores, fast.run(design.network, images.codes).scores)


def test_what_a_journal_depends_on(cache):
    design, images = small(), images_of(small(), 20)
    work = pieces.Work(design=design, engine="golden", weights=pieces.Weights(supplies={}, timing=design.timing))
    other = small(folding="9x4")
    others = [
        (replace(work, engine="compiled"), images, "a"),
        (replace(work, design=other), images, "a"),
        (work, images_of(design, 21), "a"),
        (work, replace(images, codes=1 - images.codes), "a"),
        (work, images, "b"),
    ]
    names = {pieces.Journal.of(some, which, setting)._name for some, which, setting in [(work, images, "a"), *others]}
    assert len(names) == 6
    assert pieces.Journal.of(work, images, "a")._name in names


def test_the_first_difference_is_named(cache, monkeypatch):
    design, images = small(), images_of(small(), 100)

    def wrong(run, some, progress):
        found = run(some, progress)
        scores = found.result.scores.copy()
        for image in (77, 31, 90):
            if some.first <= image < some.first + len(some):
                scores[image - some.first, 2] += 2
        return replace(found, result=replace(found.result, scores=scores))

    changed(monkeypatch, wrong)
    run = pieces.run
    monkeypatch.setattr(pieces, "run", lambda *args, **named: reversed_closable(run(*args, **named)))
    found = simulate(design, images, engine="golden", jobs=1)
    right = int(fast.run(design.network, images.codes).scores[31, 2])
    assert found.mismatches == 3
    assert found.first_mismatch == f"image 31, score of class 2: expected {right}, found {right + 2}"


def reversed_closable(answers):
    yield from reversed(list(answers))


@pytest.mark.parametrize("order", [list, lambda answers: reversed(list(answers))])
def test_the_first_piece_that_fails_is_named(cache, monkeypatch, order):
    design, images = small(), images_of(small(), 100)

    def fails(run, some, progress):
        if any(some.first <= image < some.first + len(some) for image in (40, 77)):
            raise SimulationError(f"It hangs in {some.first}.")
        return run(some, progress)

    changed(monkeypatch, fails)
    run = pieces.run
    monkeypatch.setattr(pieces, "run", lambda *args, **named: (x for x in order(run(*args, **named))))
    with pytest.raises(SimulationError, match=r"^Images (\d+) to (\d+): It hangs in \1\.$") as error:
        simulate(design, images, engine="golden", jobs=1)
    first, last = (int(word.strip(":")) for word in str(error.value).split()[1:4:2])
    assert first <= 40 <= last
    # That is an answer.
    assert not kept()


@pytest.mark.skipif(available("icarus") is not None, reason=str(available("icarus")))
def test_cocotb_names_the_frame_among_all_images(monkeypatch):
    design = small()
    images = images_of(design, 24)
    build = engines.expected_trace
    monkeypatch.setattr(pieces, "_PIECES", 2)
    monkeypatch.setattr(engines, "_cocotb_simulator", lambda: "icarus")

    def wrong(network, pipeline, codes, **others):
        trace = build(network, pipeline, codes, **others)
        at = np.flatnonzero((codes == images.codes[17]).all(axis=1))
        if len(at):
            beats = pipeline.output.beats
            trace.streams["o"].payloads[int(at[0]) * beats] ^= np.uint64(1)
        return trace

    monkeypatch.setattr(engines, "expected_trace", wrong)
    with pytest.raises(SimulationError, match=r"^Images \d+ to \d+: The simulation differs: layer dense, frame 17, "):
        simulate(design, images, engine="cocotb", jobs=1)


def test_waves_need_one_run(tmp_path):
    design = small()
    with pytest.raises(FileError, match="leave out --waves, or --jobs"):
        simulate(design, images_of(design, 4), jobs=2, waves=tmp_path / "w.vcd")
    with pytest.raises(PlanError, match="leave out --weight-bandwidth"):
        simulate(design, images_of(design, 4), engine="golden", jobs=1, weight_memory=WeightMemory(bandwidth=1e6))


@needs_compiler
def test_workers_of_dask_compile_for_themselves(tmp_path, monkeypatch):
    """With a cache of their own: they get what a design is, and no path."""
    design = small()
    images = images_of(design, 60)
    one = simulate(design, images)
    monkeypatch.setenv("BITWEIR_CACHE_DIR", str(tmp_path / "theirs"))
    with distributed.LocalCluster(
        n_workers=1, threads_per_worker=2, processes=True, protocol="tcp", dashboard_address=None
    ) as cluster:
        monkeypatch.setenv("BITWEIR_CACHE_DIR", str(tmp_path / "ours"))
        many = simulate(design, images, scheduler=cluster.scheduler_address)
    for name in SAME:
        assert one.to_dict()[name] == many.to_dict()[name], name
    np.testing.assert_array_equal(one.result.scores, many.result.scores)
    assert many.pieces > 1
    assert any(name.startswith("direct-") for name in entries(tmp_path / "theirs"))
    assert not any(name.startswith(("direct-", "cxxrtl-")) for name in entries(tmp_path / "ours"))


def entries(folder):
    return [path.name for path in folder.iterdir()]


@needs_compiler
def test_the_command(tmp_path):
    design = small().write(tmp_path / "build")
    np.savez(tmp_path / "images.npz", codes=images_of(design, 50).codes)
    words = ["simulate", str(tmp_path / "build"), "--images", str(tmp_path / "images.npz"), "--jobs", "1"]
    result = CliRunner().invoke(main, [*words, "--json", "--save", str(tmp_path / "found.npz")])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["mismatches"] == 0 and told["images"] == 50 and told["pieces"] > 1 and told["resumed"] == 0
    assert "pieces, each from reset" in result.stderr
    wrong = CliRunner().invoke(main, [*words, "--waves", str(tmp_path / "w.vcd")])
    assert wrong.exit_code == 2 and "Error: Waveforms show one run, and pieces are several" in wrong.stderr
    both = CliRunner().invoke(main, [*words, "--scheduler", "tcp://127.0.0.1:1"])
    assert both.exit_code == 2 and "--jobs is for processes of this machine" in both.stderr


def test_dask_threads_are_workers(cache):
    design = small()
    with (
        distributed.LocalCluster(
            n_workers=1, threads_per_worker=3, processes=False, protocol="tcp", dashboard_address=None
        ) as cluster,
        workers(None, cluster.scheduler_address),
    ):
        assert pieces.at_once() == 3
    with workers(2, None):
        assert pieces.at_once() == 2
    assert pieces.at_once() == 1 and design.timing.latency > 0
