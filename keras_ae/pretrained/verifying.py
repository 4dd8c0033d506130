"""Every number of shipped cards, measured again from the shipped files."""

from collections.abc import Callable
from dataclasses import dataclass

from keras_ae import pretrained, registry
from keras_ae.evaluation import measure
from keras_ae.settings import Settings

SLOW = "iw_nll"


@dataclass(frozen=True)
class Verdict:
    """A number of a card, and what it is now.

    Attributes:
        weights: whose card it is on.
        name: the number's name.
        card: its value on the card.
        now: its value now, None where it was not measured.
        tolerance: how far the two may lie apart.
        holds: whether they do not; None for what `quick` leaves out. What is not a number does not hold.
    """

    weights: str
    name: str
    card: float
    now: float | None
    tolerance: float
    holds: bool | None


def verify(pattern: str = "*", *, quick: bool = False, say: Callable[[str], None] | None = None) -> list[Verdict]:
    """Measure the shipped weights again, as anyone would load them, on the test part that their card names.

    Args:
        pattern: names of weights, shell-style, as in `list_weights`.
        quick: leave out `iw_nll`, the importance-weighted bound, which takes minutes for each model.
        say: called with a line before each model; None says nothing.
    """
    found, names = [], pretrained.list_weights(pattern)
    for place, name in enumerate(names, 1):
        if say:
            say(f"{place} of {len(names)}: {name}")
        card = pretrained.card(name)
        found += compared(name, card.numbers, _measured(card, quick=quick), quick=quick)
    return found


def compared(weights: str, card: dict[str, dict], now: dict[str, dict], *, quick: bool = False) -> list[Verdict]:
    """Return a verdict for each number of a card, beside those that were measured now."""
    verdicts = []
    for name, number in card.items():
        value, tolerance = number["value"], number["tolerance"]
        again = now[name]["value"] if name in now else None
        left_out = None if quick and name == SLOW else False
        holds = left_out if again is None else abs(again - value) <= tolerance
        verdicts.append(Verdict(weights, name, value, again, tolerance, holds))
    return verdicts


def _measured(card: pretrained.Card, *, quick: bool) -> dict[str, dict]:
    model = registry.build(card.model, weights=card.dataset)
    size = card.settings["image_size"]
    data = Settings(**{**card.settings, "image_size": size and tuple(size)}).load_data()
    options = card.protocol | ({"num_samples": None} if quick else {})
    return measure(model, data.test, data_range=data.train.range, binarize=card.binarize, **options)
