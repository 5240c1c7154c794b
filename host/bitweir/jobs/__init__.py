"""Long work over processes of this machine, or over the workers of a Dask scheduler, that goes on where it ended."""

from .call import Report, sources
from .pool import at_once, run, workers

__all__ = ["Report", "at_once", "run", "sources", "workers"]
