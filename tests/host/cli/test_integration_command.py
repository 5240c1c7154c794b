"""What `generate` writes for other people's systems."""

import pytest
from bitweir.cli import main
from bitweir.design import DesignFolder
from bitweir.folders import FileError
from bitweir.manifest import MANIFEST
from bitweir_hw.files import load_plan, save_network
from click.testing import CliRunner
from support.samples import every_kind

FOLDING = "4x2,3x3,20x1"


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "net.npz"
    save_network(every_kind()[0], path)
    return path


def generate(*words, code=0):
    result = CliRunner().invoke(main, ["generate", *map(str, words)])
    assert result.exit_code == code, result.output
    return result


def test_axi_adds_a_module_in_a_file_of_its_own(model, tmp_path):
    generate(model, "-o", tmp_path / "plain", "--folding", FOLDING)
    generate(model, "-o", tmp_path / "axi", "--folding", FOLDING, "--axi", 16)
    generate(model, "--axi", 8, "-o", tmp_path / "eight", "--folding", FOLDING)
    plain, axi, eight = (
        {path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("plain", "axi", "eight")
    )
    assert set(axi) == set(eight) == set(plain) | {"net_axi.v"}
    assert all(plain[name] == axi[name] for name in plain if name not in ("README.md", MANIFEST))
    verilog = axi["net_axi.v"].decode()
    assert "\nmodule net_axi(" in verilog and "module net(" not in verilog
    assert "input [127:0] s_axis_tdata;" in verilog and "input [63:0] s_axis_tdata;" in eight["net_axi.v"].decode()
    # A frame is 16 pixels of 2 channels of 2 bits; a result 3 scores of 4 bits and a class.
    readme = axi["README.md"].decode()
    assert "An input packet has 8 bytes in 1 transfer:" in readme
    assert "An output packet has 3 bytes in 1 transfer: 2 bytes of scores" in readme
    start, end = readme.index("\n**AXI4"), readme.index("\n**Made")
    assert readme[:start] + readme[end:] == plain["README.md"].decode()


@pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
@pytest.mark.usefixtures("left_unused")
def test_an_odd_width_is_refused(model, tmp_path):
    result = generate(model, "-o", tmp_path / "axi", "--folding", FOLDING, "--axi=12", code=5)
    assert result.stderr == "bitweir: An AXI4-Stream must be 1, 2, 4, 8, 16, 32 or 64 bytes wide, not 12.\n"
    assert not (tmp_path / "axi").exists()


def test_registers_widths_and_the_class_alone(model, tmp_path):
    words = ("--folding", FOLDING, "--weights", "ram", "--axi", 8)
    generate(model, "-o", tmp_path / "lite", *words, "--axi-result", 1, "--axi-lite", "--axi-class")
    readme = (tmp_path / "lite" / "README.md").read_text()
    assert "| `m_axis_tdata`, `m_axis_tkeep` | out | 8, 1 |" in readme and "`net_regs.h`" in readme
    assert "An output packet has 1 byte in 1 transfer: the class alone, unsigned." in readme
    assert "#define NET_CONTROL " in (tmp_path / "lite" / "net_regs.h").read_text()
    generate(model, "-o", tmp_path / "wide", *words, "--axi-load", 64)
    assert "input [511:0] s_axis_load_tdata;" in (tmp_path / "wide" / "net_axi.v").read_text()
    assert (
        "| `s_axis_load_tdata`, `s_axis_load_tkeep` | in | 512, 64 |" in (tmp_path / "wide" / "README.md").read_text()
    )
    # Parameters come as their port brings them, up to 8 bytes, or as somebody says.
    for folder, width, bits in (("lite", 4, 34), ("wide", 8, 66)):
        assert load_plan(tmp_path / folder / "plan.json").load_width == width
        assert (
            f"| `load__payload` | in | {bits} | bits {8 * width - 1}:0" in (tmp_path / folder / "README.md").read_text()
        )
    generate(model, "-o", tmp_path / "small", *words, "--load-width", 1, "--axi-lite")
    assert load_plan(tmp_path / "small" / "plan.json").load_width == 1
    assert "| `load__payload` | in | 9 | bits 7:0 are a byte" in (tmp_path / "small" / "README.md").read_text()
    much = generate(model, "-o", tmp_path / "none", *words, "--axi-lite", "--load-width", 8, code=5)
    assert "at most 4 bytes a cycle, as many as the window of AXI4-Lite has, not 8" in much.stderr
    refused = generate(model, "-o", tmp_path / "none", "--axi-lite", code=2)
    assert "--axi-lite needs --axi." in refused.output


def test_memories_in_files_simulate_as_before(model, tmp_path):
    folder = tmp_path / "files"
    generate(model, "-o", folder, "--folding", FOLDING, "--memory-files")
    files = sorted(path.name for path in folder.glob("*.mem"))
    text = (folder / "net.v").read_text()
    assert files and all(f'$readmemh("{name}"' in text for name in files)
    assert "`*.mem`" in (folder / "README.md").read_text()
    # What others read holds all, whatever the files say; a file that was changed is noticed when the folder is opened.
    checked = DesignFolder.open(folder).checked_verilog()
    assert "$readmemh" not in checked and "net__" in checked
    (folder / files[0]).write_text("0\n")
    with pytest.raises(FileError, match=f"'{files[0]}' is not what bitweir wrote there"):
        DesignFolder.open(folder)
