"""The texts that say what a pixel means, such as x/127.5-1 and -128:127."""

from __future__ import annotations

from fractions import Fraction

import pytest
from bitweir.importers import ModelError
from bitweir.importers.inputs import parsed_range, parsed_rule, stored_input
from bitweir_hw.network import Stored
from hypothesis import given
from hypothesis import strategies as st

# ---- the texts

RULES = {
    "1/127.5-1": ("2/255", "-1"),
    "x/127.5-1": ("2/255", "-1"),
    "2*x/255-1": ("2/255", "-1"),
    " x * 2 / 255 - 1 ": ("2/255", "-1"),
    "-1+x/127.5": ("2/255", "-1"),
    "(x-127.5)/127.5": ("2/255", "-1"),
    "x/255": ("1/255", "0"),
    "1/255": ("1/255", "0"),
    "0.0625": ("1/16", "0"),
    ".5": ("1/2", "0"),
    "1": ("1", "0"),
    "X": ("1", "0"),
    "(x-33)/79": ("1/79", "-33/79"),
    "1-x/255": ("-1/255", "1"),
    "-x": ("-1", "0"),
    "-1/255": ("-1/255", "0"),
    "3-1/2": ("3", "-1/2"),
    "(x/255-0.1307)/0.3081": ("10000/785655", "-1307/3081"),
    "2*(3*(x-1)+4)/6": ("1", "1/3"),
}


CHANNELS = {
    "(x-[123.7,116.3,103.5])/[58.4,57.1,57.4]": (["5/292", "10/571", "5/287"], ["-1237/584", "-1163/571", "-1035/574"]),
    "(x/255-[0.5,0.25])/[0.5,0.5]": (["2/255", "2/255"], ["-1", "-1/2"]),
    "x-[1,-2/3]": (["1", "1"], ["-1", "2/3"]),
    "[1,2]*x+3": (["1", "2"], ["3", "3"]),
    "[1/2,1]": (["1/2", "1"], ["0", "0"]),
    "x/[5,5]-[1,1]": (["1/5"], ["-1"]),
}


@pytest.mark.parametrize("text", [*RULES, *CHANNELS])
def test_rules(text):
    scales, offsets = ([one] for one in RULES[text]) if text in RULES else CHANNELS[text]
    stored = stored_input(text)
    assert [Fraction(one) for one in stored.scale] == [Fraction(one) for one in scales]
    assert [Fraction(one) for one in stored.offset] == [Fraction(one) for one in offsets]
    assert (stored.low, stored.high) == (0, 255)
    # A rule tells itself in a form that is read as the same.
    assert stored_input(stored.rule) == stored


WRONG = {
    "": "a number or x is missing at its end",
    "0": "it must depend on x",
    "x-x": "it must depend on x",
    "5+x-x": "it must depend on x",
    "1/0": "it divides by 0",
    "x/(1-1)": "it divides by 0",
    "x/[1,0]": "it divides by 0",
    "[1,0]*x": "it must not multiply x by 0",
    "x*x": "it must not multiply x by x",
    "1/x": "it must not divide by x",
    "x x": "an operator is missing before 'x'",
    "2x": "an operator is missing before 'x'",
    "x/": "a number or x is missing at its end",
    "(x-1": "a ) is missing",
    "x-[1,2": "a ] is missing",
    "[1,2]+[1,2,3]*x": "its lists have 2 and 3 numbers",
    "x**2": "a number or x is missing before '*'",
    "1e400000000": "'1e400000000' is not a decimal number: it may have up to 12 digits before the point and 20 after "
    "it, and no exponent",
    "x*1.2.3": "'1.2.3' is not a decimal number: it may have up to 12 digits before the point and 20 after it, and no "
    "exponent",
    "(x-1))": "')' is out of place",
    "nan": "'nan' is neither a number nor one of + - * / ( ) [ ] , x",
    "a/b": "'a/b' is neither a number nor one of + - * / ( ) [ ] , x",
    "__import__(o)": "'__import__(o' is neither a number nor one of + - * / ( ) [ ] , x",
    "٣": "'\\u0663' is neither a number nor one of + - * / ( ) [ ] , x",
    "int1": "'int1' is neither a number nor one of + - * / ( ) [ ] , x",
    "int17": "'int17' is neither a number nor one of + - * / ( ) [ ] , x",
    "uint8": "'uint8' is neither a number nor one of + - * / ( ) [ ] , x",
    "x*1234567890123": "'1234567890123' is not a decimal number: it may have up to 12 digits before the point and 20 "
    "after it, and no exponent",
    "(" * 17 + "x" + ")" * 17: "it has more than 16 nested parentheses",
    "x" + "+1" * 2048: "it has more than 4096 characters",
    "x" + "*999999999999" * 6: "as an exact fraction, a number in it needs more than 200 bits: use shorter numbers",
}


