"""Builds the wheel and the source of a release, and tries the wheel where nothing else is installed.

``python -m tools.distribute`` (`make dist`) writes into ``dist/``

- the wheel, and the source, from which the wheel was built;
- ``bitweir-VERSION.cdx.json``: all that an installation of the wheel brings along, with versions and licences, as a
  software bill of materials in the format of CycloneDX.

The wheel is installed into a new virtual environment, in which the demo has to run. The cache of YoWASP is not a new
one: its first use takes minutes.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["components", "unlicensed"]

ROOT = Path(__file__).resolve().parents[1]
DIST = ROOT / "dist"


def components(bill: Mapping[str, Any]) -> dict[str, list[str]]:
    """Names of the packages in a bill of materials, each with its licences."""
    return {part["name"]: [_name(choice) for choice in part.get("licenses", [])] for part in bill["components"]}


def _name(choice: Mapping[str, Any]) -> str:
    licence = choice.get("license", {})
    return str(choice.get("expression") or licence.get("id") or licence.get("name"))


def unlicensed(bill: Mapping[str, Any]) -> list[str]:
    """Packages whose metadata names no licence."""
    return sorted(name for name, licences in components(bill).items() if not licences)


def main() -> None:
    """Build, try and list."""
    shutil.rmtree(DIST, ignore_errors=True)
    # The wheel is built from the source, so that the source is complete.
    _run(sys.executable, "-m", "build", "--outdir", DIST, ROOT)
    wheel = next(DIST.glob("*.whl"))
    _run(sys.executable, "-m", "twine", "check", "--strict", *DIST.iterdir())
    with tempfile.TemporaryDirectory(prefix="bitweir-dist-") as folder:
        place = Path(folder)
        venv.create(place / "venv", with_pip=True)
        scripts = place / "venv" / "bin"
        _run(scripts / "pip", "install", "--quiet", "--disable-pip-version-check", wheel)
        _run(scripts / "bitweir", "demo", "--json", cwd=place, output=place / "demo.json")
        demo = json.loads((place / "demo.json").read_text())
        assert demo["simulation"]["mismatches"] == 0 and demo["simulation"]["images"] > 0
        listed = DIST / f"{wheel.name.split('-py3')[0]}.cdx.json"
        _run(sys.executable, "-m", "cyclonedx_py", "environment", scripts / "python", "--output-file", listed)
    bill = json.loads(listed.read_text())
    print(f"Written to {DIST.name}/, and tried:", *sorted(path.name for path in DIST.iterdir()), sep="\n  ")
    print(f"{len(components(bill))} packages; no licence in the metadata of: {', '.join(unlicensed(bill)) or 'none'}")


def _run(*command: str | Path, cwd: Path = ROOT, output: Path | None = None) -> None:
    # The wheel is tried, not the sources.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    stdout = output.open("w") if output else None
    subprocess.run(command, cwd=cwd, check=True, stdout=stdout, env=environment)


if __name__ == "__main__":
    main()
