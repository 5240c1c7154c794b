"""Commands of the README and of all pages exist, with their options; links of files beside the site lead somewhere."""

import re
import shlex
import tomllib
from pathlib import Path

import click
import pytest
from bitweir.cli import main

ROOT = Path(__file__).resolve().parents[2]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *(page for page in sorted((ROOT / "docs").rglob("*.md")) if not {"_build", "generated"} & set(page.parts)),
]
#: A command in an indented or fenced block, perhaps over several lines.
COMMAND = re.compile(r"^(?:    |\$ )(?:\.venv/bin/)?bitweir ((?:.*\\\n)*.*)$", re.MULTILINE)
#: Code in the text: `bitweir simulate FOLDER`.
INLINE = re.compile(r"`bitweir ([a-z][^`]*)`")
TASK = re.compile(r"(?:^    |`)make ([a-z-]+)", re.MULTILINE)


def test_every_extra_stands_in_the_page_of_installation():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    page = (ROOT / "docs/start/installation.md").read_text()
    table = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `bitweir[")]
    assert sorted(re.findall(r"`bitweir\[(\w+)\]`", "".join(table))) == sorted(extras)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_of_a_page_exist(page):
    faults = []
    text = page.read_text()
    for found in [*COMMAND.findall(text), *INLINE.findall(text)]:
        words = shlex.split(re.sub(r"\s#.*", "", found.replace("\\\n", " ")))
        command = main.commands.get(words[0])
        if words[0].startswith("-"):
            continue
        if command is None:
            faults.append(f"there is no command {words[0]!r}: {found}")
            continue
        options = {name for option in command.params if isinstance(option, click.Option) for name in option.opts}
        options |= {"-h", "--help"}
        given = {word.split("=")[0] for word in words[1:] if re.match(r"-{1,2}[a-z]", word)}
        faults += [f"{words[0]} has no option {name}: {found}" for name in sorted(given - options)]
    assert faults == []


@pytest.mark.parametrize("page", [*PAGES[:2], ROOT / "docs" / "index.md"], ids=lambda page: page.stem)
def test_tasks_of_a_page_exist(page):
    tasks = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(TASK.findall(page.read_text())) <= tasks


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md"])
def test_links_lead_somewhere(name):
    """Those of pages are checked where the site is built."""
    faults = []
    for link in re.findall(r"\]\(([^)\s]+)\)", (ROOT / name).read_text()):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = ROOT / path if path else ROOT / name
        if not target.exists():
            faults.append(f"{link}: there is no such file")
        elif anchor and anchor not in anchors(target.read_text()):
            faults.append(f"{link}: there is no such heading")
    assert faults == []


def anchors(text):
    """Names of headings, as GitHub and Sphinx make them."""
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}
