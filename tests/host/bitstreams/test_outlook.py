"""What no router can do is refused before anything is synthesised."""

import re
from dataclasses import replace

import pytest
from bitweir.bitstreams import build as building
from bitweir.bitstreams.build import build_for_board
from bitweir.bitstreams.outlook import check_clock, check_size
from bitweir.design import Design
from bitweir.planning import PlanRequest
from bitweir_hw.boards import BOARDS
from bitweir_hw.cost import estimate_pipeline, fmax, fmax_error
from bitweir_hw.errors import PlanError
from bitweir_hw.plan import plan_from_foldings
from bitweir_hw.popcount import Popcount
from support.samples import dense_network

BOARD = BOARDS["icebreaker"]


def design(foldings, *, sizes=(16, 8, 4), levels=1):
    network = dense_network(*sizes)
    return Design.fitted(network, plan_from_foldings(network, foldings, popcount=Popcount.of("ice40", levels)))


def test_a_design_of_twice_the_part_is_refused_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(building, "write_bitstream", lambda *_, **__: pytest.fail("it was synthesised"))
    network = dense_network(256, 128, 4)
    with pytest.raises(PlanError, match=r"does not fit 1BitSquared iCEBreaker: [\d,]+ LUT sites are estimated") as told:
        build_for_board(network, PlanRequest(board="icebreaker", folding="256x128,4x4"), tmp_path / "out")
    assert "its part has 5,280. Take fewer lanes (--folding)" in str(told.value)


def test_what_may_fit_is_left_to_the_router():
    check_size(design("4x2,4x2"), BOARD)
    # A little more than the part has, by an estimate that may be too high by as much.
    close = design("16x8,8x4")
    sites = estimate_pipeline(close.pipeline, "ice40")[1].sites
    part = replace(BOARD.part, name="small", luts=int(sites / 1.1))
    check_size(close, replace(BOARD, name="small", part=part))


@pytest.mark.parametrize("levels", [1, 2])
def test_a_clock_far_out_of_reach_is_refused_with_the_reason(levels):
    found = design("4x2,4x2", levels=levels)
    estimate, error = fmax(found.pipeline, BOARD.part), fmax_error(BOARD.part)
    check_clock(found, BOARD, None)
    check_clock(found, BOARD, estimate * (1 + error))
    with pytest.raises(PlanError) as told:
        check_clock(found, BOARD, 300e6)
    text = str(told.value)
    assert re.match(
        r"A clock of 27\d\.\d\d MHz \(the next that 1BitSquared iCEBreaker makes of 300\) is out of reach", text
    )
    assert f"{estimate / 1e6:.4g} MHz are estimated" in text
    assert ("--stage-levels 1" in text) == (levels != 1)
