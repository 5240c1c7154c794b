"""Build folders from somebody else: nothing in them runs, and parts that do not belong together are told."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import bitweir.design as building
import numpy as np
import pytest
from bitweir.cli import main
from bitweir.design import Design, DesignFolder, write_design
from bitweir.folders import FileError
from bitweir.manifest import MANIFEST, write_manifest
from bitweir_hw.accelerator import accelerator_rtlil, rtlil_to_verilog
from bitweir_hw.errors import BitweirError, NetworkError
from bitweir_hw.files import load_network, network_bytes, plan_text, save_network
from bitweir_hw.lower import with_loadable_parameters
from bitweir_hw.network import BIPOLAR, Dense, Network, check
from bitweir_hw.network.names import LONGEST_NAME
from bitweir_hw.plan import Folding, Plan
from bitweir_hw.tools import yosys
from bitweir_sim.simulators.compiled import compiler_missing
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from support.samples import dense_network
from support.strategies import identity_input

needs_compiler = pytest.mark.skipif(compiler_missing() is not None, reason=str(compiler_missing()))
PLAN = Plan(foldings=(Folding(pe=2, simd=8), Folding(pe=3, simd=4)))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with parameters in RAM and a wrapper: all parts that there are."""
    network = dense_network(16, 4, 3)
    plan = with_loadable_parameters(network, PLAN)
    return write_design(network, plan, tmp_path_factory.mktemp("built") / "build", axi=4).folder


@pytest.fixture
def folder(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "build"))


@pytest.fixture
def images(tmp_path: Path) -> Path:
    np.savez(tmp_path / "images.npz", codes=np.zeros((2, 16), np.int8))
    return tmp_path / "images.npz"


def ends(code: int, *words: object) -> str:
    """A command that fails; its last line."""
    done = CliRunner().invoke(main, list(map(str, words)))
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == code, done.output
    return done.stderr.splitlines()[-1]


def commands(folder: Path, images: Path) -> list[list[object]]:
    """All that read a build folder."""
    out = images.parent / "out.bin"
    return [
        ["report", folder],
        ["simulate", folder, "--images", images],
        ["simulate", folder, "--images", images, "--engine", "cocotb"],
        ["simulate", folder, "--images", images, "--engine", "golden"],
        ["run", f"sim:{folder}", "--images", images],
        ["run", f"golden:{folder}", "--images", images],
        ["simboard", folder],
        ["parameters", folder, folder / "network.npz", "-o", out],
        ["load", f"sim:{folder}", folder / "parameters.bin"],
    ]


