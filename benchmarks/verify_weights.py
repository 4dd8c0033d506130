"""Recompute every number of every shipped card from the shipped files.

    python benchmarks/verify_weights.py [--only 'conv_*/mnist'] [--quick]

Loads the weights as anyone does, measures them on the test part that their card names by
`keras_ae.pretrained.numbers.measure`, and prints each number beside the card's. Exits 1 where one differs by more than
its tolerance, or is on the card and not measured. `--quick` leaves out the importance-weighted bound, which takes
minutes for each model, and says so.
"""

import argparse
import sys

from rich.console import Console
from rich.table import Table

import keras_ae
from keras_ae.pretrained import numbers
from keras_ae.runs import Settings

SLOW = "iw_nll"


def measured(name: str, *, quick: bool) -> dict[str, dict]:
    """Return the numbers of the shipped weights `name`, such as "conv_vae/mnist", measured now."""
    card = keras_ae.card(name)
    model = keras_ae.build(card.model, weights=card.dataset)
    size = card.settings["image_size"]
    data = Settings(**{**card.settings, "image_size": size and tuple(size)}).load_data()
    options = card.protocol | ({"num_samples": None} if quick else {})
    return numbers.measure(model, data, binarize=card.binarize, **options)


def compared(card: dict[str, dict], now: dict[str, dict], *, quick: bool) -> list[tuple]:
    """Return (number, value on the card, value now, difference, tolerance, verdict) for each number of a card.

    The verdict is True or False, or None for what `quick` leaves out.
    """
    rows = []
    for name, number in card.items():
        value, tolerance = number["value"], number["tolerance"]
        if name in now:
            difference = now[name]["value"] - value
            # Not `>`: a value that is not a number differs.
            rows.append((name, value, now[name]["value"], difference, tolerance, abs(difference) <= tolerance))
        else:
            rows.append((name, value, None, None, tolerance, None if quick and name == SLOW else False))
    return rows


def main(arguments: list[str] | None = None) -> int:
    """Print the table of all cards; return 1 where a number does not hold, else 0."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="*", help="names of weights, as a shell-style pattern")
    parser.add_argument("--quick", action="store_true", help=f"leave out {SLOW}")
    options = parser.parse_args(arguments)
    console = Console(width=None if sys.stdout.isatty() else 120)
    names = keras_ae.list_weights(options.only)
    table = Table("weights", "number", title="Shipped weights, measured again")
    for column in ("card", "recomputed", "difference", "tolerance", "ok"):
        table.add_column(column, justify="right")
    verdicts = []
    for place, name in enumerate(names, 1):
        console.print(f"{place} of {len(names)}: {name}")
        rows = compared(keras_ae.card(name).numbers, measured(name, quick=options.quick), quick=options.quick)
        for number, *values, ok in rows:
            cells = ["-" if value is None else f"{value:.6g}" for value in values]
            table.add_row(name, number, *cells, {True: "yes", False: "[red]NO[/red]", None: "skipped"}[ok])
            verdicts.append(ok)
        table.add_section()
    if verdicts:
        console.print(table)
    bad, skipped = verdicts.count(False), verdicts.count(None)
    console.print(f"{len(names)} weights, {len(verdicts)} numbers: {bad} out of tolerance, {skipped} skipped.")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
