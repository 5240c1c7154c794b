"""Delays that are fitted to routed designs: known ones are found again, and errors are those of what no fit saw."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from bitweir_hw.cost import fmax
from bitweir_hw.cost.speed import delays
from bitweir_hw.parts import PARTS

import tools.calibrate_clock.__main__ as tool
from tools.calibrate_clock.designs import DESIGNS, Routing
from tools.calibrate_clock.fit import NAMES, Case, case_of, fit, left_out, predicted
from tools.calibrate_clock.harness import CHIPS, Routed, key_of, paths_of, text_of

BEFORE = np.array([getattr(delays("ecp5-25k"), name) for name in NAMES])
SMALL = Routing(network="mlp", plan="8x4,8x2,8x1", levels=1, chip="icebreaker")


def drawn(count, true, *, seed=1, noise=0.0):
    """Designs whose clock some delays determine, more or less."""
    rng = np.random.default_rng(seed)
    cases = []
    for number in range(count):
        paths = rng.integers(0, 4, (6, len(NAMES))).astype(float)
        paths[:, NAMES.index("multiplier")] = 0
        times = paths @ true
        mhz = 1e3 / times.max() * np.exp(noise * rng.standard_normal())
        own = np.zeros(6, bool)
        own[times.argmax()] = True
        cases.append(Case(name=f"{number}", mhz=mhz, paths=paths, own=own))
    return cases


def test_known_delays_promise_the_same_clocks():
    rng = np.random.default_rng(3)
    true = BEFORE * np.exp(0.4 * rng.standard_normal(len(BEFORE)))
    cases = drawn(16, true)
    found = fit(cases, BEFORE)
    worst = max(abs(predicted(found, case) / case.mhz - 1) for case in cases)
    assert worst < 0.06 < max(abs(predicted(BEFORE, case) / case.mhz - 1) for case in cases)
    # Of multipliers no design says anything.
    at = NAMES.index("multiplier")
    assert found[at] == BEFORE[at] and (found >= 0).all()


def test_one_design_that_is_far_off_does_not_bend_the_others():
    cases = drawn(16, BEFORE)
    wrong = Case(name="wrong", mhz=cases[0].mhz / 3, paths=cases[0].paths, own=cases[0].own)
    found = fit([*cases[1:], wrong], BEFORE)
    assert np.median([abs(predicted(found, case) / case.mhz - 1) for case in cases[1:]]) < 0.05


def test_errors_are_those_of_designs_that_no_fit_saw():
    cases = drawn(12, BEFORE)
    odd = Case(name="odd", mhz=cases[0].mhz / 2, paths=cases[0].paths, own=cases[0].own)
    errors = left_out([*cases[1:], odd], BEFORE)
    assert max(map(abs, errors[:-1])) < 0.15 and errors[-1] == pytest.approx(1, abs=0.2)


def test_there_are_enough_designs_of_each_kind():
    assert len(DESIGNS) >= 16 and len({design.name for design in DESIGNS}) == len(DESIGNS)
    kinds = [PARTS[CHIPS[design.chip].part_name].speed for design in DESIGNS]
    assert {kind: kinds.count(kind) >= 3 for kind in kinds} == dict.fromkeys(("ecp5", "up", "hx", "gw1n", "gw2a"), True)


def test_what_was_routed_is_kept_and_not_routed_again(monkeypatch, tmp_path):
    monkeypatch.setattr(tool, "RECORDS", tmp_path / "routed.json")
    pipeline, calls = SMALL.pipeline(), []
    text = text_of(pipeline)
    for block in pipeline.blocks:
        assert f"top.device.accelerator.{block.name}" in text

    def route(*_):
        calls.append(1)
        return Routed(mhz=50.0, start="dense0", end="dense0", logic=8.0, wires=12.0, cells={}, seconds=1.0)

    monkeypatch.setattr(tool, "route", route)
    first = tool._one(SMALL)
    tool._keep(first)
    assert json.loads((tmp_path / "routed.json").read_text()) == [json.loads(json.dumps(first))]
    assert first["key"] == key_of(text, CHIPS["icebreaker"]) and first["part"] == "ice40-up5k"
    assert tool._one(SMALL)["routed"] == first["routed"] and len(calls) == 1
    # Another tool, another result.
    monkeypatch.setattr(tool, "key_of", lambda text, chip: "other")
    assert tool._one(SMALL)["key"] == "other" and len(calls) == 2


def test_a_record_is_a_case_with_the_estimate_of_the_cost_model():
    pipeline = SMALL.pipeline()
    routed = Routed(mhz=50.0, start="dense0", end="dense1", logic=8.0, wires=12.0, cells={}, seconds=1.0)
    record = {"name": "x", "paths": paths_of(pipeline, "ice40"), "routed": asdict(routed)}
    case = case_of(json.loads(json.dumps(record)))
    values = np.array([getattr(delays("ice40-up5k"), name) for name in NAMES])
    assert predicted(values, case) == pytest.approx(fmax(pipeline, "ice40-up5k") / 1e6, rel=1e-9)
    assert 0 < case.own.sum() < len(case.own)
