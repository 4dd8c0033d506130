"""A folder of pretrained weights: `spec.json`, `model.weights.h5`, `card.json`, each checked before it is opened."""

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from keras_ae.pretrained.cards import Card
from keras_ae.spec import Spec

SPEC, WEIGHTS, CARD, CATALOGUE = "spec.json", "model.weights.h5", "card.json", "catalogue.json"


def folder_name(name: str) -> str:
    """Return the folder of a name: "conv_vae/mnist" is in conv_vae-mnist."""
    return name.replace("/", "-", 1)


def digest(data: bytes) -> str:
    """Return the SHA-256 of `data` in hexadecimal."""
    return sha256(data).hexdigest()


@dataclass(frozen=True)
class Folder:
    """A folder of pretrained weights.

    Args:
        path: where it is.
        name: what the user called it, for messages.
        hashes: file to SHA-256, as the catalogue has them; None for a folder outside, whose card has those of the spec
            and of the weights.
    """

    path: Path
    name: str
    hashes: dict[str, str] | None = None

    def read(self, file: str) -> bytes:
        """Return the bytes of a file, which must be those that the catalogue knows.

        Raises:
            FileNotFoundError: the file is missing.
            ValueError: its SHA-256 is another.
        """
        try:
            data = (self.path / file).read_bytes()
        except FileNotFoundError as error:
            raise FileNotFoundError(
                f"{self.path} holds no whole weights {self.name}: {file} is missing. {self._mend()}"
            ) from error
        if self.hashes is not None and digest(data) != self.hashes.get(file):
            raise ValueError(
                f"{self.path / file} is damaged or was changed: its SHA-256 is {digest(data)}, and catalogue.json has "
                f"{self.hashes.get(file)}. {self._mend()}"
            )
        return data

    def card(self) -> Card:
        """Return the card, or raise a `ValueError` that says what is wrong with it."""
        data = self.read(CARD)
        try:
            facts = json.loads(data)
        except ValueError as error:
            raise ValueError(f"{self.path / CARD} is damaged: it is no JSON ({error}). {self._mend()}") from error
        return Card(facts, folder=self.path, weights=self.name)

    def check(self) -> None:
        """Check that card, spec and weights are whole and belong together, or raise as `read` does."""
        card = self.card()
        for file, key in ((SPEC, "spec"), (WEIGHTS, "weights")):
            found = digest(self.read(file))
            if found != card[key]:
                raise ValueError(
                    f"{self.path / file} and the card beside it do not belong together: the SHA-256 is {found}, and "
                    f"card.json has {card[key]}. The file is damaged or was changed, or the card is for another one. "
                    f"{self._mend()}"
                )

    @property
    def size(self) -> int:
        """Bytes of all files in the folder."""
        return sum(file.stat().st_size for file in self.path.iterdir())

    def spec(self) -> Spec:
        """Return the spec of the weights."""
        return Spec.from_json(self.read(SPEC).decode())

    def _mend(self) -> str:
        return "Copy or pack the folder anew." if self.hashes is None else "Install keras_ae anew."
