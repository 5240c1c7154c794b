"""JSON beside its schema, which is checked itself once: that takes longer than all else."""

import json
from functools import cache
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match

__all__ = ["validate"]


@cache
def _validator(schema: str) -> Draft202012Validator:
    tree = json.loads(schema)
    Draft202012Validator.check_schema(tree)
    return Draft202012Validator(tree)


def validate(tree: Any, schema: dict[str, Any]) -> None:
    """Raise jsonschema's `ValidationError` where JSON is not as its schema says."""
    error = best_match(_validator(json.dumps(schema)).iter_errors(tree))
    if error is not None:
        raise error
