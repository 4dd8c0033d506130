"""count_vae against the truth: log p(x) of counts that a factor model of known parameters makes.

    KERAS_BACKEND=jax python benchmarks/counts.py

20 features of one factor with normal loadings, libraries of 100 to 400, log-normal dispersions; 20,000 samples to train
on, 2,000 to stop by, and 2,000 whose log p(x) is known by Gauss-Hermite quadrature and SciPy's negative binomial. The
model's is importance-weighted with 500 draws.
"""

import keras
import numpy as np
from scipy import stats
from scipy.special import log_softmax, logsumexp

import keras_ae

FEATURES = 20
DRAWS = 500


class Truth:
    """x ~ NegativeBinomial(l * softmax(z loadings + bias), theta), z ~ N(0, 1).

    Args:
        seed: of the parameters and of all samples.
    """

    def __init__(self, seed: int):
        self.rng = np.random.default_rng(seed)
        self.loadings = 0.8 * self.rng.standard_normal((1, FEATURES))
        self.bias = 0.7 * self.rng.standard_normal(FEATURES)
        self.dispersion = np.exp(self.rng.normal(0.5, 0.7, FEATURES))

    def draw(self, n: int) -> dict[str, np.ndarray]:
        """Return `x`, (n, FEATURES), and `library`, (n,)."""
        z = self.rng.standard_normal((n, 1))
        library = self.rng.integers(100, 400, n).astype("float64")
        mean = library[:, None] * np.exp(log_softmax(z @ self.loadings + self.bias, axis=1))
        rates = self.rng.gamma(self.dispersion, mean / self.dispersion)
        return {"x": self.rng.poisson(rates).astype("float32"), "library": library}

    def log_likelihood(self, batch: dict[str, np.ndarray]) -> np.ndarray:
        """log p(x) in nats by quadrature: (n,)."""
        points, weights = np.polynomial.hermite_e.hermegauss(100)
        shares = np.exp(log_softmax(points[:, None] * self.loadings + self.bias, axis=1))
        found = []
        for x, library in zip(batch["x"], batch["library"], strict=True):
            chance = self.dispersion / (self.dispersion + library * shares)
            logs = stats.nbinom.logpmf(x, self.dispersion, chance).sum(axis=1)
            found.append(logsumexp(logs + np.log(weights / weights.sum())))
        return np.array(found)


def main(seed: int = 0) -> None:
    """Train, and print both likelihoods, their difference, and how far the dispersions are."""
    truth = Truth(seed)
    train, validation, test = (truth.draw(n) for n in (20_000, 2_000, 2_000))
    optimizer = keras.optimizers.Adam(2e-3)
    model = keras_ae.build("count_vae", input_shape=(FEATURES,), latent_dim=1, optimizer=optimizer, seed=seed)
    keras.utils.set_random_seed(seed)  # The order of the samples.
    stop = keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True)
    model.fit(train, epochs=40, batch_size=128, validation_data=(validation,), callbacks=[stop], verbose=2)
    exact, estimated = truth.log_likelihood(test), model.log_likelihood(test, num_samples=DRAWS)
    less = exact - estimated
    error = less.std(ddof=1) / np.sqrt(len(less))
    print(f"log p(x) of {len(less):,} samples, nats: exact {exact.mean():.3f}, count_vae {estimated.mean():.3f}")
    print(f"count_vae has {less.mean():.3f} nats less, standard error {error:.3f}")
    logs = np.log(model.dispersion()) - np.log(truth.dispersion)
    print(f"logarithms of dispersions differ by {np.abs(logs).mean():.3f} in the mean")


if __name__ == "__main__":
    main()
