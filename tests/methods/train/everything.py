"""Run scripts of this folder in one process, all if none is named: ``python tests/methods/train/everything.py [NAME
...]``.

Networks without quantisation that several scripts compare with are then trained once. All take some minutes.
"""

import runpy
import sys
from pathlib import Path

if __name__ == "__main__":
    folder = Path(__file__).parent
    found = sorted(path.stem for path in folder.glob("*.py") if path.stem not in ("common", "everything"))
    for name in sys.argv[1:] or found:
        runpy.run_path(str(folder / f"{name}.py"), run_name="__main__")
