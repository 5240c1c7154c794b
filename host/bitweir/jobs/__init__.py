"""Long work over processes of this machine, or over the workers of a Dask scheduler, that goes on where it ended."""

from .call import Report, sources
from .pool import run, workers

__all__ = ["Report", "run", "sources", "workers"]
