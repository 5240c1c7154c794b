"""Every reason why a file cannot be imported, collected so that one error lists them all."""

from __future__ import annotations

from .errors import ModelError

__all__ = ["UNKNOWN", "UNKNOWN_CONSTANT", "Troubles", "Unknown", "kind_of"]

#: Mistakes that are listed, names of others of one kind, and mistakes after which the search ends.
_TOLD, _NAMED, _MOST = 10, 3, 100


class Unknown:
    """Stands for the output of a refused node: nodes that take it are skipped, and not reported."""


#: Behind what depends on the image, and behind constants.
UNKNOWN, UNKNOWN_CONSTANT = Unknown(), Unknown()


def kind_of(text: str, subject: str) -> str:
    """The kind of a mistake: its sentence without the subject, and without the value that was found."""
    return text.replace(subject, "", 1).partition(", but ")[0]


class Troubles:
    """The mistakes of one file, as they are found."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._more: dict[str, list[str]] = {}
        self._first: list[str] = []

    def __bool__(self) -> bool:
        return bool(self._texts)

    @property
    def many(self) -> bool:
        """Whether there are so many that the search for more can end."""
        return sum(map(len, self._more.values())) + len(self._texts) >= _MOST

    def add(self, text: str, *, kind: str, name: str, first: bool = False) -> None:
        """Note a mistake.

        Parameters
        ----------
        text : str
            A sentence.
        kind : str
            Mistakes of one kind are reported once; see `kind_of`.
        name : str
            What to call others of the kind.
        first : bool
            To be listed before the others, as operators without a rule are.
        """
        if kind in self._more:
            self._more[kind].append(name)
            return
        self._texts[kind], self._more[kind] = text, []
        if first:
            self._first.append(kind)

    def error(self) -> ModelError:
        """One error that lists all of them."""
        order = [*self._first, *(key for key in self._texts if key not in self._first)]
        told = [self._texts[key] + self._others(key) for key in order]
        if len(told) == 1:
            return ModelError(told[0])
        rest = f" And {len(told) - _TOLD} more." if len(told) > _TOLD else ""
        listed = " ".join(f"({number}) {text}" for number, text in enumerate(told[:_TOLD], 1))
        return ModelError(f"The model cannot be imported for {len(told)} reasons. {listed}{rest}")

    def _others(self, key: str) -> str:
        names = self._more[key]
        if not names:
            return ""
        listed = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
        return f" The same holds for {listed}."
