"""The command line, `keras-ae`: list, show, weights, card, verify, train, evaluate, sample, reconstruct, plot."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import keras_ae
from keras_ae.rows import row_from_dict
from keras_ae.train_step.distribution import KINDS

PYTHON_WORDS = {"True": "true", "False": "false", "None": "null"}

app = typer.Typer(
    help="Train and use autoencoders. Choose the backend with KERAS_BACKEND=tensorflow, jax or torch.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
console = Console()

RunFolder = Annotated[Path, typer.Argument(help="A run folder, made by `keras-ae train`.")]


@app.command("list")
def list_() -> None:
    """List the models and the data sets known by name."""
    table = Table("model", "what it is", box=None)
    for name in keras_ae.list_models():
        table.add_row(name, keras_ae.describe(name).splitlines()[0])
    console.print(table)
    console.print()
    table = Table("data set", "what it is", box=None)
    for name, text in keras_ae.datasets.list_datasets().items():
        table.add_row(name, text)
    console.print(table)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A model's name, or a spec.json.")],
    options: Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE for the model, as in train.")] = None,
) -> None:
    """Show what a model is: its options, its paper, its table of rows."""
    if name.endswith(".json"):
        print(keras_ae.Spec.from_file(name))
        return
    spec = keras_ae.spec(name, **_overrides(options))
    print(keras_ae.describe(name))
    print()
    print(f"Options (--set KEY=VALUE): {keras_ae.registry.options(name)}")
    print()
    print(spec)


@app.command()
def weights(
    pattern: Annotated[str, typer.Argument(help='Shell-style, such as "conv_*" or "*/mnist".')] = "*",
    markdown: Annotated[bool, typer.Option("--markdown", help="As the README has it.")] = False,
) -> None:
    """List the pretrained weights that ship with the package."""
    names = keras_ae.list_weights(pattern)
    if not names:
        print(f"No pretrained weights are called {pattern}.")
        return
    rows = [("name", "parameters", "size", "on test")]
    for name in names:
        found = keras_ae.pretrained.find(name)
        card = found.card()
        rows.append((name, f"{card['parameters']:,}", f"{found.size / 1e6:.2f} MB", card.headline))
    if markdown:
        print("\n".join(f"| {' | '.join(row)} |" for row in (rows[0], ["---"] * 4, *rows[1:])))
        return
    table = Table(*rows[0], box=None)
    for row in rows[1:]:
        table.add_row(*row)
    console.print(table)


@app.command()
def card(
    name: Annotated[str, typer.Argument(help="A name of `keras-ae weights`, a folder, or hf://user/repo.")],
) -> None:
    """Print the card of pretrained weights: data, protocol, numbers, how they were made."""
    print(keras_ae.card(name), end="")


@app.command()
def verify(
    pattern: Annotated[str, typer.Argument(help='Shell-style, such as "conv_*" or "*/mnist".')] = "*",
    quick: Annotated[
        bool, typer.Option("--quick", help="Leave out iw_nll, which takes minutes for each model.")
    ] = False,
) -> None:
    """Measure every number of the shipped weights again, and compare it with the card; exit 1 where one differs."""
    from keras_ae.pretrained import verifying

    verdicts = verifying.verify(pattern, quick=quick, say=console.print)
    table = Table("weights", "number", title="Shipped weights, measured again")
    for column in ("card", "recomputed", "difference", "tolerance", "ok"):
        table.add_column(column, justify="right")
    for each in verdicts:
        difference = None if each.now is None else each.now - each.card
        cells = ["-" if v is None else f"{v:.6g}" for v in (each.card, each.now, difference, each.tolerance)]
        table.add_row(
            each.weights, each.name, *cells, {True: "yes", False: "[red]NO[/red]", None: "skipped"}[each.holds]
        )
    if verdicts:
        # Where there is no terminal, wide enough for every number.
        (console if console.is_terminal else Console(width=120)).print(table)
    count = [each.holds for each in verdicts].count
    weights = len({each.weights for each in verdicts})
    console.print(
        f"{weights} weights, {len(verdicts)} numbers: {count(False)} out of tolerance, {count(None)} skipped."
    )
    if count(False):
        raise typer.Exit(1)


@app.command()
def train(
    name: Annotated[str, typer.Argument(help="A model's name, or a spec.json.")],
    dataset: Annotated[
        str, typer.Option(help="mnist_mini, a TFDS name, an .npz or .npy file, a folder.")
    ] = "mnist_mini",
    out: Annotated[Path | None, typer.Option(help="The run folder; runs/MODEL-DATASET[-N] if not given.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was cut off, same settings.")] = False,
    epochs: Annotated[int, typer.Option(help="Passes over the training part.")] = 30,
    batch_size: Annotated[
        int | None, typer.Option(help="Samples in a step; 64 below 20,000 training samples, else 128.")
    ] = None,
    learning_rate: Annotated[float, typer.Option(help="Adam's, at the first step.")] = 2e-3,
    schedule: Annotated[str, typer.Option(help="Of the learning rate: cosine (to 0) or constant.")] = "cosine",
    clipnorm: Annotated[float | None, typer.Option(help="Greatest norm of each gradient.")] = None,
    precision: Annotated[str, typer.Option(help="float32, mixed_bfloat16 or mixed_float16.")] = "float32",
    seed: Annotated[int, typer.Option(help="Fixes weights, order, noise and the validation split.")] = 0,
    latent_dim: Annotated[int | None, typer.Option(help="Dimensions of the code.")] = None,
    likelihood: Annotated[str | None, typer.Option(help="bernoulli, gaussian, gaussian_global, laplace, ...")] = None,
    binarize: Annotated[str | None, typer.Option(help="dynamic, static or threshold; for data in [0, 1].")] = None,
    validation: Annotated[float, typer.Option(help="Share of the training samples kept for validation.")] = 0.1,
    image_size: Annotated[
        tuple[int, int] | None, typer.Option(help="For a folder's images.", metavar="HEIGHT WIDTH")
    ] = None,
    alpha: Annotated[
        str, typer.Option(help="Colour that a folder's transparent images are composed on, or keep.")
    ] = "white",
    stream: Annotated[bool, typer.Option("--stream", help="Read the data while training.")] = False,
    backup_every: Annotated[
        int | None, typer.Option(help="Steps between two backups within an epoch; after each epoch alone if not given.")
    ] = None,
    smoke: Annotated[bool, typer.Option("--smoke", help="256 samples only, to try the machinery.")] = False,
    conditional: Annotated[
        bool, typer.Option("--conditional", help="Give a variational model the labels of the data beside x.")
    ] = False,
    distribute: Annotated[
        str, typer.Option(help=f"Devices and processes: {', '.join(KINDS)}; see docs/distribution.md.")
    ] = "auto",
    options: Annotated[
        list[str] | None,
        typer.Option("--set", help='KEY=VALUE for the model: --set strength=0.3, --set \'beta={"row": "Ramp", ...}\'.'),
    ] = None,
) -> None:
    """Train a model; write spec, history, checkpoints, test numbers and pictures into a run folder."""
    named = {"latent_dim": latent_dim, "likelihood": likelihood}
    overrides = _overrides(options) | {key: value for key, value in named.items() if value is not None}
    settings = keras_ae.runs.Settings(
        model=name,
        dataset=dataset,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        schedule=schedule,
        clipnorm=clipnorm,
        precision=precision,
        seed=seed,
        binarize=binarize,
        validation=validation,
        image_size=image_size,
        alpha=alpha,
        stream=stream,
        backup_every=backup_every,
        smoke=smoke,
        overrides=overrides,
        conditional=conditional,
    )
    run_and_report(settings, out, resume=resume, distribute=distribute)


@app.command()
def evaluate(
    run: RunFolder,
    importance_samples: Annotated[
        int, typer.Option(help="Draws for an importance-weighted log-likelihood (variational models); 0 for none.")
    ] = 0,
    images: Annotated[int, typer.Option(help="Test samples for the importance-weighted log-likelihood.")] = 1000,
) -> None:
    """Compute a run's test numbers anew from its best weights and print them."""
    found, data = _opened(run)
    model = found.load_model()
    numbers = found.evaluate(model, data, num_samples=importance_samples or None, images=images)
    numbers |= {"samples": len(data.test)}
    print_numbers(numbers, title=f"{found.settings.model} on {data.name}, test part")


