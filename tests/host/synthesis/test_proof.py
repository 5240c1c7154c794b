"""Proofs about mapped netlists: they hold, and a netlist that synthesis made wrong is refuted."""

from __future__ import annotations

import copy
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bitweir import accelerator, api
from bitweir.cli import main
from bitweir.design import write_design
from bitweir.folders import added_file
from bitweir.report.collect import schema
from bitweir.synthesis import measure
from bitweir.synthesis.measure import synthesise
from bitweir.synthesis.proof import GLUE, prove_netlist
from bitweir.synthesis.results import Proof
from bitweir_hw.errors import PlanError, ToolError
from bitweir_hw.plan import Folding, Plan
from bitweir_hw.popcount import Popcount
from click.testing import CliRunner
from support.samples import dense_network
from support.schemas import validate


@pytest.fixture(scope="module")
def proved(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """An accelerator of ECP5's carry cells, synthesised and proved; what was given to the proof."""
    folder = tmp_path_factory.mktemp("proof")
    plan = Plan(foldings=(Folding(pe=1, simd=16), Folding(pe=3, simd=4)), popcount=Popcount(style="ecp5"))
    build = write_design(dense_network(32, 6, 3), plan, folder / "build")
    given: dict[str, Any] = {}

    def kept(work: Path, **arguments: Any) -> Any:
        given.update(copy.deepcopy({**arguments, "told": None}))
        given["proof"] = prove_netlist(work, **arguments)
        return given["proof"]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "prove_netlist", kept)
        given["measured"] = synthesise(build, "ecp5", prove=True)
    given["build"] = build
    return given


def again(proved: dict[str, Any], netlist: dict[str, Any], folder: Path) -> dict[str, str]:
    """Results of the proofs for another netlist."""
    kept = {key: proved[key] for key in ("top", "modules", "family", "sources", "ports")}
    found = prove_netlist(folder, netlist=netlist, **kept)
    for proof in found.values():
        # Whoever looks for the fault needs the inputs.
        assert (proof.result == "refuted") == ("broken in the last cycle" in proof.told)
    return {name: proof.result for name, proof in found.items()}


def test_blocks_and_what_joins_them_are_proved(proved: dict[str, Any]) -> None:
    results = {name: proof.result for name, proof in proved["proof"].items()}
    assert results.keys() == {*proved["measured"].blocks, GLUE}
    assert set(results.values()) == {"proved"}
    kept = json.loads((proved["build"].folder / "synthesis-ecp5.json").read_text())["proof"]
    assert kept["argmax"]["result"] == "proved" and proved["measured"].refuted == []


def test_a_carry_cell_that_is_lost_is_found(proved: dict[str, Any], tmp_path: Path) -> None:
    # What abc9 of Yosys 0.70 does now and then: the highest cell of a chain is gone, and its sum is 0.
    netlist = copy.deepcopy(proved["netlist"])
    cells = netlist["net__dense0"]["cells"]
    used = {bit for cell in cells.values() for bit in cell["connections"].get("CIN", ())}
    lost = [
        name for name, cell in cells.items()
        if cell["type"] == "CCU2C" and not used & set(cell["connections"].get("COUT", ()))
    ]  # fmt: skip
    pins = cells.pop(lost[0])["connections"]
    gone = [bit for pin in ("S0", "S1") for bit in pins.get(pin, ())]
    for cell in cells.values():
        for pin, bits in cell["connections"].items():
            cell["connections"][pin] = ["0" if bit in gone else bit for bit in bits]
    results = again(proved, netlist, tmp_path)
    assert results.pop("dense0") == "refuted"
    assert set(results.values()) == {"proved"}


def test_a_wrong_table_is_found(proved: dict[str, Any], tmp_path: Path) -> None:
    netlist = copy.deepcopy(proved["netlist"])
    cell = next(cell for cell in netlist["net__argmax"]["cells"].values() if cell["type"] == "LUT4")
    table = int(cell["parameters"]["INIT"], 2)
    cell["parameters"]["INIT"] = f"{table ^ 0xFFFF:016b}"
    results = again(proved, netlist, tmp_path)
    assert results.pop("argmax") == "refuted"
    assert set(results.values()) == {"proved"}


def test_wires_between_blocks_that_were_swapped_are_found(proved: dict[str, Any], tmp_path: Path) -> None:
    netlist = copy.deepcopy(proved["netlist"])
    pins = netlist["net"]["cells"]["dense1"]["connections"]
    pins["i__payload"] = pins["i__payload"][1:] + pins["i__payload"][:1]
    results = again(proved, netlist, tmp_path)
    assert results.pop(GLUE) == "refuted"
    assert set(results.values()) == {"proved"}


def test_a_family_without_models_is_told_before_synthesis(proved: dict[str, Any]) -> None:
    told = r"^There are no models of the cells of nexus, only of those of ecp5, ice40, gowin, xilinx\.$"
    plan = Plan(foldings=(Folding(pe=1, simd=16), Folding(pe=3, simd=4)))
    build = write_design(dense_network(32, 6, 3), plan, proved["build"].folder.parent / "other")
    with pytest.raises(ToolError, match=told):
        synthesise(build, "nexus", prove=True)
    assert not (build.folder / "synthesis-nexus.json").exists()


@pytest.mark.parametrize(("result", "code"), [("refuted", 9), ("unknown", 0), ("proved", 0)])
def test_the_command_tells_what_is_not_proved(
    proved: dict[str, Any], monkeypatch: pytest.MonkeyPatch, result: Any, code: int
) -> None:
    folder = proved["build"].folder

    def measured(build: Any, family: str, **given: Any) -> None:
        assert (family, given["prove"]) == ("ecp5", True)
        proof = {
            "dense0": Proof(result=result, told="why", seconds=1),
            GLUE: Proof(result="proved", told="", seconds=1),
        }
        found = replace(proved["measured"], proof=proof)
        added_file(folder / "synthesis-ecp5.json", json.dumps(found.to_dict()).encode())

    monkeypatch.setattr(accelerator, "_synthesise", measured)
    run = CliRunner().invoke(main, ["report", str(folder), "--synth", "ecp5", "--prove"])
    assert run.exit_code == code, run.output
    assert {"unknown": "not proved"}.get(result, result) in run.stdout
    assert ("it does not in dense0: do not use it" in run.stderr) == (code == 9)
    run = CliRunner().invoke(main, ["report", str(folder), "--synth", "ecp5", "--prove", "--json"])
    told = json.loads(run.stdout)
    validate(told, schema())
    assert told["synthesis"]["ecp5"]["proof"]["dense0"] == {"result": result, "told": "why", "seconds": 1}
    assert run.exit_code == code


def test_a_proof_is_about_a_family(proved: dict[str, Any]) -> None:
    run = CliRunner().invoke(main, ["report", str(proved["build"].folder), "--prove"])
    assert run.exit_code == 2 and "name one with --synth" in run.stderr
    with pytest.raises(PlanError, match=r"^A proof is about the netlist of a family: name one to synthesise for\.$"):
        api.open(proved["build"].folder).report(prove=True)


def test_a_solver_that_is_missing_is_told_before_synthesis(monkeypatch, proved):
    monkeypatch.setitem(sys.modules, "pysat", None)
    monkeypatch.setattr(measure, "run_yosys", lambda *_, **__: pytest.fail("Yosys has started"))
    with pytest.raises(ToolError, match=r"^Proofs need the package python-sat: pip install 'bitweir\[prove\]'\.$"):
        synthesise(proved["build"], "ecp5", prove=True)
