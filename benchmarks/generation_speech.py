"""Spoken digits that were asked for: does a classifier hear them? Part of `generation.py`."""

from collections.abc import Callable

import harness
import numpy as np
from pretrained import Kept

import keras_ae
from keras_ae import audio, classifiers, metrics, priors

DIGITS, OF_EACH, DIMENSIONS = 10, 50, 32
COMPONENTS = (1, 2, 3, 5)
MEASURED = ("known", "known as sound", "FD-LeNet")
Sampler = Callable[[int], tuple[np.ndarray, np.ndarray]]


class PrincipalComponents:
    """PCA of spectrograms with a mixture of Gaussians for each digit, chosen as those of our codes are."""

    def __init__(self, x: np.ndarray, y: np.ndarray, seed: int):
        from sklearn.decomposition import PCA

        self.shape, flat = x.shape[1:], x.reshape(len(x), -1)
        self.pca = PCA(DIMENSIONS, random_state=seed).fit(flat)
        codes = self.pca.transform(flat)
        self.mixtures = [self._mixture(codes[y == digit], seed) for digit in range(DIGITS)]

    def _mixture(self, codes: np.ndarray, seed: int):
        from sklearn.mixture import GaussianMixture

        held, part = codes[::DIGITS], np.delete(codes, np.s_[::DIGITS], axis=0)
        fits = {count: GaussianMixture(count, reg_covar=1e-3, random_state=seed).fit(part) for count in COMPONENTS}
        return GaussianMixture(max(fits, key=lambda count: fits[count].score(held)), random_state=seed).fit(codes)

    def sample(self, n: int, digit: int) -> np.ndarray:
        """Return n spectrograms of a digit, (n, bands, frames, 1)."""
        return self.pca.inverse_transform(self.mixtures[digit].sample(n)[0]).reshape(n, *self.shape)


def samplers(data) -> dict[str, Sampler]:
    """Return what gives spectrograms and the digits asked for, for each row: (seed) -> (n, ...), (n,)."""
    x, y = (np.concatenate([getattr(part, name) for part in (data.train, data.validation)]) for name in "xy")
    model = keras_ae.build("conv_vae", weights="spoken_digit")
    wanted = np.arange(DIGITS).repeat(OF_EACH)

    def of_prior(prior: priors.Prior, seed: int) -> np.ndarray:
        fitted = priors.ClassConditional(prior).fit(model, x, y)
        return np.concatenate([fitted.sample(OF_EACH, digit, seed=seed + digit) for digit in range(DIGITS)])

    def of_components(seed: int) -> np.ndarray:
        baseline = PrincipalComponents(x, y, seed)
        return np.concatenate([baseline.sample(OF_EACH, digit) for digit in range(DIGITS)])

    return {
        "test recordings": lambda seed: (data.test.x, data.test.y),
        "test recordings, reconstructed": lambda seed: (model.reconstruct(data.test.x), data.test.y),
        f"PCA-{DIMENSIONS} + a mixture for each digit": lambda seed: (of_components(seed), wanted),
        "**conv_vae** + a mixture for each digit": lambda seed: (
            of_prior(priors.GaussianMixture(COMPONENTS, seed=seed), seed),
            wanted,
        ),
        "**conv_vae** + kernel density for each digit": lambda seed: (
            of_prior(priors.KernelDensity(seed=seed), seed),
            wanted,
        ),
    }


def section(seeds: list[int], kept: Kept) -> list[str]:
    """Return the section of spoken digits."""
    data, judge = keras_ae.datasets.load("spoken_digit"), classifiers.load("spoken_digit")
    real = judge.features(data.test.x)

    def measure(sampler: Sampler, seed: int) -> dict:
        x, wanted = sampler(seed)
        x = np.clip(x, 0, 1)
        heard = np.stack([audio.log_mel(one) for one in audio.griffin_lim(x, seed=seed)])
        known, known_as_sound = ((judge.predict(one) == wanted).mean() for one in (x, heard))
        distance = metrics.frechet_distance(real, judge.features(x))
        return dict(zip(MEASURED, (known, known_as_sound, distance), strict=True))

    rows = []
    for title, sampler in samplers(data).items():
        found = [kept.get(f"spoken, {title}, seed {seed}", measure, sampler, seed) for seed in seeds]
        cells = [harness.spread(np.array([one[name] for one in found])) for name in MEASURED]
        rows.append(f"| {title} | {' | '.join(cells)} |")
    accuracy = classifiers.card("spoken_digit")["accuracy"]["test"]
    return [
        "## Spoken digits",
        "",
        f"spoken_digit (TFDS 1.0.9), the shipped `conv_vae`, {OF_EACH} log-mel spectrograms of each digit. Known: the "
        f"share that the shipped LeNet of spoken digits (test accuracy {accuracy:.3f}) takes for the digit asked "
        "for; as sound: after Griffin-Lim to a waveform and back. FD-LeNet: in its 64 features, against the 250 test "
        "recordings. Components of a mixture (1, 2, 3 or 5) are chosen by held-back codes of training recordings.",
        "",
        f"| samples | {' | '.join(MEASURED)} |",
        "|---|" + "---|" * len(MEASURED),
        *rows,
    ]