@pytest.mark.parametrize("text", WRONG)
def test_what_is_no_rule(text):
    with pytest.raises(ModelError) as caught:
        stored_input(text)
    told = ascii(text) if len(text) <= 60 else ascii(text[:60])[:-1] + "...'"
    assert str(caught.value) == (
        "Input scale must be a rule from a stored integer x to what the model takes, such as 1/255, x/127.5-1, "
        "(x-33)/79, or (x-[124,116,104])/[58,57,57] for channels, or int2 to int16 for signed integers, "
        f"not {told}: {WRONG[text]}."
    )


@given(st.text(alphabet="x0123456789.+-*/()[], ", max_size=60))
def test_hostile_rules_end_in_a_sentence(text):
    try:
        stored = stored_input(text)
    except ModelError as error:
        assert str(error).startswith("Input ") and str(error).endswith(".")
    else:
        assert stored_input(stored.rule) == stored


LINES = st.fractions(min_value=-1000, max_value=1000, max_denominator=1000)


@given(st.lists(st.tuples(LINES.filter(lambda scale: abs(scale) > Fraction(1, 100)), LINES), min_size=1, max_size=4))
def test_rules_come_back(lines):
    scales, offsets = zip(*lines, strict=True)
    stored = Stored.of(scales, offsets, -8, 7)
    again = Stored.of(*parsed_rule(stored.rule), -8, 7)
    assert again == stored
    assert set(again.scales) == set(scales) and set(again.offsets) == set(offsets)


@given(LINES, LINES.filter(bool), LINES.filter(bool))
def test_forms_of_one_rule(m, s, d):
    """Against plain arithmetic of fractions."""
    forms = [f"(x/({d})-({m}))/({s})", f"x/({d})/({s})-({m})/({s})", f"(x-({m})*({d}))/(({d})*({s}))"]
    for form in forms:
        assert parsed_rule(form) == ((1 / (d * s),), (-m / s,))


@pytest.mark.parametrize(
    ("text", "ends"), [("-128:127", (-128, 127)), ("0:16", (0, 16)), (" -5 : -2 ", (-5, -2)), ("0:65535", (0, 65535))]
)
def test_ranges(text, ends):
    assert parsed_range(text) == ends
    stored = stored_input(None, text)
    assert (stored.low, stored.high, stored.scale, stored.offset) == (*ends, ("1",), ("0",))


def test_rule_and_range_together():
    assert stored_input("x/8+1", "-8:7") == Stored(low=-8, high=7, scale=("1/8",), offset=("1",))
    for bits in range(2, 17):
        half = 1 << (bits - 1)
        assert (
            stored_input(f"int{bits}") == stored_input(None, f"{-half}:{half - 1}") == Stored(low=-half, high=half - 1)
        )


@pytest.mark.parametrize(
    "text", ["", "1", "5:5", "9:3", "0:1e3", "a:b", "0:255:1", "0:٣", "0:9999999999", "0x1:3", "1.0:3"]
)
def test_what_is_no_range(text):
    with pytest.raises(ModelError) as caught:
        stored_input("1/255", text)
    why = (
        "LOW must be less than HIGH"
        if text in ("5:5", "9:3")
        else "it must be two integers of up to 9 digits with a colon between them"
    )
    assert str(caught.value) == f"Input range must be LOW:HIGH, as in 0:255 or -128:127, not {ascii(text)}: {why}."


@pytest.mark.parametrize(
    ("scale", "span", "text"),
    [
        ("int8", "0:3", "Input scale 'int8' says the range of the input, too: leave out the input range."),
        (
            None,
            "0:65536",
            "Input range must have a low end below its high end, and at most 65,536 integers, not 0 to 65536.",
        ),
        (
            f"x-[{','.join(map(str, range(17)))}]",
            "0:65535",
            "Input rule must have at most 1,048,576 cases, not 17 numbers for each of 65,536 integers.",
        ),
        (
            "x-600000",
            None,
            "Input rule x-600000 must have numbers that float32 tells apart: its offset is at most 524,033 steps, not "
            "600,000.",
        ),
    ],
)
def test_what_does_not_go_together(scale, span, text):
    with pytest.raises(ModelError) as caught:
        stored_input(scale, span)
    assert str(caught.value) == text
