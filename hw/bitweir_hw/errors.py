"""Mistakes that a user can make, each with one clear sentence."""

from collections.abc import Mapping

__all__ = ["BitweirError", "FileError", "LinkError", "NetworkError", "OptionsError", "PlanError", "ToolError"]


class BitweirError(Exception):
    """A mistake of the user, told in one sentence: the thing, the rule, the value, the remedy."""

    #: Exit code of the command line for this cause.
    exit_code = 1
    #: What tools left that failed, by the names of files: their logs, and what they were asked.
    logs: Mapping[str, bytes] = {}


class NetworkError(BitweirError):
    """The integer network breaks a rule."""

    exit_code = 4


class PlanError(BitweirError):
    """The plan does not fit the network."""

    exit_code = 5


class OptionsError(PlanError):
    """Wishes exclude each other, or one of them needs another one: as a command line, they are wrong."""

    exit_code = 2


class ToolError(BitweirError):
    """A tool that the work needs is missing, or failed."""

    exit_code = 6


class FileError(BitweirError):
    """A file or folder is missing, damaged, or cannot be written."""

    exit_code = 7


class LinkError(BitweirError):
    """A device does not answer, or is not what was asked for."""

    exit_code = 10