@pytest.fixture
def quarantine(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """No tool may see a word of the folder: what Yosys was given."""
    seen: list[str] = []
    run = yosys._YOSYS.run

    def watched(self: object, arguments: list[str], folder: Path) -> object:
        seen.extend(path.read_text(errors="replace") for path in folder.iterdir() if path.is_file())
        return run(arguments, folder)

    monkeypatch.setattr(type(yosys._YOSYS), "run", watched)
    return seen


# ---- parts that do not belong together


def other_network(folder: Path) -> None:
    save_network(dense_network(16, 4, 3, seed=2), folder / "network.npz")


def other_plan(folder: Path) -> None:
    (folder / "plan.json").write_text(plan_text(PLAN))


def edited(name: str):
    def edit(folder: Path) -> None:
        with (folder / name).open("ab") as file:
            file.write(b"\n")

    return edit


PARTS = [
    (other_network, "network.npz"),
    (other_plan, "plan.json"),
    (edited("net.v"), "net.v"),
    (edited("net_axi.v"), "net_axi.v"),
    (edited("parameters.bin"), "parameters.bin"),
]


@pytest.mark.parametrize(("change", "part"), PARTS)
def test_every_command_names_the_part_that_does_not_belong(folder, images, change, part):
    change(folder)
    told = (
        f"bitweir: In build folder '{folder}', '{part}' is not what bitweir wrote there: "
        "make it again with bitweir generate."
    )
    for words in commands(folder, images):
        assert ends(7, *words) == told


def test_several_parts_are_named(folder, images):
    for change, _ in PARTS:
        change(folder)
    told = (
        f"bitweir: In build folder '{folder}', 'net.v', 'net_axi.v', 'network.npz', 'parameters.bin', 'plan.json' are "
        "not what bitweir wrote there: make it again with bitweir generate."
    )
    assert ends(7, "report", folder) == told


@pytest.mark.parametrize("part", ["net.v", "net_axi.v", "parameters.bin"])
def test_a_missing_part_is_named(folder, images, part):
    (folder / part).unlink()
    told = f"bitweir: Build folder '{folder}' is incomplete, as it has no {part}: make it again with bitweir generate."
    for words in commands(folder, images):
        if words[0] != "load":
            assert ends(7, *words) == told


def test_a_part_that_was_never_written_is_named(tmp_path, built):
    folder = write_design(dense_network(16, 4, 3), PLAN, tmp_path / "build").folder
    for name in ("net_axi.v", "parameters.bin"):
        shutil.copy(built / name, folder / name)
    told = (
        f"bitweir: In build folder '{folder}', 'net_axi.v', 'parameters.bin' are not what bitweir wrote there: "
        "make it again with bitweir generate."
    )
    assert ends(7, "report", folder) == told


def test_a_folder_without_a_list(folder, images):
    (folder / MANIFEST).unlink()
    told = f"bitweir: Build folder '{folder}' has no {MANIFEST}, or a damaged one: make it again with bitweir generate."
    for words in commands(folder, images):
        assert ends(7, *words) == told


def test_what_people_add_does_not_matter(folder):
    (folder / "tb.v").write_text("module tb; endmodule")
    (folder / "README.md").write_text("my notes")
    assert DesignFolder.open(folder).checked_verilog() == (folder / "net.v").read_text()


# ---- folders that were made to do harm

#: What each inserts into the Verilog, which names a file that must not appear, or one that must not be read.
ATTACKS = {
    "attribute": '(* x = "*/\n#include \\"{secret}\\"\nint evil = system(\\"touch {mark}\\");\n/*" *)\n',
    "src": '(* src = "a\n#include <{secret}>" *)\n',
    "include": '`include "{secret}"\n',
    "directive": "`define clk evil\n`timescale 1ns/1ps\n",
    "readmemh": 'module m; reg [7:0] a [0:9]; initial $readmemh("{secret}", a); endmodule\n',
    "system": 'module m; initial $system("touch {mark}"); endmodule\n',
    "fopen": 'module m; initial $fopen("{mark}", "w"); endmodule\n',
    "escaped": "module \\a;system(touch);// ; endmodule\n",
    "binary": "\udcff\udcfe\x00\x1b[31m",
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_verilog_of_somebody_else_is_never_read(folder, images, tmp_path, attack, quarantine):
    mark, secret = tmp_path / "mark", tmp_path / "secret"
    secret.write_text("SECRET")
    text = (folder / "net.v").read_bytes()
    header, body = text.split(b"\n", 2)[:2], text.split(b"\n", 2)[2]
    evil = ATTACKS[attack].format(mark=mark, secret=secret).encode(errors="surrogateescape")
    (folder / "net.v").write_bytes(b"\n".join([*header, evil + body]))
    write_manifest(folder)  # as its sender can
    told = (
        f"bitweir: '{folder}/net.v' is not what network.npz and plan.json beside it give with this version of bitweir: "
        "make it again with bitweir generate."
    )
    for engine in ("compiled", "cocotb"):
        assert ends(7, "simulate", folder, "--images", images, "--engine", engine) == told
    assert not mark.exists() and not any("SECRET" in text or "evil" in text for text in quarantine)


@pytest.mark.parametrize(
    "header",
    [
        '// net: binary neural network accelerator, by bitweir `include "x"\n// network {digest}\n',
        '// net: binary neural network accelerator, by bitweir 0.1\n`include "x" // network {digest}\n',
        "// other: binary neural network accelerator, by bitweir 0.1\n// network {digest}\n",
        "// net: binary neural network accelerator, by bitweir 0.1\n// network " + "0" * 64 + "\n",
        "",
    ],
)
def test_headers_of_somebody_else(folder, header):
    build = DesignFolder.open(folder)
    first, second, body = (folder / "net.v").read_text().split("\n", 2)
    (folder / "net.v").write_text(header.format(digest=second.split()[-1]) + body)
    with pytest.raises(FileError, match="is not what network.npz and plan.json beside it give"):
        build.checked_verilog()


def test_the_header_of_another_version_is_taken(folder):
    build, text = DesignFolder.open(folder), (folder / "net.v").read_text()
    (folder / "net.v").write_text(re.sub(r"by bitweir \S+", "by bitweir 99.1.dev0+local", text, count=1))
    # What goes on has a header of this version.
    assert build.checked_verilog() == text


def test_verilog_is_generated_again_where_nothing_is_known(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("BITWEIR_CACHE_DIR", str(tmp_path / "empty"))
    calls = []
    monkeypatch.setattr(
        building, "rtlil_to_verilog", lambda text, *rest: calls.append(text) or rtlil_to_verilog(text, *rest)
    )
    build = DesignFolder.open(folder)
    for _ in range(2):
        assert build.checked_verilog() == (folder / "net.v").read_text()
    assert calls == [accelerator_rtlil(build.pipeline, name="net", named=True)]


def test_other_networks_and_plans_are_other_verilog(tmp_path):
    """Each of what is compared changes the hash: nothing is taken for something else."""
    networks = [dense_network(16, 4, 3, seed=seed) for seed in (1, 2)]
    plans = [PLAN, Plan(foldings=(Folding(pe=4, simd=8), Folding(pe=3, simd=4)))]
    builds = [write_design(n, p, tmp_path / f"{i}{j}") for i, n in enumerate(networks) for j, p in enumerate(plans)]
    for one in builds:
        for other in builds:
            mixed = DesignFolder(folder=other.folder, design=Design(network=one.network, plan=one.plan))
            if one is other:
                assert mixed.checked_verilog()
            else:
                with pytest.raises(FileError):
                    mixed.checked_verilog()


# ---- names


def named(name: object, layer: object = "dense0") -> Network:
    rng = np.random.default_rng(1)
    layers = (
        Dense(name=layer, weights=rng.random((4, 16)) < 0.5, thresholds=rng.integers(-5, 5, (4, 1)), output=BIPOLAR),
        Dense(name="end", weights=rng.random((3, 4)) < 0.5),
    )
    return Network(name=name, input=identity_input(16), layers=layers)


ODD = ["../up", "/abs", "a/b", "a b", 'a"b', "a\nb", "a;b", "a$b", "a\\b", "`a", "é", "", "0a", "a.v", "..", "\x1b[31m"]


@pytest.mark.parametrize("name", [*ODD, 7, None, ["a"]])
def test_names_that_are_no_names(name, tmp_path):
    with pytest.raises(NetworkError, match=r"^Network name must be letters, digits and underscores, not .*\.$"):
        check(named(name))
    with pytest.raises(NetworkError, match=r"^Layer names must be letters, digits and underscores, not .*\.$"):
        check(named("net", name))
    # From a file, too.
    for network in (named(name), named("net", name)):
        (tmp_path / "n.npz").write_bytes(network_bytes(network))
        with pytest.raises(NetworkError):
            load_network(tmp_path / "n.npz")


@pytest.mark.parametrize("name", ["module", "reg", "logic", "bit", "class"])
def test_words_of_verilog_name_no_module(name):
    told = f"Network name must not be '{name}', a word of Verilog: choose another (--name, in Python name=)."
    with pytest.raises(NetworkError, match=f"^{re.escape(told)}$"):
        check(named(name))


@pytest.mark.parametrize("name", ["clk", "rst"])
def test_ports_name_no_module(name):
    told = f"Network name must not be '{name}', a port of each accelerator: choose another (--name, in Python name=)."
    with pytest.raises(NetworkError, match=f"^{re.escape(told)}$"):
        check(named(name))


def test_long_names():
    check(named("n" * LONGEST_NAME, "l" * LONGEST_NAME))
    with pytest.raises(NetworkError, match=r"^Network name must have at most 100 characters, not 101\.$"):
        check(named("n" * 101))
    with pytest.raises(NetworkError, match=r"^Layer names must have at most 100 characters, not 101\.$"):
        check(named("net", "l" * 101))


LAYERS = ["module", "reg", "template", "clk", "rst", "i", "o", "argmax", "loader", "gate", "top", "bitweir_top", "_"]


@pytest.mark.parametrize("weights", ["rom", "ram"])
@pytest.mark.parametrize("layer", LAYERS)
def test_layers_may_have_names_that_mean_something_elsewhere(layer, weights, tmp_path):
    network = check(named("net", layer))
    plan = with_loadable_parameters(network, PLAN) if weights == "ram" else PLAN
    verilog = write_design(network, plan, tmp_path / "build").verilog.read_text()
    assert verilog.count("\nmodule ") == len(set(re.findall(r"^module (\S+)", verilog, re.MULTILINE)))


@needs_compiler
@pytest.mark.parametrize(
    ("name", "layer"),
    [
        ("template", "module"),
        pytest.param("int64_t", "clk", marks=pytest.mark.long),
        pytest.param("n" * 100, "l" * 100, marks=pytest.mark.long),
    ],
)
def test_such_names_simulate(name, layer, tmp_path, images):
    write_design(check(named(name, layer)), PLAN, tmp_path / "build")
    done = CliRunner().invoke(main, ["simulate", str(tmp_path / "build"), "--images", str(images), "--json"])
    assert done.exit_code == 0 and json.loads(done.stdout)["mismatches"] == 0


# ---- fields


def leaves(tree: object, path: tuple = ()):
    if isinstance(tree, dict | list):
        for key, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
            yield from leaves(value, (*path, key))
    yield path


ODD_VALUES = [
    None, True, -1, 0, 1, 2, 10**6, 10**18, 10**400, 1.5, float("nan"), "", "x", "../x", "\n`include", "rom", [], {},
    [1],    [[]], {"type": "Plan"}, {"array": "nothing"}, {"type": "Popcount"}, [1, 1],
    [10**9, 10**9], [0, 0, 0, 0],
]  # fmt: skip


def put(tree, path, value):
    if not path:
        return value
    for key in path[:-1]:
        tree = tree[key]
    tree[path[-1]] = value
    return None


@given(st.data())
def test_plans_of_somebody_else(built, tmp_path_factory, data):
    """A field of a plan that holds anything: a sentence, or the plan is as good as any."""
    folder = tmp_path_factory.mktemp("plan") / "build"
    shutil.copytree(built, folder)
    tree = json.loads((folder / "plan.json").read_text())
    path = data.draw(st.sampled_from(sorted(leaves(tree), key=str)))
    new = put(tree, path, data.draw(st.sampled_from(ODD_VALUES)))
    (folder / "plan.json").write_text(json.dumps(tree if new is None and path else new))
    write_manifest(folder)
    try:
        build = DesignFolder.open(folder)
        build.pipeline  # noqa: B018
    except BitweirError as error:
        assert "\n" not in str(error) and len(str(error)) < 1000


@given(st.data())
def test_networks_of_somebody_else(built, tmp_path_factory, data):
    """The same for a field of a network."""
    path = tmp_path_factory.mktemp("network") / "network.npz"
    with np.load(built / "network.npz") as file:
        arrays = dict(file)
    tree = json.loads(arrays["network.json"].tobytes())
    place = data.draw(st.sampled_from(sorted(leaves(tree), key=str)))
    new = put(tree, place, data.draw(st.sampled_from(ODD_VALUES)))
    text = json.dumps(tree if new is None and place else new)
    np.savez_compressed(path, **(arrays | {"network.json": np.frombuffer(text.encode(), np.uint8)}))
    try:
        load_network(path)
    except BitweirError as error:
        assert "\n" not in str(error) and len(str(error)) < 1000