@app.command()
def sample(
    run: RunFolder,
    n: Annotated[int, typer.Option(help="How many.")] = 64,
    seed: Annotated[int, typer.Option(help="Fixes the codes.")] = 0,
    labels: Annotated[
        str | None, typer.Option(help="Of a conditional model: the class, or several, such as 0,1,2; all if not given.")
    ] = None,
    inputs: Annotated[
        list[str] | None,
        typer.Option("--input", help="NAME=VALUE beside x, as JSON: condition=[0.5,1]; the test part's if not given."),
    ] = None,
) -> None:
    """Draw samples from a variational model's prior into pictures/samples.png, a row for each class."""
    found = keras_ae.runs.Run.open(run)
    given = _overrides(inputs, "--input") | ({} if labels is None else {"labels": _classes(labels)})
    part = found.settings.load_data().test if set(found.spec.input_names) - set(given) - {"labels"} else None
    model = found.load_model()
    print(keras_ae.evaluation.draw_samples(model, found.pictures, n=n, seed=seed, part=part, **given))


@app.command()
def reconstruct(run: RunFolder, n: Annotated[int, typer.Option(help="How many.")] = 10) -> None:
    """Draw test samples beside their reconstructions into pictures/reconstructions.png."""
    found, data = _opened(run)
    print(keras_ae.evaluation.draw_reconstructions(found.load_model(), data.test, found.pictures, n=n))


