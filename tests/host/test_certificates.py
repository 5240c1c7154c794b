"""The certificate in a build folder: there for each design, and nothing else passes for it."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import bitweir
import pytest
from bitweir import certificates
from bitweir.certificates import CERTIFICATE
from bitweir.chips import ChipsDesign
from bitweir.design import Design, DesignFolder
from bitweir.manifest import listed, write_manifest
from bitweir.target import Target
from bitweir_hw.errors import FileError, PlanError
from bitweir_hw.lower import lower
from bitweir_hw.network.cuts import split
from bitweir_hw.plan import Folding, Plan
from bitweir_sim import deadlock
from bitweir_sim.deadlock import Certificate, check_certificate
from hypothesis import given
from hypothesis import strategies as st
from support.residuals import residual_network
from support.samples import dense_network

NETWORK = residual_network(2)
PLAN = Plan(foldings=tuple(Folding(simd=simd, pe=2) for simd in (18, 18, 2)))
SHALLOW = replace(PLAN, depths=(("sum0_fifo0", 2), ("sum0_fifo1", 2)))
JAMS = (
    "The accelerator jams with the depths of its plan: its FIFO 'sum0_fifo1' must hold at least 9 beats, not 2; "
    "bitweir generate finds depths that cost no cycle."
)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return Design.fitted(NETWORK, PLAN).write(tmp_path_factory.mktemp("built") / "build").folder


@pytest.fixture
def folder(built, tmp_path):
    return Path(shutil.copytree(built, tmp_path / "build"))


def change(folder, **fields):
    """Write other fields into the certificate, and list it, as a sender of the folder can."""
    path = folder / CERTIFICATE
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))
    write_manifest(folder)


def refused(folder, error=FileError):
    """What opening and lowering are refused with."""
    with pytest.raises(error) as told:
        DesignFolder.open(folder).pipeline  # noqa: B018
    return str(told.value)


def other(path: Path) -> str:
    return f"'{path}' is that of another accelerator: make the folder again with bitweir generate."


def test_each_folder_holds_the_certificate_of_its_design(folder):
    design = Design.fitted(NETWORK, PLAN)
    assert CERTIFICATE in listed(folder)
    tree = json.loads((folder / CERTIFICATE).read_text())
    check_certificate(design.pipeline, Certificate(tuple(map(tuple, tree["state"]))))
    assert len(tree["state"]) == len(design.pipeline.nodes) and not tree["instead"]
    assert "No pattern of stalls makes the accelerator jam" in (folder / "README.md").read_text()
    # Opening it checks it, once the plan is lowered.
    assert DesignFolder.open(folder).pipeline.streams == design.pipeline.streams


def test_a_plan_that_jams_is_not_written(tmp_path):
    with pytest.raises(PlanError) as told:
        Design(network=NETWORK, plan=SHALLOW).write(tmp_path / "build")
    assert str(told.value) == JAMS
    assert not list(tmp_path.iterdir())


def test_a_folder_without_one(folder):
    (folder / CERTIFICATE).unlink()
    assert refused(folder) == (
        f"Build folder '{folder}' is incomplete, as it has no certificate.json: make it again with bitweir generate."
    )
    # As earlier versions wrote it.
    write_manifest(folder)
    assert refused(folder) == (
        f"Build folder '{folder}' has no certificate.json, as those of earlier versions of bitweir: make it again with "
        "bitweir generate."
    )


def test_one_that_was_edited(folder):
    path = folder / CERTIFICATE
    path.write_text(path.read_text().replace("[0,", "[1,", 1))
    assert refused(folder) == (
        f"In build folder '{folder}', 'certificate.json' is not what bitweir wrote there: make it again with bitweir "
        "generate."
    )


@pytest.mark.parametrize(
    ("network", "plan"), [(NETWORK, replace(PLAN, depths=(("sum0_fifo1", 40),))), (residual_network(2, seed=2), PLAN)]
)
def test_one_of_another_plan_or_network(folder, tmp_path, network, plan):
    text = (Design.fitted(network, plan).write(tmp_path / "other").folder / CERTIFICATE).read_bytes()
    (folder / CERTIFICATE).write_bytes(text)
    write_manifest(folder)
    assert refused(folder) == other(folder / CERTIFICATE)


@pytest.mark.parametrize("state", [None, [], [[0]], [[1, 0]]])
def test_one_that_a_replay_does_not_confirm(folder, state):
    change(folder, state=state)
    # It names the network and the plan, so what needs no cycles is served.
    assert DesignFolder.open(folder).network.name == "net"
    assert refused(folder) == other(folder / CERTIFICATE)


def test_one_for_a_plan_that_jams(folder, tmp_path, monkeypatch):
    """With the digests of the plan that jams, and the state of one that does not."""
    monkeypatch.setattr(certificates, "certificate", lambda pipeline: Certificate(((0,),)))
    monkeypatch.setattr(Design, "timing", Design.fitted(NETWORK, PLAN).timing)
    forged = Design(network=NETWORK, plan=SHALLOW).write(tmp_path / "forged").folder
    change(forged, state=json.loads((folder / CERTIFICATE).read_text())["state"])
    assert refused(forged, PlanError) == JAMS


def test_frames_that_are_too_large(tmp_path, monkeypatch):
    monkeypatch.setattr(deadlock, "LARGEST", 10)
    folder = Design.fitted(NETWORK, PLAN).write(tmp_path / "build").folder
    tree = json.loads((folder / CERTIFICATE).read_text())
    assert tree["state"] is None
    beats = sum(stream.beats for stream in lower(NETWORK, PLAN).streams)
    assert tree["instead"] == (
        f"A frame has {beats} beats on all streams, more than 10: too many for a certificate. By the cycle model "
        "nothing jams, and frames follow every 16 cycles."
    )
    assert "`certificate.json` says why there is no" in (folder / "README.md").read_text()
    assert DesignFolder.open(folder).pipeline
    # Nor is a state of so many beats replayed.
    change(folder, state=[[0]])
    assert refused(folder) == other(folder / CERTIFICATE)


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", "null", '{"format": 1}', "[" * 10**5, '{"state": [[' + "9" * 5000 + "]]}", "\x00"]
)
def test_what_is_no_certificate(folder, text):
    (folder / CERTIFICATE).write_text(text)
    write_manifest(folder)
    assert refused(folder) == (f"'{folder / CERTIFICATE}' is damaged: make the folder again with bitweir generate.")


def test_one_that_is_too_long_is_not_read(folder, monkeypatch):
    monkeypatch.setattr(certificates, "read", lambda *_: pytest.fail("it is read"))
    with (folder / CERTIFICATE).open("ab") as file:
        file.truncate(certificates._LIMIT_BYTES + 1)
    write_manifest(folder)
    assert "is damaged" in refused(folder)


def test_one_of_another_version(folder):
    change(folder, version=2)
    assert refused(folder) == (
        f"'{folder / CERTIFICATE}' is no certificate of version 1: make the folder again with bitweir generate."
    )


@given(st.lists(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=8), max_size=9))
def test_states_of_somebody_else(built, state):
    design = DesignFolder.open(built).design
    claim = replace(design.claim, state=tuple(map(tuple, state)))
    with pytest.raises(FileError, match="is that of another accelerator"):
        claim.check(design.pipeline)


def test_a_long_replay_is_not_repeated_on_one_machine(tmp_path, monkeypatch):
    monkeypatch.setenv("BITWEIR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(certificates, "_QUICK", 0)
    folder = Design.fitted(NETWORK, PLAN).write(tmp_path / "build").folder
    replays = []
    monkeypatch.setattr(certificates, "check_certificate", lambda *words: replays.append(words))
    DesignFolder.open(folder).pipeline  # noqa: B018
    assert not replays
    # On another one it is, once.
    monkeypatch.setenv("BITWEIR_CACHE_DIR", str(tmp_path / "empty"))
    for _ in range(2):
        DesignFolder.open(folder).pipeline  # noqa: B018
        assert len(replays) == 1
    # And so is another state.
    change(folder, state=[[0]])
    DesignFolder.open(folder).pipeline  # noqa: B018
    assert len(replays) == 2


def test_without_a_cache_it_is_replayed_each_time(folder, tmp_path, monkeypatch):
    (tmp_path / "cache").mkdir(mode=0o777)
    (tmp_path / "cache").chmod(0o777)
    monkeypatch.setenv("BITWEIR_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(certificates, "_QUICK", 0)
    change(folder, state=[[0]])
    for _ in range(2):
        assert refused(folder) == other(folder / CERTIFICATE)


def test_several_chips_have_one_of_the_whole(tmp_path):
    network = dense_network(12, 8, 6)
    plans = [Plan(foldings=(Folding(pe=4, simd=6),)) for _ in split(network, [1])]
    folder = ChipsDesign.fitted(network, [1], plans, [Target(), Target()]).write(tmp_path / "chips").folder
    opened = bitweir.open_chips(folder)
    tree = json.loads((folder / CERTIFICATE).read_text())
    assert len(tree["state"]) == len(opened.design.pipeline.nodes)
    one, two = (json.loads((folder / f"chip{n}" / CERTIFICATE).read_text()) for n in range(2))
    assert len(tree["state"]) > len(one["state"]) + len(two["state"])
    change(folder, state=[[0]])
    with pytest.raises(FileError) as told:
        bitweir.open_chips(folder).design.pipeline  # noqa: B018
    assert str(told.value) == other(folder / CERTIFICATE)
    change(folder, network=one["network"])
    with pytest.raises(FileError) as told:
        bitweir.open_chips(folder)
    assert str(told.value) == other(folder / CERTIFICATE)
    (folder / CERTIFICATE).unlink()
    with pytest.raises(FileError, match="certificate.json' is missing, or not what bitweir wrote there"):
        bitweir.open_chips(folder)
