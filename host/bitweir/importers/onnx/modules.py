"""Where in the user's code a node comes from, as far as the exporter says it.

PyTorch's exporters name the modules: the older one in the names of nodes (``/layer1/layer1.0/conv1/Conv``), the newer
one in metadata (``name_scopes``), together with the lines of code. Brevitas writes through either.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from contextlib import suppress

from ..errors import shown

__all__ = ["module_of", "whereabouts"]

_SCOPES, _TRACE = "pkg.torch.onnx.name_scopes", "pkg.torch.onnx.stack_trace"
#: Characters of metadata that are looked at.
_MOST = 1 << 14


def whereabouts(op: str, name: str, metadata: Mapping[str, str]) -> str:
    """What to say behind the name of a node: ``" (module layer1.0.conv1, net.py line 12)"``, or nothing."""
    module = _by_scopes(metadata.get(_SCOPES, "")[:_MOST]) or module_of(op, name)
    line = _line(metadata.get(_TRACE, "")[-_MOST:])
    told = [f"module {shown(module)[1:-1]}"] if module else []
    told += [line] if line else []
    return f" ({', '.join(told)})" if told else ""


def _by_scopes(text: str) -> str:
    """The module of a list of scopes, of which the first is the model, and the last the function."""
    scopes = None
    with suppress(ValueError, SyntaxError, MemoryError, RecursionError):
        scopes = ast.literal_eval(text)
    if not isinstance(scopes, list) or not all(isinstance(scope, str) for scope in scopes) or len(scopes) < 3:
        return ""
    return str(scopes[-2])


def module_of(op: str, name: str) -> str:
    """The module of a node in its name, such as ``/layer1/layer1.0/conv1/Conv_3``; empty where none is told."""
    *scopes, last = name.split("/")
    if not name.startswith("/") or not re.fullmatch(re.escape(op) + r"(_\d+)?", last):
        return ""
    path: list[str] = []
    for scope in filter(None, scopes):
        if path and scope.startswith(f"{path[-1]}."):  # the children of a list of modules repeat its name
            path.pop()
        path.append(scope)
    return ".".join(path)


def _line(trace: str) -> str:
    """The innermost line of code that is not a library's."""
    calls = re.findall(r'File "([^"\n]{1,500})", line (\d{1,7})', trace)
    own = [(file, line) for file, line in calls if not re.search("(site|dist)-packages", file)]
    if not own:
        return ""
    file, line = own[-1]
    base = file.replace("\\", "/").rpartition("/")[2]
    return f"{shown(base)[1:-1]} line {line}"
