"""The program ``bitweir``, also as ``python -m bitweir``."""

from __future__ import annotations

import signal
import sys
import warnings

__all__ = ["run"]


def run() -> None:
    """Run the command line: Ctrl-C ends it in one line, from the first moment on."""
    # Gateware that an interrupted command leaves half made would say so, in many lines.
    warnings.filterwarnings("ignore", message="(?s).* created but never used$")
    try:
        from .cli import main

        main(prog_name="bitweir")
    except KeyboardInterrupt:
        sys.stderr.write("bitweir: Interrupted.\n")
        sys.exit(128 + signal.SIGINT)
    finally:
        # What is left is to end.
        signal.signal(signal.SIGINT, signal.SIG_IGN)


if __name__ == "__main__":
    run()
