"""Programs for people who work on bitweir: ``python -m tools.NAME`` in the root of the repository.

They use what the tests share (``tests/support/``).
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
