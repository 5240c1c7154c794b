"""What `make dist` reads from its list of dependencies; the rest of it is tried when it runs."""

import re
import tomllib

from tools.distribute import ROOT, components, unlicensed

BILL = {
    "components": [
        {"name": "numpy", "licenses": [{"expression": "BSD-3-Clause"}]},
        {"name": "click", "licenses": [{"license": {"id": "BSD-3-Clause"}}, {"license": {"name": "another"}}]},
        {"name": "none"},
    ]
}


def test_packages_and_their_licences():
    assert components(BILL) == {"numpy": ["BSD-3-Clause"], "click": ["BSD-3-Clause", "another"], "none": []}


def test_packages_without_a_licence_are_named():
    assert unlicensed(BILL) == ["none"]


def test_versions_are_one():
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"\nversion: {wanted}\n" in (ROOT / "CITATION.cff").read_text()


def test_changes_are_told_in_the_form_of_keep_a_changelog():
    headings = re.findall(r"^(#+) (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[:2] == [("#", "Changes"), ("##", "Unreleased")]
    groups: list[str] = []
    for level, title in headings[1:]:
        if level == "##":
            assert re.fullmatch(r"Unreleased|\d+\.\d+\.\d+ - \d{4}-\d\d-\d\d", title)
            groups = []
        else:
            assert level == "###" and title in ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
            # Each once in a version.
            assert title not in groups
            groups.append(title)
