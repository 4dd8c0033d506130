"""Draw new digits: from a plain autoencoder by a prior that is fitted when training is over, and spoken ones to hear.

Pictures: `conv_ae` of MNIST (TFDS 3.0.1), priors fitted to 20,000 training images, 10,000 samples against the test
part, FD-LeNet: N(0, I) 481, mixture 3.57, kernels 6.61, two-stage VAE 16.6, flow 6.87. Seed 0, as measured by
`benchmarks/generation.py`, which draws the same samples.
Speech: of 200 sounds 87.5 % are taken for the digit that was asked for, seed 0. Took 27 s of one core.
Python 3.11.7, Keras 3.15.1, TensorFlow 2.21.0 (pictures), PyTorch 2.13.0 (speech).

    python recipes/generation.py pictures
    python recipes/generation.py speech
    python recipes/generation.py classes RUN
    python recipes/generation.py own RUN

`pictures` draws MNIST digits by each ex-post prior of a shipped model, paths between digits, and bolder ones by
arithmetic on codes. `speech` fits a prior for each digit to the codes of spoken digits, turns samples into WAV files
`said-0.wav` to `said-9.wav`, and asks the shipped classifier what it hears. `classes` asks it which digits the samples
of a conditional run are (`recipes/conv_cvae_mnist.py`). `own` measures samples of a run by the model's own prior. All
go to `--out`. `--smoke` tries it in seconds. Needs the extras `sklearn` and `audio`.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

import keras_ae
from keras_ae import audio, classifiers, cli, metrics, plots, priors

SHOWN, DIGITS, OF_EACH = 12, 10, 20
COMPONENTS = (1, 2, 3, 5)
Out = Annotated[Path, typer.Option(help="Where sounds and pictures go.")]
Seed = Annotated[int, typer.Option(help="Of fits and draws.")]
app = typer.Typer(add_completion=False)


def fitted_priors(model: keras_ae.Autoencoder, x: np.ndarray, seed: int, *, quick: bool) -> dict[str, priors.Prior]:
    """Return priors by name, each fitted to the codes of images x, (n, h, w, c)."""
    epochs = {"epochs": 1} if quick else {}
    found = {
        "N(0, I)": priors.StandardNormal(seed=seed),
        "mixture": priors.GaussianMixture(5 if quick else 50, seed=seed),
        "kernels": priors.KernelDensity(seed=seed),
        "two-stage VAE": priors.TwoStageVAE(seed=seed, **epochs),
        "flow": priors.AutoregressiveFlow(seed=seed, **epochs),
    }
    return {name: prior.fit(model, x) for name, prior in found.items()}


@app.command()
def pictures(
    model: Annotated[str, typer.Option(help="A model with weights for MNIST.")] = "conv_ae",
    seed: Seed = 0,
    out: Out = Path("runs/generation"),
    smoke: Annotated[bool, typer.Option("--smoke", help="512 shipped images, short fits.")] = False,
) -> None:
    """Draw digits by each ex-post prior, between digits, and beyond them."""
    data = keras_ae.datasets.load("mnist_mini" if smoke else "mnist")
    x, _ = data.train.head(512 if smoke else 20_000)
    test, labels = data.test.head(64 if smoke else 10_000)
    trained, judge = keras_ae.build(model, weights="mnist"), classifiers.load("mnist")
    real, rows = judge.features(test), {}
    for name, prior in fitted_priors(trained, x, seed, quick=smoke).items():
        drawn = np.clip(prior.sample(len(test), seed=seed), 0, 1)
        print(f"{name}: FD-LeNet {metrics.frechet_distance(real, judge.features(drawn)):.2f}")
        rows[name] = drawn[:SHOWN]
    thin, bold = (test[labels == digit][:6] for digit in (1, 8))
    paths = trained.interpolate(thin, bold, steps=10, method="spherical")
    is_bold = x.mean(axis=(1, 2, 3)) > np.median(x.mean(axis=(1, 2, 3)))
    vector = trained.attribute_vector(x, is_bold)
    bolder = {f"strength {s:g}": trained.add_attribute(test[:SHOWN], vector, strength=s) for s in (-1.0, 0.0, 1.0, 2.0)}
    print(plots.save(plots.compared(rows, n=SHOWN, title=f"{model}, samples by prior"), out / "samples.png"))
    print(plots.save(plots.interpolations(paths, title="from 1 to 8"), out / "paths.png"))
    print(plots.save(plots.compared(bolder, n=SHOWN, title="the vector from thin to bold"), out / "bolder.png"))


@app.command()
def speech(
    seed: Seed = 0,
    out: Out = Path("runs/generation"),
    smoke: Annotated[bool, typer.Option("--smoke", help="Two samples of each digit.")] = False,
) -> None:
    """Say each digit: a prior for each, log-mel spectrograms, Griffin-Lim."""
    data, count = keras_ae.datasets.load("spoken_digit"), 2 if smoke else OF_EACH
    model, judge = keras_ae.build("conv_vae", weights="spoken_digit"), classifiers.load("spoken_digit")
    prior = priors.ClassConditional(priors.GaussianMixture(1 if smoke else COMPONENTS, seed=seed))
    prior.fit(model, data.train.x, data.train.y)
    wanted = np.arange(DIGITS).repeat(count)
    x = np.concatenate([prior.sample(count, digit, seed=seed + digit) for digit in range(DIGITS)]).clip(0, 1)
    sounds = audio.griffin_lim(x, seed=seed)
    heard = judge.predict(np.stack([audio.log_mel(sound) for sound in sounds]))
    print(f"{(heard == wanted).mean():.1%} of {len(wanted)} sounds are taken for the digit that was asked for")
    said = {digit: sounds[digit * count] / max(1, np.abs(sounds[digit * count]).max()) for digit in range(DIGITS)}
    out.mkdir(parents=True, exist_ok=True)
    for digit, sound in said.items():
        audio.write_wav(out / f"said-{digit}.wav", sound)
    first = {f"“{digit}”": said[digit] for digit in range(5)}
    print(plots.save(plots.spectrograms(first, title="digits that were asked for"), out / "said.png"))


@app.command()
def classes(
    run: Annotated[Path, typer.Argument(help="The run folder of a conditional model, of data with a classifier.")],
    seed: Seed = 0,
    out: Out = Path("runs/generation"),
    smoke: Annotated[bool, typer.Option("--smoke", help="20 samples of each class.")] = False,
) -> None:
    """Draw samples of each class, and ask the shipped classifier which they are."""
    found, each = keras_ae.runs.Run.open(run), 20 if smoke else 1000
    judge, data = classifiers.load(found.settings.dataset), found.settings.load_data()
    rows = {label: x.clip(0, 1) for label, x in found.load_model().sample_each(each, seed).items()}
    taken = {label: (judge.predict(x) == label).mean() for label, x in rows.items()}
    print(f"recognised of {each} samples of each class: {np.mean(list(taken.values())):.2%}")
    print(", ".join(f"{label}: {share:.1%}" for label, share in taken.items()))
    print(f"recognised of the test part: {(judge.predict(data.test.x) == data.test.y).mean():.2%}")
    drawn = judge.features(np.concatenate(list(rows.values())))
    print(f"FD-LeNet of {len(drawn):,} samples: {metrics.frechet_distance(judge.features(data.test.x), drawn):.2f}")
    shown = {label: x[:SHOWN] for label, x in rows.items()}
    print(plots.save(plots.samples_by_class(shown, title="digits that were asked for"), out / "classes.png"))


@app.command()
def own(
    run: Annotated[Path, typer.Argument(help="The run folder of a model with a prior, of data with a classifier.")],
    seed: Seed = 0,
    out: Out = Path("runs/generation"),
    smoke: Annotated[bool, typer.Option("--smoke", help="64 samples.")] = False,
) -> None:
    """Draw as many samples as there are test images, and measure how far they are from these."""
    found = keras_ae.runs.Run.open(run)
    judge, data = classifiers.load(found.settings.dataset), found.settings.load_data()
    test, _ = data.test.head(64 if smoke else len(data.test))
    drawn = found.load_model().sample(len(test), seed=seed).clip(0, 1)
    distance = metrics.frechet_distance(judge.features(test), judge.features(drawn))
    print(f"FD-LeNet of {len(drawn):,} samples: {distance:.2f}")
    print(plots.save(plots.samples(drawn[:64]), out / f"{found.spec.model}.png"))


if __name__ == "__main__":
    with cli.mendable():
        app()
