"""Files that open waveforms, in the forms that GTKWave and Surfer read."""

import re

from bitweir.runs.waves.probes import Group, Shown
from bitweir.runs.waves.views import commands, save_file

GROUPS = [
    Group(title="input to a-b", signals=(Shown(path="n.clk", kind="bit"), Shown(path="n_decoded.s", kind="text"))),
    Group(title="rest", signals=tuple(Shown(path=f"n.p{k}", kind="bits", width=8) for k in range(20))),
    Group(title="last", signals=(Shown(path="n_decoded.cycle", kind="number", width=32),)),
]


def test_a_save_file_has_flags_and_ranges():
    lines = save_file("w.fst", GROUPS).splitlines()
    assert lines[:2] == ["[*] bitweir", '[dumpfile] "w.fst"']
    body = lines[lines.index("@200") :]
    assert body[:8] == ["@200", "-input to a-b", "@28", "n.clk", "@820", "n_decoded.s", "@200", "-rest"]
    assert body[8:10] == ["@22", "n.p0[7:0]"] and body[-2:] == ["@24", "n_decoded.cycle[31:0]"]


def test_surfer_finds_what_is_focused():
    """Items are numbered from 0 on, dividers too, in hexadecimal digits from a to p; a command takes one more word."""
    lines = commands("w.fst", "w.sucl", GROUPS).splitlines()
    assert lines[0] == "# bitweir: surfer w.fst -c w.sucl" and lines[1] == "divider_add input_to_a_b"
    items = [line for line in lines if line.startswith(("divider_add", "variable_add"))]
    formatted = {}
    for focus, form in zip(lines, lines[1:], strict=False):
        if focus.startswith("item_focus"):
            digits = "".join(f"{ord(letter) - ord('a'):x}" for letter in focus.split()[1])
            formatted[items[int(digits, 16)].split()[1]] = form
    assert formatted.pop("n_decoded.cycle") == "item_set_format Unsigned"
    assert formatted == {f"n.p{k}": "item_set_format Hexadecimal" for k in range(20)}
    assert all(re.fullmatch(r"\w+( [\w.]+)?", line) for line in lines[1:])
    # What is added goes below the focus, so all is added before.
    assert max(lines.index(item) for item in items) < lines.index(next(x for x in lines if x.startswith("item_focus")))
