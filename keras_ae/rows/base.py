"""The base of all rows: frozen dataclasses that turn to JSON and back, and no Keras."""

from dataclasses import fields
from typing import ClassVar

Shape = tuple[int, ...]

ROWS: dict[str, type["Row"]] = {}


class SpecError(ValueError):
    """A spec that cannot be built; the message names the row, the value and what to do."""


class Row:
    """Base of all rows: equal by value, and JSON both ways under the name of the class.

    `scheduled` names the fields that may be a schedule, whose value moves while a model trains.
    """

    scheduled: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls, *, abstract: bool = False, **kwargs):
        super().__init_subclass__(**kwargs)
        if not abstract:
            ROWS[cls.__name__] = cls

    def to_dict(self) -> dict:
        """Return `{"row": class name, field: value, ...}` with every field written, defaults too."""
        return {"row": type(self).__name__} | {field.name: plain(getattr(self, field.name)) for field in fields(self)}

    def __str__(self):
        first, *others = fields(self) or [None]
        shown = [_shown(getattr(self, first.name))] if first else []
        shown += [f"{f.name}={_shown(getattr(self, f.name))}" for f in others if getattr(self, f.name) != f.default]
        return f"{type(self).__name__}({', '.join(shown)})"


def row_from_dict(config: dict) -> Row:
    """Rebuild a row from `Row.to_dict`; a missing or unknown name or field is a `SpecError`."""
    config = dict(config)
    name = config.pop("row", None)
    if name not in ROWS:
        raise SpecError(f"Unknown row {name!r} in the spec. Known rows: {', '.join(sorted(ROWS))}.")
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
