"""Scores of how likely a variational model finds a sample, in nats."""

from keras_ae.anomaly.base import Score


class NegativeELBO(Score):
    """-ELBO in nats, averaged over codes drawn from the posterior (An & Cho 2015 take its reconstruction term).

    Contributions are -log p(x|z) of the values at the posterior mean; the KL belongs to no value, so that they do not
    sum to the score.

    Args:
        model: a trained variational `Autoencoder`.
        num_samples: codes for a sample.
        seed: fixes them.

    Raises:
        ValueError: the model is not variational.
    """

    def __init__(self, model, *, num_samples: int = 16, seed: int = 0):
        super().__init__(model)
        _require_variational(self)
        self.num_samples, self.seed = num_samples, seed

    def _fit(self, x):
        """Nothing is learned."""

    def _score(self, x):
        return -self.model.score_samples(x, num_samples=self.num_samples, seed=self.seed)

    def _contributions(self, x):
        return self.model.value_errors(x, kind="nll")


class NegativeLogLikelihood(NegativeELBO):
    """-log p(x) in nats by importance sampling (Burda et al. 2016); arguments and contributions are `NegativeELBO`'s.

    Raises:
        ValueError: the model is not variational, or its likelihood is no density.
    """

    def __init__(self, model, *, num_samples: int = 256, seed: int = 0):
        super().__init__(model, num_samples=num_samples, seed=seed)

    def _score(self, x):
        return -self.model.log_likelihood(x, num_samples=self.num_samples, seed=self.seed)


def _require_variational(score: Score) -> None:
    if not score.model.is_variational:
        raise ValueError(
            f"{type(score).__name__} needs a variational model, such as keras_ae.build('vae'), "
            f"and this one is {score.model.spec.model!r}. ReconstructionError takes any model."
        )
