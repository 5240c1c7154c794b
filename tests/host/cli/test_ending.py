"""How commands end: exit codes, closed pipes, full disks, signals; and what they may send to a terminal."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import bitweir
import bitweir_hw
import bitweir_sim
import pytest
from bitweir.cli import main
from bitweir.cli.console import Output, printable
from bitweir.cli.ending import BROKEN_PIPE, INTERRUPTED, TERMINATED
from bitweir.design import write_design
from bitweir_hw.errors import BitweirError, PlanError
from bitweir_hw.files import save_network
from bitweir_hw.plan import Folding, Plan
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from rich.table import Table
from rich.text import Text
from support import ROOT
from support.samples import dense_network

PLAN = Plan(foldings=(Folding(pe=2, simd=8), Folding(pe=3, simd=4)))
DOCS = ROOT / "docs" / "exit-codes.md"
PROGRAM = [sys.executable, "-m", "bitweir"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_design(dense_network(16, 4, 3), PLAN, tmp_path_factory.mktemp("ending") / "build").folder


# ---- exit codes


def errors(kind: type[BitweirError] = BitweirError) -> set[type[BitweirError]]:
    """All kinds of mistakes that the packages know."""
    return {kind}.union(*map(errors, kind.__subclasses__()))


def load_all() -> None:
    """Import every module that needs nothing but what is installed."""
    for package in (bitweir_hw, bitweir_sim, bitweir):
        root = Path(package.__file__).parent
        for path in root.rglob("*.py"):
            if "class " in (text := path.read_text()) and "Error)" in text:
                __import__(".".join([package.__name__, *path.relative_to(root).with_suffix("").parts]))


def test_every_exit_code_is_documented():
    load_all()
    rows = re.findall(r"^\| (\d+) \| (.*?) \|", DOCS.read_text(), re.MULTILINE)
    table = {int(code): names for code, names in rows}
    assert len(rows) == len(table)
    for kind in errors():
        if kind.__module__.startswith("bitweir"):
            assert f"`{kind.__name__}`" in table[kind.exit_code], kind
    documented = {name for names in table.values() for name in re.findall(r"`(\w+Error)`", names)}
    assert documented == {kind.__name__ for kind in errors() if kind.__module__.startswith("bitweir")}
    assert {0, 2, INTERRUPTED, BROKEN_PIPE, TERMINATED} <= set(table)
    assert (INTERRUPTED, BROKEN_PIPE, TERMINATED) == (130, 141, 143)


def test_usage_errors_are_as_click_tells_them():
    done = CliRunner().invoke(main, ["report"])
    assert done.exit_code == 2 and "Error: Missing argument 'FOLDER'." in done.stderr


# ---- output that nobody takes


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_closed_pipe_ends_without_a_word(folder, options):
    program = subprocess.Popen(
        [*PROGRAM, "report", folder, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with program:
        program.stdout.close()
        told = program.stderr.read()
        assert program.wait() == BROKEN_PIPE
    # With JSON, tables for people go to standard error.
    assert "Traceback" not in told and (told == "") == (not options)


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_a_full_disk_for_standard_output(folder, options):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([*PROGRAM, "report", folder, *options], stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr.splitlines()[-1]) == (7, "bitweir: Cannot write: No space left on device.")
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not Path("/dev/stdout").exists(), reason="standard output has no name here")
@pytest.mark.parametrize("form", ["--html", "--markdown"])
def test_a_page_for_a_pipe_that_is_closed(folder, form):
    command = [*PROGRAM, "report", folder, form, "/dev/stdout"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        process.stdout.close()
        assert (process.stderr.read(), process.wait()) == ("", BROKEN_PIPE)


def test_errors_that_nobody_hears_keep_their_exit_code(tmp_path):
    with Path("/dev/full").open("w") as full:
        for stderr in (full, subprocess.DEVNULL):
            done = subprocess.run([*PROGRAM, "report", tmp_path / "none"], stdout=subprocess.DEVNULL, stderr=stderr)
            assert done.returncode == 7


# ---- signals


@pytest.mark.parametrize("kind", [KeyboardInterrupt, "terminated"])
def test_an_interrupted_command_says_so_in_one_line(folder, monkeypatch, kind):
    import bitweir.accelerator as accelerator

    def interrupted(*_, **__):
        if kind == "terminated":
            signal.raise_signal(signal.SIGTERM)
        raise KeyboardInterrupt

    monkeypatch.setattr(accelerator, "collect", interrupted)
    done = CliRunner().invoke(main, ["report", str(folder)])
    code, told = (143, "Terminated.") if kind == "terminated" else (130, "Interrupted.")
    assert (done.exit_code, done.stderr, done.stdout) == (code, f"bitweir: {told}\n", "")
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


CHILDREN = """
import subprocess, sys, threading
from concurrent.futures import ThreadPoolExecutor
import click
from bitweir.cli.options import Group

