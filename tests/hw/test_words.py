import pytest
from bitweir_hw.words import counted


@pytest.mark.parametrize(
    ("number", "told"), [(0, "0 cycles"), (1, "1 cycle"), (1.0, "1 cycle"), (1024, "1,024 cycles"), (1.5, "1.5 cycles")]
)
def test_a_number_of_things(number, told):
    assert counted(number, "cycle") == told
