"""`Spec`: the whole of a model as data, and the table that it prints as."""

import json
import os
from dataclasses import dataclass, fields, replace
from hashlib import sha256
from itertools import takewhile
from math import prod
from pathlib import Path

from keras_ae.rows import (
    LIKELIHOODS,
    ROWS,
    Activation,
    Code,
    Conv,
    Corruption,
    Deconv,
    Dense,
    Dropout,
    Flatten,
    Input,
    Likelihood,
    Norm,
    Objective,
    Reshape,
    Residual,
    Row,
    Schedule,
    Scheduled,
    Shape,
    SpecError,
    check_inputs,
    checked_count,
    checked_layers,
    format_1,
    mirrored,
    plain,
    restored,
    shapes,
)

FORMAT = 2
HUGE = 50_000_000  # Weights of one dense row above which a model is warned of.

_KERNELS = Dense | Conv | Deconv
_MOVING = ("code", "likelihood", "corruption", "objective")  # Parts that may have fields which schedules move.
_WITHOUT_UNITS = Norm | Dropout | Activation | Flatten | Reshape


@dataclass(frozen=True)
class Spec:
    """A model as a table of rows: checked when made, equal by value, JSON both ways.

    Args:
        input_shape: shape of one sample, `(features,)` or `(*sides, channels)`.
        encoder: layer rows from x towards the code; they end in a flat shape, or, before a `Quantiser`, in any.
        code: what stands between encoder and decoder: `Vector`, `Identity`, `Gaussian`, `Quantiser`, ...
        likelihood: p(x|z), a row (`Bernoulli()`, `Normal("global")`, ...) or its short name in `LIKELIHOODS`.
        decoder: layer rows from the code back to `input_shape`; None mirrors the encoder. Its last row is linear,
            because the likelihood owns the squashing.
        corruption: what to do to the input while training (a denoising autoencoder), or None.
        objective: what training minimises, by what weights: `Reconstruction()`, `ELBO(beta=4.0)`, `Sparsity()`, ...;
            it names the model type. None means `ELBO()` for a `Gaussian` code, else `Reconstruction()`.
        tied: whether each row of the decoder uses the kernel of the encoder's row that it mirrors, transposed, with a
            bias of its own (Vincent et al. 2010, JMLR 11, section 2). The decoder is then the mirror, the code has one
            head, and so has the likelihood.
        inputs: what the model takes beside x, such as `Labels(10)`: a batch is then a dict of x and of these, by name.
            Encoder and decoder begin with it beside what they begin with, the same at all places where there are any;
            an encoder that begins with `Flatten` gets it after that. A `ConditionalPrior` takes what goes to it.

    Raises:
        SpecError: what cannot be built, in words that name the row and say what to do.
    """

    input_shape: Shape
    encoder: tuple[Row, ...]
    code: Code
    likelihood: Likelihood | str = "bernoulli"
    decoder: tuple[Row, ...] | None = None
    corruption: Corruption | None = None
    objective: Objective | None = None
    tied: bool = False
    inputs: tuple[Input, ...] = ()

    def __post_init__(self):
        object.__setattr__(self, "input_shape", checked_shape(self.input_shape))
        kinds = {"code": Code, "corruption": Corruption | None, "objective": Objective | None}
        for name, kind in kinds.items():
            if not isinstance(getattr(self, name), kind):
                raise SpecError(f"Spec: {name} must be a row of that kind, got {getattr(self, name)!r}.")
        if self.corruption is not None and self.corruption.leaves_nan:
            raise SpecError(f"Spec: corruption {self.corruption} leaves NaN. Let it fill with 'zero' or 'mean'.")
        object.__setattr__(self, "encoder", checked_layers("Spec", "encoder", self.encoder))
        object.__setattr__(self, "likelihood", _named_likelihood(self.likelihood))
        object.__setattr__(self, "objective", self.objective or ROWS[self.code.objective]())
        self.objective.check_code(self.code)
        if self.decoder is not None:
            object.__setattr__(self, "decoder", checked_layers("Spec", "decoder", self.decoder))
        object.__setattr__(self, "inputs", (self.inputs,) if isinstance(self.inputs, Input) else tuple(self.inputs))
        check_inputs(self.inputs, self.code, self.likelihood)
        self._check_decoder()
        if self.tied:
            self._check_tied()

    @property
    def joins_at(self) -> int:
        """How many rows of the encoder come before its inputs join: those that flatten x first."""
        return len(list(takewhile(lambda row: isinstance(row, Flatten), self.encoder)))

    @property
    def input_names(self) -> tuple[str, ...]:
        """The names of the inputs beside x."""
        return tuple(row.name for row in self.inputs)

    def beside(self, *parts: str) -> tuple[Input, ...]:
        """The inputs that any of these takes beside x or z: "encoder", "decoder", "prior" or "likelihood"."""
        return tuple(row for row in self.inputs if set(row.to) & set(parts))

    def taken_by(self, part: str, batch: dict):
        """What "encoder" or "decoder" takes of a batch: its x or z alone, or a dict of that and its inputs.

        "prior" takes a dict of its inputs alone.
        """
        names = [row.name for row in self.beside(part)]
        if part == "prior":
            return {name: batch[name] for name in names}
        first = "x" if part == "encoder" else "z"
        return {name: batch[name] for name in (first, *names)} if names else batch[first]

    def conditional(self, *inputs: Input) -> "Spec":
        """Return the spec of the same model with inputs beside x: p(x|z, c) and q(z|x, c) in the place of p and q.

        Args:
            *inputs: rows such as `Labels(10)`; those whose name the spec has already are left out.

        Raises:
            SpecError: a code without a prior, which has nothing to condition; inputs that do not fit.
        """
        if not self.code.has_prior:
            raise SpecError(
                f"Spec: a conditional model has a code with a prior, such as Gaussian(16), this one {self.code}. "
                "Choose 'cvae' or 'conv_cvae', or a variational model, such as 'conv_vae'."
            )
        new = [row for row in inputs if row.name not in self.input_names]
        return replace(self, inputs=(*self.inputs, *new))

    def joined(self, part: str, shape: Shape) -> Shape:
        """A shape with the inputs of a part beside its last axis."""
        return (*shape[:-1], shape[-1] + sum(row.width for row in self.beside(part)))

    def _check_tied(self) -> None:
        """Raise a `SpecError` where a row of the decoder has no single row whose kernel it could use."""
        wrong = {
            f"tied must be True or False, got {self.tied!r}": self.tied is not True,
            "tied=True is for the mirrored decoder. Leave decoder= out": self.decoder is not None,
            f"{self.code} has two heads, which one kernel cannot mirror. Use Vector or another code without "
            "variance": len(self.code.heads) > 1,
            f"{self.code} stands between two kernels that are not each other's mirror. Leave tied= out": (
                self.code.is_discrete
            ),
            "inputs beside x change the kernels that would be shared. Leave tied= or inputs= out": bool(self.inputs),
            f"{self.likelihood} has {len(self.likelihood.heads)} heads. Use one that has a single head, such as "
            "'gaussian'": len(self.likelihood.heads) > 1,
            "Residual rows cannot be tied. Write their rows without Residual": any(
                isinstance(row, Residual) for row in self.encoder
            ),
        }
        for sentence, holds in wrong.items():
            if holds:
                raise SpecError(f"Spec: {sentence}.")

    def _check_decoder(self) -> None:
        rows = self.decoder_rows
        along = shapes(rows, self.joined("decoder", self.code_shape))
        if along[-1] != self.input_shape:
            raise SpecError(f"Spec: the decoder leads from the code to {along[-1]}, not back to {self.input_shape}.")
        if not any(row.parameters(before) for row, before in zip(rows, along, strict=False)):
            raise SpecError("Spec: the decoder has no row with weights. Give it at least one, such as Dense.")
        for row in rows[last_weighted(rows, along) :]:
            if getattr(row, "activation", "linear") != "linear":
                raise SpecError(
                    f"Spec: the decoder ends in {row}. Give its last row activation='linear': "
                    "the likelihood turns the decoder's output into values of x."
                )

    @property
    def model(self) -> str:
        """The name of the model type that trains the spec."""
        return self.objective.model

    @property
    def scheduled(self) -> dict[str, Scheduled]:
        """What may move while a model trains, such as the weights of the objective, by name."""
        rows = [row for part in _MOVING if (row := getattr(self, part)) is not None]
        return {name: getattr(row, name) for row in rows for name in row.scheduled}

    @property
    def schedules(self) -> dict[str, Schedule]:
        """Those of `scheduled` that follow a schedule by step, by name; the others are numbers."""
        return {name: value for name, value in self.scheduled.items() if isinstance(value, Schedule)}

    def rescheduled(self, **values: Scheduled) -> "Spec":
        """Return the spec with other values of what `scheduled` names.

        Raises:
            SpecError: a name that it does not have.
        """
        if unknown := set(values) - set(self.scheduled):
            known = ", ".join(self.scheduled) or "nothing"
            raise SpecError(
                f"Spec: nothing called {', '.join(sorted(unknown))} can be scheduled; {self.model} has {known}."
            )
        changed = {}
        for part in _MOVING:
            row = getattr(self, part)
            own = {name: value for name, value in values.items() if row is not None and name in row.scheduled}
            changed |= {part: replace(row, **own)} if own else {}
        return replace(self, **changed)

    @property
    def code_shape(self) -> Shape:
        """Shape of the code z of a sample: `(latent_dim,)`, or a map, `(*sides, dim)`."""
        shape = self.input_shape
        for place, row in enumerate((*self.encoder, self.code)):
            shape = row.output_shape(self.joined("encoder", shape) if place == self.joins_at else shape)
        return shape

    @property
    def latent_dim(self) -> int:
        """Numbers in the code z."""
        return prod(self.code_shape)

    @property
    def decoder_rows(self) -> tuple[Row, ...]:
        """The decoder's rows: those written, or the mirror of encoder and code."""
        if self.decoder is not None:
            return self.decoder
        rows = [*self.encoder, self.code]
        on_input = list(takewhile(lambda row: isinstance(row, _WITHOUT_UNITS), rows))
        # What only normalises or reshapes the input leaves nothing but its shape to rebuild.
        reshaping = [row for row in on_input if isinstance(row, Flatten | Reshape)]
        return mirrored((*reshaping, *rows[len(on_input) :]), self.input_shape)

    def to_dict(self) -> dict:
        """Return the spec as plain JSON values, every field of every row written."""
        config = {"format": FORMAT} | {field.name: plain(getattr(self, field.name)) for field in fields(self)}
        for name in ("tied", "inputs"):  # Files from before there were such fields stay as they are.
            if not getattr(self, name):
                del config[name]
        return config

    @classmethod
    def from_dict(cls, config: dict) -> "Spec":
        """Rebuild a spec from `to_dict`."""
        config = dict(config)
        written = config.pop("format", None)
        if written == format_1.FORMAT:
            config = format_1.upgraded(config)
        elif written != FORMAT:
            raise SpecError(f"This is not a spec of format {FORMAT}. Was it written by a newer keras_ae?")
        unknown = set(config) - {field.name for field in fields(cls)}
        if unknown:
            raise SpecError(f"Spec: unknown fields {sorted(unknown)}. Was it written by a newer keras_ae?")
        return cls(**{name: restored(value) for name, value in config.items()})

    def to_json(self) -> str:
        """Return the spec as JSON text."""
        return json.dumps(self.to_dict(), indent=1)

    @classmethod
    def from_json(cls, text: str) -> "Spec":
        """Rebuild a spec from `to_json`."""
        return cls.from_dict(json.loads(text))

    @classmethod
    def from_file(cls, path: str | os.PathLike, *, digest: str | None = None) -> "Spec":
        """Read a `spec.json`.

        Args:
            path: the file.
            digest: the SHA-256 that it must have, in hexadecimal; None asks for none.

        Raises:
            FileNotFoundError: there is no such file.
            SpecError: the file is damaged or no spec.
        """
        try:
            data = Path(path).read_bytes()
        except FileNotFoundError as error:
            raise FileNotFoundError(error.errno, "There is no spec file", str(path)) from None
        if digest is not None and sha256(data).hexdigest() != digest:
            raise SpecError(f"{path} is damaged or was changed: its SHA-256 is not {digest}. Copy it again.")
        try:
            return cls.from_json(data.decode())
        except Exception as error:  # Damaged JSON may put any value in any place.
            reason = " ".join(str(error).split()).rstrip(".")
            raise SpecError(f"{path} is damaged or no spec ({type(error).__name__}: {reason}).") from error

    def table(self) -> list[tuple[str, str, Shape, int]]:
        """Return `(part, row, output shape, parameters)` for the input and every row, in the order of a batch."""
        lines = [("input", "", self.input_shape, 0)]
        encoder, decoder = [("encoder", row) for row in self.encoder], [("decoder", row) for row in self.decoder_rows]
        joined_at = {self.joins_at: "encoder", len(encoder) + 1: "decoder"}
        for place, (part, row) in enumerate([*encoder, ("code", self.code), *decoder]):
            before = lines[-1][2]
            before = self.joined(joined_at[place], before) if place in joined_at else before
            after, count = row.output_shape(before), row.parameters(before)
            if self.tied and part == "decoder" and isinstance(row, _KERNELS):
                lines.append((part, f"{row}, tied", after, after[-1]))
            else:
                lines.append((part, str(row), after, count))
            if part == "code" and (takers := self.beside("prior")):
                weights = row.prior.weights(sum(each.width for each in takers), self.latent_dim)
                lines.append(("prior", str(row.prior), after, weights))
        lines.append(("likelihood", str(self.likelihood), self.input_shape, self._likelihood_parameters()))
        if self.corruption is not None:
            lines.insert(1, ("corruption", str(self.corruption), self.input_shape, 0))
        lines[1:1] = [("input", str(row), row.shape, 0) for row in self.inputs]
        return lines

    def _likelihood_parameters(self) -> int:
        """Count what the likelihood learns itself, and the decoder's last weighted row for each head but one."""
        along = shapes(self.decoder_rows, self.joined("decoder", self.code_shape))
        counts = [row.parameters(before) for row, before in zip(self.decoder_rows, along, strict=False)]
        of_head = sum(counts[last_weighted(self.decoder_rows, along) :])
        return self.likelihood.parameters(self.input_shape) + (len(self.likelihood.heads) - 1) * of_head

    def huge_rows(self) -> list[tuple[str, str, int]]:
        """Return `(part, row, parameters)` of every dense row of more than 50 million weights."""
        dense = [line for line in self.table() if line[0] == "code" or line[1].startswith("Dense(")]
        return [(part, row, count) for part, row, _, count in dense if count > HUGE]

    @property
    def parameters(self) -> int:
        """Number of weights of the whole model, moving statistics of batch normalisation included."""
        return sum(line[3] for line in self.table())

    def __str__(self):
        lines = [("part", "row", "output shape", "parameters")]
        lines += [(part, row, str(shape), f"{count:,}") for part, row, shape, count in self.table()]
        lines.append(("objective", str(self.objective), "", ""))
        lines.append((self.model, "", "", f"{self.parameters:,}"))
        widths = [max(len(line[column]) for line in lines) for column in range(4)]
        texts = [
            f"{part:<{widths[0]}}  {row:<{widths[1]}}  {shape:<{widths[2]}}  {count:>{widths[3]}}"
            for part, row, shape, count in lines
        ]
        rule = "-" * len(texts[0])
        return "\n".join([texts[0], rule, *texts[1:-1], rule, texts[-1]])


