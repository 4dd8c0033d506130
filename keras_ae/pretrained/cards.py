"""`Card`: what pretrained weights are, in numbers and as Markdown."""

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

FORMAT = 1
REQUIRED = ("name", "model", "dataset", "spec", "weights", "parameters", "storage")


class Card(Mapping):
    """The facts about pretrained weights: `card["numbers"]`, `card.numbers`, and `print(card)` for all of it.

    Args:
        facts: what `card.json` holds; docs/pretrained.md lists the keys.
        folder: where the pictures are; None leaves their names as they are.
        weights: what `keras_ae.build(..., weights=...)` takes for these; None stands for the folder of the card.

    Raises:
        ValueError: no card of this format, or a fact that every card must have is missing.
    """

    def __init__(self, facts: dict, *, folder: Path | None = None, weights: str | None = None):
        version = facts.get("format") if isinstance(facts, dict) else None
        if version != FORMAT:
            raise ValueError(f"{folder}: card.json is no card of format {FORMAT}. Was it written by a newer keras_ae?")
        if missing := [key for key in REQUIRED if key not in facts]:
            raise ValueError(f"{folder}: card.json lacks {', '.join(missing)}.")
        self._facts, self._folder, self._weights = facts, folder, weights

    def __getitem__(self, key: str):
        return self._facts[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._facts)

    def __len__(self) -> int:
        return len(self._facts)

    def __getattr__(self, name: str):
        if name.startswith("_") or name not in self._facts:
            raise AttributeError(f"The card has no {name!r}. It has {', '.join(self.__dict__.get('_facts', ()))}.")
        return self._facts[name]

    def __repr__(self) -> str:
        return f"Card({self.name!r})"

    def __str__(self) -> str:
        parts = (self._title, self._use, self._pictures, self._numbers, self._rows, self._data, self._making)
        return "\n\n".join(text for part in parts if (text := part())) + "\n"

    def _repr_markdown_(self) -> str:
        return str(self)

    @property
    def headline(self) -> str:
        """The first of the numbers, in words: "mse 0.00301 ± 0.00002"; empty where there are none."""
        return next((f"{name} {_number(number)}" for name, number in self.get("numbers", {}).items()), "")

    def _title(self) -> str:
        weights = self._weights or "path/of/this/folder"
        weights = self.dataset if weights == f"{self.model}/{self.dataset}" else weights
        line = f"model = keras_ae.build({json.dumps(self.model)}, weights={json.dumps(weights)})"
        size = f"{self.parameters:,} parameters, stored as {self.storage}."
        return (
            f"# {self.name}\n\nWeights of `{self.model}`, trained on {self.dataset}. {size}\n\n```python\n{line}\n```"
        )

    def _numbers(self) -> str:
        rows = [
            f"| {name} | {_number(number)} | {number.get('protocol', '')} |"
            for name, number in self.get("numbers", {}).items()
        ]
        return rows and "\n".join(["## Numbers\n", "| number | value | protocol |", "|---|---|---|", *rows])

    def _rows(self) -> str:
        return f"## Rows\n\n```\n{self['rows']}\n```" if self.get("rows") else ""

    def _data(self) -> str:
        facts = {key: value for key, value in self.get("data", {}).items() if key != "stream"}
        if self.get("binarize"):
            facts["binarisation"] = self["binarize"]
        return _section("Data and licence", facts)

    def _making(self) -> str:
        facts = {"command": f"`{self['command']}`"} if self.get("command") else {}
        facts |= {key: self.get(key) for key in ("seed", "settings", "versions")}
        if self.get("seconds") is not None:
            cores = f" on {self['cores']} cores" if self.get("cores") else ""
            facts["wall time"] = f"{self['seconds'] / 60:.1f} minutes{cores}"
        return _section("How it was made", facts)

    def _pictures(self) -> str:
        names = self.get("pictures", [])
        shown = [f"![{Path(name).stem}]({self._folder / name if self._folder else name})" for name in names]
        return shown and "\n\n".join(["## Pictures", *shown])

    def _use(self) -> str:
        return _section("Use and limits", {key: self.get(key) for key in ("use", "limits")})


def _section(title: str, facts: dict) -> str:
    """Return a heading and a list of the facts that say something; empty where none does."""
    lines = [f"- {key.replace('_', ' ')}: {_words(value)}" for key, value in facts.items() if _says(value)]
    return lines and "\n".join([f"## {title}\n", *lines])


def _says(value) -> bool:
    return value not in (None, "", [], {})


def _words(value) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{key} {_words(item)}" for key, item in value.items() if _says(item))
    if isinstance(value, list):
        return ", ".join(map(_words, value))
    return f"{value:,}" if isinstance(value, int) and abs(value) >= 10_000 else str(value)


def _number(number: dict) -> str:
    """Return value ± standard error, to two digits of the error; without one, to five digits."""
    value, error = number["value"], number.get("error")
    if not error:
        return str(value) if isinstance(value, int) else f"{value:.5g}"
    digits = max(0, 1 - math.floor(math.log10(error)))
    return f"{value:.{digits}f} ± {error:.{digits}f}"