@click.group(cls=Group)
def main():
    pass

@main.command()
def work():
    # As compilers are started: from threads, with programs of their own.
    command = ["sh", "-c", "sleep 300 & echo $! $$; wait"]
    def one(_):
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            # In one piece: print writes the end of the line for itself, and the other thread may write between.
            sys.stdout.write(child.stdout.readline())
            sys.stdout.flush()
            child.wait()
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(one, range(6)))

main()
"""


@pytest.mark.parametrize(("number", "code", "told"), [(2, 130, "Interrupted."), (15, 143, "Terminated.")])
def test_programs_that_a_command_started_end_with_it(number, code, told):
    program = subprocess.Popen(
        [sys.executable, "-c", CHILDREN, "work"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with program:
        try:
            started = [int(word) for _ in range(2) for word in program.stdout.readline().split()]
            assert len(started) == 4
        finally:  # Else a failure waits for all programs.
            program.send_signal(number)
        output, errors = program.communicate(timeout=60)
    assert (program.returncode, errors) == (code, f"bitweir: {told}\n")
    for process in [*started, *map(int, output.split())]:
        for _ in range(200):
            if not alive(process):
                break
            time.sleep(0.05)
        assert not alive(process)


WORKERS = """
from bitweir.jobs import workers
from bitweir.cli.ending import ending
from joblib import Parallel, delayed
from signal import SIG_BLOCK, pthread_sigmask

with ending(), workers(2, None):
    print(Parallel()(delayed(pthread_sigmask)(SIG_BLOCK, ()) for _ in range(2)), pthread_sigmask(SIG_BLOCK, ()))
"""


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="signals cannot be blocked here")
def test_ctrl_c_is_for_the_command_and_not_for_its_workers():
    """A worker that takes it, too, prints a traceback, also while it starts."""
    done = subprocess.run([sys.executable, "-c", WORKERS], capture_output=True, text=True, check=True)
    blocked = {signal.SIGINT}
    assert done.stdout == f"{[blocked, blocked]} {set()}\n"


UNFINISHED = """
from amaranth.hdl import Elaboratable, Fragment, Module
from bitweir import __main__, cli

class Part(Elaboratable):
    def elaborate(self, platform):
        return Module()

@cli.main.command()
def work():
    parts = [Part() for _ in range(3)]
    # Amaranth warns as soon as one of them is used.
    Fragment.get(parts[0], None)
    raise KeyboardInterrupt

