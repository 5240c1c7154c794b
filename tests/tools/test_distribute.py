"""What `make dist` reads from its list of dependencies; the rest of it is tried when it runs."""

from tools.distribute import components, unlicensed

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
