"""The base of all rows: frozen dataclasses that turn to JSON and back, and no Keras."""

import sys
from collections.abc import Mapping
from dataclasses import fields
from typing import ClassVar

Shape = tuple[int, ...]

ROWS: dict[str, type["Row"]] = {}


class SpecError(ValueError):
    """A spec that cannot be built; the message names the row, the value and what to do."""


class Row:
    """Base of all rows: equal by value, and JSON both ways under the name of the class, which is that of no other row.

    Attributes:
        scheduled: the fields that may be a schedule, whose value moves while a model trains.
        in_training_only: whether a trained model does without the row, as without dropout.

    Raises:
        ValueError: when a class is declared whose name another row has.
    """

    scheduled: ClassVar[tuple[str, ...]] = ()
    in_training_only: ClassVar[bool] = False

    def __init_subclass__(cls, *, abstract: bool = False, **kwargs):
        super().__init_subclass__(**kwargs)
        if not abstract:
            _check_free("row", cls.__name__, ROWS.get(cls.__name__), cls)
            ROWS[cls.__name__] = cls

    def to_dict(self) -> dict:
        """Return `{"row": class name, field: value, ...}` with every field written, defaults too."""
        return {"row": type(self).__name__} | {field.name: plain(getattr(self, field.name)) for field in fields(self)}

    def __str__(self):
        first, *others = fields(self) or [None]
        shown = [_shown(getattr(self, first.name))] if first else []
        shown += [f"{f.name}={_shown(getattr(self, f.name))}" for f in others if getattr(self, f.name) != f.default]
        return f"{type(self).__name__}({', '.join(shown)})"


def _check_free(what: str, name: str, taken: type[Row] | None, kind: type[Row]) -> None:
    """Raise a `ValueError` where another class has the name; the same class may be declared anew, as in a notebook."""
    if taken is not None and _place(taken) != _place(kind):
        raise ValueError(
            f"There is a {what} called {name!r} already, {taken.__module__}.{taken.__qualname__}. "
            "Call yours something else: files know it by that name."
        )


def _place(kind: type[Row]) -> tuple[str, str]:
    """The file in which a class is declared, or its module where that has no file, and its name there."""
    return getattr(sys.modules.get(kind.__module__), "__file__", None) or kind.__module__, kind.__qualname__


def check_class(function: str, kind, base: type[Row], example: str) -> None:
    """Raise a `TypeError` where what a decorator was given is no class of rows of that base."""
    if not (isinstance(kind, type) and issubclass(kind, base)):
        raise TypeError(f"{function} takes a subclass of keras_ae.{base.__name__}, got {kind!r}. {example}")


class ShortNames(Mapping):
    """The rows of a kind that have a short name, as their classes declare it in `names`: name -> row."""

    def __init__(self):
        self._declared: dict[str, tuple[type[Row], tuple]] = {}

    def declare(self, kind: type[Row]) -> None:
        """Take the names that a class declares itself, each with the values of the fields of the row that it means.

        Raises:
            ValueError: a name that another class has.
        """
        for name, values in vars(kind).get("names", {}).items():
            taken, _ = self._declared.get(name, (None, ()))
            _check_free("short name", name, taken, kind)
            self._declared[name] = kind, values

    def __getitem__(self, name: str) -> Row:
        kind, values = self._declared[name]
        return kind(*values)

    def __iter__(self):
        return iter(self._declared)

    def __len__(self):
        return len(self._declared)


def row_from_dict(config: dict) -> Row:
    """Rebuild a row from `Row.to_dict`; a missing or unknown name or field is a `SpecError`."""
    config = dict(config)
    name = config.pop("row", None)
    if name not in ROWS:
        raise SpecError(
            f"Unknown row {name!r} in the spec. Known rows: {', '.join(sorted(ROWS))}. A row of your own is known once "
            "the module that declares it is imported."
        )
    try:
        return ROWS[name](**{key: restored(value) for key, value in config.items()})
    except TypeError as error:
        raise SpecError(
            f"Row {name}: {error}. Its fields are {[field.name for field in fields(ROWS[name])]}."
        ) from error


def plain(value):
    """Return a field's value as JSON has it: rows become dicts, tuples become lists."""
    if isinstance(value, Row):
        return value.to_dict()
    return [plain(item) for item in value] if isinstance(value, tuple) else value


def restored(value):
    """Return what `plain` was given: dicts become rows, lists become tuples."""
    if isinstance(value, dict):
        return row_from_dict(value)
    return tuple(restored(item) for item in value) if isinstance(value, list) else value


def _shown(value) -> str:
    if isinstance(value, tuple):
        return f"({', '.join(map(str, value))})"
    return repr(value) if isinstance(value, str) else str(value)


def checked_count(row: str, field: str, value) -> int:
    """Return `value` as a whole number of at least 1, or raise a `SpecError` that names the row and the field."""
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise SpecError(f"{row}: {field} must be a whole number of at least 1, got {value!r}.")
    return value
