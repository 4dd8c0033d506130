"""Tables with named columns, of pandas and polars, as arrays: the columns must be numbers, and messages name them."""

import numpy as np


def is_frame(data) -> bool:
    """Whether `data` is a DataFrame of pandas or polars."""
    return (
        type(data).__name__ != "LazyFrame"
        and _module(data) in ("pandas", "polars")
        and hasattr(data, "columns")
        and hasattr(data, "dtypes")
    )


def is_series(data) -> bool:
    """Whether `data` is a Series of pandas or polars, one column."""
    return _module(data) in ("pandas", "polars") and hasattr(data, "to_numpy") and not hasattr(data, "columns")


def frame_to_array(frame, name: str) -> np.ndarray:
    """A frame's columns side by side, missing values as NaN: (n, columns), float32 or float64 or bool.

    Flags are taken where all columns are flags, which are then 0 and 1, as in an array of them.

    Raises:
        TypeError: a column of words, dates, categories or complex numbers, or of flags beside numbers. The message
            names the column and, for words, the row.
    """
    columns = [(label, column_to_array(frame[label], name, label)) for label in _labels(frame, name)]
    if not columns:
        raise ValueError(f"{name} is a frame without columns. Give it one for each value of a sample.")
    flags = [label for label, column in columns if column.dtype == bool]
    if flags and len(flags) < len(columns):
        raise TypeError(
            f"{name} has flags (bool) in column {flags[0]!r}, beside numbers in others. Give them as numbers: "
            f"cast the column to float32."
        )
    return np.column_stack([column for _, column in columns])


def column_to_array(column, name: str, label) -> np.ndarray:
    """One column's values, missing ones as NaN: (n,), numbers or bool."""
    kind, where = _kind(column), f" in column {label!r}" if _is_named(label) else ""
    if kind is not None:
        raise TypeError(f"{name} has {kind}{where}. Models take numbers: {_encoded(label)}.")
    values = _numbers(column)
    if values is not None:
        return values
    for row, value in enumerate(column):
        if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | np.number | None):
            where = f"row {row}, column {label!r}" if _is_named(label) else f"row {row}"
            raise TypeError(f"{name} has {value!r} in {where}, which is no number: {_encoded(label)}.")
    return np.array([np.nan if value is None else value for value in column], dtype="float64")


def _is_named(label) -> bool:
    """Whether a column has a name; a Series may have none."""
    return label not in (None, "")


def _encoded(label) -> str:
    if _is_named(label):
        return "encode the column, for example with scikit-learn's OneHotEncoder, or drop it"
    return "give whole numbers in the place of names, np.unique(names, return_inverse=True)[1]"


def column_names(data) -> list | None:
    """The columns' names of a frame; None for all else."""
    return list(data.columns) if is_frame(data) else None


def _labels(frame, name: str) -> list:
    labels = list(frame.columns)
    twice = [label for label in labels if labels.count(label) > 1] if len(set(labels)) < len(labels) else []
    if twice:
        raise ValueError(f"{name} has several columns of the name {twice[0]!r}. Rename them, or give an array.")
    return labels


def _kind(column) -> str | None:
    """What a column holds that is no number, in words; None where it may be numbers."""
    shown = str(column.dtype).lower()
    if shown.startswith(("date", "time", "duration", "period", "interval")):
        return "durations" if shown.startswith(("timedelta", "duration")) else "dates"
    if shown.startswith(("categor", "enum")):
        return "categories"
    return "complex numbers" if shown.startswith("complex") else None


def _numbers(column) -> np.ndarray | None:
    """The values of a column of numbers or flags, whatever the type that holds them; None for objects."""
    shown = str(column.dtype).lower()
    if shown.startswith(("object", "str", "utf8", "list", "struct", "binary", "array", "null")):
        return None
    is_flag, missing = shown.startswith("bool"), _has_missing(column)
    if is_flag and not missing:
        return np.asarray(column.to_numpy(), dtype=bool)
    wide = "float32" if shown in ("float32", "float16") else "float64"
    if _module(column) == "polars":
        return column.cast(float).to_numpy().astype(wide)  # Nulls become NaN.
    return column.to_numpy(dtype=wide, na_value=np.nan)


def _has_missing(column) -> bool:
    return bool(column.null_count()) if _module(column) == "polars" else bool(column.isna().any())


def _module(data) -> str:
    return type(data).__module__.partition(".")[0]