def checked_shape(shape) -> Shape:
    """Return `input_shape` as a tuple of counts.

    Raises:
        SpecError: it is no tuple of whole numbers of at least 1; a side is None.
    """
    if not isinstance(shape, tuple | list) or not shape:
        raise SpecError(f"Spec: input_shape must be a tuple such as (28, 28, 1), got {shape!r}.")
    if None in shape:
        raise SpecError(
            f"Spec: input_shape={tuple(shape)} has a side of no fixed length (None), which a code of fixed size cannot "
            "have. Give each side a number; crop, pad or resize the samples to it, or cut them into windows of it. A "
            "network of convolutions whose code is Identity, such as a denoising_spec, takes others later: "
            "model.resized((96, 64, 3))."
        )
    return tuple(checked_count("Spec", "input_shape", side) for side in shape)


def last_weighted(rows: tuple[Row, ...], along: list[Shape]) -> int:
    """Return the index of the last row that has weights; a likelihood with two heads repeats the rows from there."""
    return max(index for index, row in enumerate(rows) if row.parameters(along[index]))


def _named_likelihood(likelihood) -> Likelihood:
    if isinstance(likelihood, Likelihood):
        return likelihood
    if likelihood in LIKELIHOODS:
        return LIKELIHOODS[likelihood]
    raise SpecError(f"Unknown likelihood {likelihood!r}. Use a likelihood row or one of {', '.join(LIKELIHOODS)}.")