@app.command()
def plot(run: RunFolder) -> None:
    """Draw all of a run's final pictures anew."""
    found, data = _opened(run)
    for path in keras_ae.evaluation.draw(found.load_model(), data.test, found.pictures, seed=found.settings.seed):
        print(path)
    print(found.draw_history())


def recipe(model: str, dataset: str, **settings) -> None:
    """Run a recipe script: fixed settings, and the options --out, --resume, --smoke, --epochs and --seed."""

    def command(
        out: Annotated[Path | None, typer.Option(help="The run folder.")] = None,
        resume: Annotated[bool, typer.Option("--resume", help="Go on with a run that was cut off.")] = False,
        smoke: Annotated[bool, typer.Option("--smoke", help="One epoch on 256 samples.")] = False,
        epochs: Annotated[int, typer.Option(help="Passes over the training part.")] = settings.pop("epochs"),
        seed: Annotated[int, typer.Option(help="Fixes weights, order, noise and the split.")] = 0,
    ) -> None:
        few = {"epochs": 1, "smoke": True} if smoke else {"epochs": epochs}
        found = keras_ae.runs.Settings(model, dataset, seed=seed, **few, **settings)
        run_and_report(found, out, resume=resume)

    with mendable():
        typer.run(command)


def run_and_report(
    settings,
    folder: Path | None = None,
    *,
    resume: bool = False,
    distribute: str = "auto",
    spec=None,
    test: bool = True,
) -> dict | None:
    """Train a run, new or resumed, print its test numbers and where its pictures are; return the numbers.

    Of several processes the chief alone prints, tests and returns numbers; the others return None. `spec` is the model
    of a new run where it is another than the one that `settings.model` names; without `test` the test part is left
    alone, and nothing is returned.

    Raises:
        typer.Exit: with code 130 after Ctrl-C; the folder then holds all that was done.
    """
    with keras_ae.distribute(distribute) as together:
        console.quiet = not together.chief
        start = keras_ae.runs.resume if resume else partial(keras_ae.runs.start, spec=spec)
        run, data = start(settings, folder)
        console.print(f"{settings.model} on {data!r}\nrun folder: {run.folder}", highlight=False)
        if together.kind != "none":
            console.print(f"{together.kind}: {together.count} process(es), {together.replicas} device(s)")
        try:
            model = run.train(data)
        except KeyboardInterrupt:
            done = run.last_checkpoint()
            steps = f" and {done.steps} steps" if done.steps else ""
            told = f"{run.folder} holds {done.epochs} of {settings.epochs} epochs{steps}"
            console.print(f"\nStopped. {told}; --resume goes on from there.")
            raise typer.Exit(130) from None
    if not (together.chief and test):
        return None
    if together.kind != "none":
        model = run.load_model()  # On one device, without the other processes.
    numbers = run.report(model, data)
    print_numbers(numbers, title=f"{settings.model} on {data.name}, test part")
    console.print(f"pictures: {run.pictures}", highlight=False)
    return numbers


def print_numbers(numbers: dict, *, title: str) -> None:
    """Print names and values as a table."""
    console.print(title, style="bold", highlight=False)
    table = Table("", "", box=None, show_header=False)
    for name, value in numbers.items():
        table.add_row(name, f"{value:.4f}" if isinstance(value, float) else str(value))
    console.print(table)


def _opened(folder: Path):
    run = keras_ae.runs.Run.open(folder)
    return run, run.settings.load_data()


def _classes(text: str) -> int | list[int]:
    """Parse classes: "3", or "0,1,2"."""
    try:
        found = [int(each) for each in text.strip("[]").split(",")]
    except ValueError:
        raise ValueError(f"--labels {text}: write classes as whole numbers, such as 3 or 0,1,2.") from None
    return found if len(found) > 1 else found[0]


def _overrides(options: list[str] | None, option_name: str = "--set") -> dict:
    """Parse KEY=VALUE, the value as JSON or Python's True, False, None, a row where it says so, else as text."""
    found = {}
    for option in options or []:
        key, equals, text = option.partition("=")
        if not equals:
            raise ValueError(f"{option_name} {option}: write KEY=VALUE.")
        try:
            value = json.loads(PYTHON_WORDS.get(text, text))
        except json.JSONDecodeError:
            value = text
        found[key] = row_from_dict(value) if isinstance(value, dict) else value
    return found


@contextmanager
def mendable() -> Iterator[None]:
    """Turn what the user can mend into one line and exit code 1, instead of a traceback."""
    try:
        yield
    except (ValueError, OSError, ImportError, FloatingPointError) as error:
        Console(stderr=True).print(f"[bold red]error:[/] {escape(str(error))}", highlight=False)
        raise SystemExit(1) from None


def main() -> None:
    """Run the command line."""
    with mendable():
        app()
