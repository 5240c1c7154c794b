"""The schemas that are kept as files are those of the results."""

import jsonschema
import pytest
from bitweir.schemas import schema_text

from tools.write_schemas import FOLDER, SCHEMAS


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_kept_as_it_is_generated(name):
    tree = SCHEMAS[name]()
    jsonschema.Draft202012Validator.check_schema(tree)
    assert (FOLDER / name).read_text() == schema_text(tree), "Run python -m tools.write_schemas."
    # Whatever has fields says what they are, and takes no others.
    for entry in (tree, *tree.get("$defs", {}).values()):
        if "properties" in entry:
            assert entry["description"] and entry["additionalProperties"] is False
