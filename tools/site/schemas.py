"""The fields of every JSON that the commands print, from the schemas in the packages."""

from __future__ import annotations

import json
from typing import Any

from tools.write_schemas import FOLDER, SCHEMAS

__all__ = ["sections"]

Json = dict[str, Any]


def sections() -> str:
    """Sections of the page `docs/reference/json.md`."""
    return "\n".join(_document(name, SCHEMAS[name]()) for name in SCHEMAS)


def _document(name: str, tree: Json) -> str:
    where = f"{{download}}`{name} <../../{(FOLDER / name).relative_to(FOLDER.parents[1])}>`"
    parts = [f"## {tree['title']}\n\n{tree['description']} The schema: {where}.\n", _fields(tree, tree["title"])]
    for kind, entry in tree.get("$defs", {}).items():
        if "properties" in entry:
            label = _label(tree["title"], kind)
            parts += [f"({label})=\n### {kind}\n\n{entry['description']}\n", _fields(entry, tree["title"])]
    return "\n".join(parts)


def _label(title: str, kind: str) -> str:
    return f"{title} {kind}".lower().replace(" ", "-")


def _fields(entry: Json, title: str) -> str:
    required = set(entry.get("required", ()))
    rows = [
        f"| `{name}` | {_type(field, title)}{'' if name in required else ', may be missing'} "
        f"| {_text(field.get('description', ''))} |"
        for name, field in entry["properties"].items()
    ]
    return "\n".join(["| field | type | meaning |", "|---|---|---|", *rows, ""])


def _type(field: Json, title: str) -> str:
    """What a value may be, in a few words."""
    if "$ref" in field:
        kind = field["$ref"].removeprefix("#/$defs/")
        return f"[{kind}](#{_label(title, kind)})"
    if "anyOf" in field:
        return " or ".join(_type(choice, title) for choice in field["anyOf"])
    if "enum" in field:
        return " or ".join(f"`{_text(json.dumps(value))}`" for value in field["enum"])
    kind = field.get("type")
    if kind == "array":
        if "prefixItems" in field:
            return "[" + ", ".join(_type(item, title) for item in field["prefixItems"]) + "]"
        return f"list of {_type(field.get('items', {}), title)}"
    if kind == "object" and isinstance(field.get("additionalProperties"), dict):
        return f"object of {_type(field['additionalProperties'], title)} by name"
    return str(kind or "any")


def _text(text: str) -> str:
    """Text that means itself in a cell of a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