__main__.run()
"""


def test_gateware_that_is_half_made_is_silent():
    done = subprocess.run([sys.executable, "-c", UNFINISHED, "work"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (INTERRUPTED, "", "bitweir: Interrupted.\n")


def alive(process: int) -> bool:
    """Whether a process runs; one that ended and that nobody has asked for does not."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def check_signal_at_a_drawn_moment(tmp_path: Path, number: int, seed: int) -> None:
    """Whatever a command does then: it ends as documented, and the folder is the old one or the new one."""
    save_network(dense_network(16, 4, 3), tmp_path / "net.npz")
    out = tmp_path / "out"
    words = [*PROGRAM, "generate", tmp_path / "net.npz", "-o", out, "--folding"]
    subprocess.run([*words, "8x2,4x3"], check=True, capture_output=True)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    draw = random.Random(seed)
    with subprocess.Popen([*words, "8x4,4x3"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        # Python itself needs a moment before its first line.
        time.sleep(0.3 + 3 * draw.random())
        program.send_signal(number)
        _, errors = program.communicate(timeout=100)
    endings = {signal.SIGINT: (130, "bitweir: Interrupted.\n"), signal.SIGTERM: (143, "bitweir: Terminated.\n")}
    if number == signal.SIGKILL:
        assert program.returncode in (-number, 0)
    elif program.returncode == -number:
        # A busy machine may not have begun our first line.
        assert "in run\n" not in errors
    elif program.returncode:
        assert (program.returncode, errors) == endings[number]
    now = {path.name: path.read_bytes() for path in out.iterdir()}
    assert (now == before) != (json.loads(now["plan.json"]) != json.loads(before["plan.json"]))
    # What comes next finds its way, and leaves nothing but the folder.
    subprocess.run([*words, "8x2,4x3"], check=True, capture_output=True)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.npz", "out"]


@pytest.mark.parametrize(("number", "seed"), [(signal.SIGINT, 1), (signal.SIGKILL, 2)])
def test_signals_at_drawn_moments(tmp_path, number, seed):
    check_signal_at_a_drawn_moment(tmp_path, number, seed)


@pytest.mark.long
@pytest.mark.parametrize("seed", range(15))
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_many_signals_at_drawn_moments(tmp_path, number, seed):
    check_signal_at_a_drawn_moment(tmp_path, number, seed)


def test_an_exploration_is_interrupted_in_one_line(tmp_path):
    """Ctrl-C goes to all processes of a terminal, and only one may say so; what was found is kept."""
    environment = {**os.environ, "BITWEIR_CACHE_DIR": str(tmp_path / "cache")}
    words = ["explore", "digits", "-o", tmp_path / "out", "--part", "ecp5-85k", "--points", "400", "--jobs", "2"]
    with subprocess.Popen(
        [*PROGRAM, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment,
        start_new_session=True,
    ) as program:  # fmt: skip
        for _ in range(1000):
            if len(found := list((tmp_path / "cache").glob("explore-*/contents.json"))) >= 2:
                break
            time.sleep(0.05)
        assert found and program.poll() is None
        os.killpg(program.pid, signal.SIGINT)
        output, errors = program.communicate(timeout=60)
    assert (program.returncode, output) == (INTERRUPTED, "")
    assert [line for line in errors.splitlines() if line] == ["bitweir: Interrupted."]
    assert not list(tmp_path.glob("*out*")) and all(path.is_file() for path in found)


# ---- what reaches a terminal

EVIL = "\x1b[2J\x1b]0;evil\x07\x9b31m\u202eabc\r\x08[red]x[/][/red]\ud800 :smile:"


def test_printable():
    assert printable("plain \u00e9 \u2500 \U0001f600") == "plain \u00e9 \u2500 \U0001f600"
    assert printable("\x1b[31m\x9b\u202e\ud800\x00") == r"\x1b[31m\x9b\u202e\ud800\x00"
    assert printable("a\nb\tc") == "a\nb\tc" and printable("a\nb", keep="") == r"a\nb"


@given(st.text())
def test_printable_texts_do_nothing(text):
    done = printable(text, keep="")
    assert not any(character in done for character in map(chr, [*range(32), *range(127, 160)]))
    done.encode()


def test_terminals_get_no_orders_from_files(capsys):
    output = Output(as_json=False)
    table = Table(title=EVIL)
    table.add_column(EVIL)
    table.add_row(EVIL)
    table.add_row(Text(EVIL))
    with output.working(EVIL):
        output.show(EVIL, Text(EVIL), table)
    shown = "".join(capsys.readouterr())
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", shown)
    # Words in brackets and between colons are what they are.
    assert shown.count("[red]x[/][/red]") >= 2 and ":smile:" in shown


def test_errors_are_one_line_without_orders(folder, monkeypatch):
    import bitweir.accelerator as accelerator

    def fails(*_, **__):
        raise PlanError(f"Name {EVIL}\nis odd.")

    monkeypatch.setattr(accelerator, "collect", fails)
    done = CliRunner().invoke(main, ["report", str(folder)])
    assert done.exit_code == 5 and done.stderr.count("\n") == 1 and "\x1b" not in done.stderr
    assert done.stderr.startswith(r"bitweir: Name \x1b[2J") and done.stderr.endswith("\\nis odd.\n")


def test_notes_of_a_network_reach_the_terminal_as_text(tmp_path):
    network = replace(dense_network(16, 4, 3), notes=(f"note {EVIL.replace(chr(0xD800), '')}",))
    save_network(network, tmp_path / "net.npz")
    words = ["generate", str(tmp_path / "net.npz"), "-o", str(tmp_path / "out"), "--folding", "8x2,4x3"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 0
    words = ["import", str(tmp_path / "net.npz"), "-o", str(tmp_path / "again.npz")]
    again = CliRunner().invoke(main, words)
    assert again.exit_code == 0, again.stderr
    for shown in (done.output, again.output):
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", shown)
