"""What `make prove` proves: a part of it, that planted faults are refuted, and that nothing is missing."""

from itertools import islice
from unittest.mock import patch

import pytest
from bitweir_hw.blocks import BLOCKS, ChainSpec, FifoSpec
from bitweir_sim.formal import Verdict

from tools.prove import orders, run, schedules, specs, streams
from tools.prove.claim import Case, Claim
from tools.prove.registry import CLAIMS
from tools.prove.table import BEGIN, END, PAGE, row, static

#: Of each claim, the quick cases that run here; `make prove` runs all.
PROOFS, FAULTS = 1, 1


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_some_cases_are_proved(claim):
    for case in islice((case for case in claim.cases() if case.quick), PROOFS):
        verdict = case.run()
        assert verdict.status == "proved", (case.name, verdict)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_planted_faults_are_refuted(claim):
    planted = list(claim.faults())
    assert planted, "a kind of proof that cannot fail proves nothing"
    for case in planted[:FAULTS]:
        verdict = case.run()
        assert verdict.status == "refuted", (case.name, verdict)
        assert verdict.trace is None or verdict.trace.table()


def test_every_kind_of_block_is_proved():
    # A new kind of block belongs into the networks of `tools.prove.specs`.
    sampled = specs.sampled()
    kinds = {block.spec for block in BLOCKS} | {ChainSpec}
    assert {type(spec) for _, spec in sampled} == kinds
    (rules,) = streams.CLAIMS
    assert [case.name for case in rules.cases()] == [name for name, _ in sampled]
    (cycles,) = schedules.CLAIMS
    assert [case.name for case in cycles.cases()] == [name for name, _ in sampled]
    small = [spec for _, spec in sampled if not schedules.large(spec)]
    assert set(map(type, small)) == kinds
    assert len(small) > 0.9 * len(sampled)


def test_the_page_is_up_to_date():
    table = PAGE.read_text(encoding="utf-8").split(BEGIN)[1].split(END)[0]
    rows = [line for line in table.splitlines() if "**" in line]
    assert [line[: line.rstrip("| ").rindex("|") + 1] for line in rows] == [static(claim) for claim in CLAIMS]


def test_unknown_is_never_right():
    def told(status):
        return lambda: Verdict(status=status, method="", tool="", seconds=0)

    cases = [Case(name=status, run=told(status)) for status in ("proved", "refuted", "unknown")]
    claim = Claim(
        name="c", says="", parameters="", method="", tool="", fault="", cases=lambda: cases, faults=lambda: cases
    )
    with patch.object(run, "CLAIMS", (claim,)):
        ((_, found),) = run.results()
    assert [result.right for result in found] == [True, False, False, False, True, False]
    assert "proved 1 of 3, planted faults refuted 1 of 3" in row(claim, found)


def test_a_run_of_all_has_more_cases():
    def case(name, **extent):
        return Case(name=name, run=lambda: Verdict(status="proved", method="", tool="", seconds=0), **extent)

    cases = [case("some", quick=True), case("more"), case("all", thorough=True)]
    claim = Claim(name="c", says="", parameters="", method="", tool="", fault="", cases=lambda: cases, faults=list)

    def names(**extent):
        ((_, found),) = run.results(**extent)
        return [result.case for result in found]

    with patch.object(run, "CLAIMS", (claim,)):
        assert names(quick=True) == ["some"]
        assert names() == ["some", "more"]
        assert names(thorough=True) == ["some", "more", "all"]


def test_every_kind_that_moves_data_is_followed():
    moving = {block.spec for block in BLOCKS if block.group == "move"}
    # FIFOs have a claim of their own.
    assert moving - {FifoSpec} <= set(orders.MOVES)
    for claim in orders.CLAIMS:
        names = " ".join(case.name for case in claim.cases())
        assert all(kind.__name__.removesuffix("Spec").lower() in names for kind in orders.MOVES)
