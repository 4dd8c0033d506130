"""A monitor of posterior collapse."""

import keras
import numpy as np

from keras_ae import metrics
from keras_ae.checks import checked_examples, checked_least
from keras_ae.feeding import rows_of, x_of


class CollapseMonitor(keras.callbacks.Callback):
    """Counts the latent dimensions in use and says so when some collapse: their posterior equals the prior.

    Adds to each epoch's `logs`, for the progress bar, `History` and whatever stands after it in the list of callbacks
    (`CSVLogger`, `EarlyStopping`): `active_units`, how many dimensions react to the data (Burda et al. 2015), and
    `kl_min` and `kl_max`, the smallest and the largest KL of a dimension in nats, all of the latest check. What it
    says is printed between two epochs, where it does not break the progress bar, and kept.

    Args:
        x: examples to encode, (n, ...), n >= 2, or a dict of them and of inputs beside them; some thousand are enough.
            Validation data tell more than training data.
        threshold: the least variance of the posterior mean, and the least KL in nats, of a dimension in use.
        every: epochs from one check to the next; the first epoch is always checked, because `CSVLogger` takes its
            columns from there.
        patience: a collapse is said only when it lasts for so many checks, because early training is restless.
        verbose: 0 keeps the messages and prints none.

    Attributes:
        reports: epoch, counted from 1 -> `metrics.PosteriorReport`.
        messages: all that was said, in order.

    Raises:
        ValueError: `x` has fewer than 2 examples or is not finite, `every` < 1, `patience` < 1 or `threshold` <= 0;
            at the start of training, when the model has no Gaussian posterior.
    """

    def __init__(
        self, x: np.ndarray | dict, *, threshold: float = 0.01, every: int = 1, patience: int = 2, verbose: int = 1
    ):
        super().__init__()
        self.x = checked_examples(x)
        if len(x_of(self.x)) < 2:
            raise ValueError("CollapseMonitor needs at least 2 examples: activity is a variance over them.")
        if not threshold > 0:
            raise ValueError(f"threshold must be positive, not {threshold}.")
        self.threshold = threshold
        self.every = checked_least("every", every)
        self.patience = checked_least("patience", patience)
        self.verbose = verbose
        self._forget()

    def _forget(self) -> None:
        self.reports = {}
        self.messages = []
        self._latest = None
        self._said = None  # The number of dimensions in use that the user knows of.
        self._checks_below = 0
        self._unprinted = []

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Start anew; refuse a model without a Gaussian posterior."""
        self._forget()
        outputs = self.model.posterior(rows_of(self.x, slice(1)))
        if not {"z_mean", "z_log_var"} <= set(outputs):
            raise ValueError(
                "CollapseMonitor needs a model with a Gaussian posterior (z_mean and z_log_var); "
                f"the latents of {self.model.name!r} are {sorted(outputs)}. Use it with a variational model."
            )
        if self.model.spec.code.prior is not None:
            raise ValueError(
                f"CollapseMonitor compares posteriors with N(0, I), but the prior of {self.model.name!r} is learned: "
                f"{self.model.spec.code.prior}. Count the units in use by metrics.active_units."
            )

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Print what the last epoch gave to say."""
        self._print()

    def on_train_end(self, logs: dict | None = None) -> None:
        """Print what the last epoch gave to say."""
        self._print()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Check when it is time to, and add the latest numbers to `logs`."""
        if self._latest is None or (epoch + 1) % self.every == 0:
            self._latest = self._check(epoch + 1)
        if logs is not None:
            logs.update(self._latest)

    def _check(self, epoch: int) -> dict[str, float]:
        posterior = self.model.posterior(self.x)
        z_mean, z_log_var = np.asarray(posterior["z_mean"]), np.asarray(posterior["z_log_var"])
        if not (np.isfinite(z_mean).all() and np.isfinite(z_log_var).all()):
            # Training that has diverged shows in the loss; whether to end it is TerminateOnNaN's business.
            return dict.fromkeys(("active_units", "kl_min", "kl_max"), float("nan"))
        report = metrics.posterior_collapse(z_mean, z_log_var, threshold=self.threshold, kl_threshold=self.threshold)
        self.reports[epoch] = report
        self._consider(report, epoch)
        return {"active_units": float(report.active_units), "kl_min": min(report.kl), "kl_max": max(report.kl)}

    def _consider(self, report: metrics.PosteriorReport, epoch: int) -> None:
        """Say something if the user should know: collapsed dimensions for `patience` checks, or all of them back."""
        # By the KL, not by activity: only a dimension that equals the prior is of no use to the decoder.
        in_use = report.latent_dim - len(report.collapsed)
        known = report.latent_dim if self._said is None else self._said
        self._checks_below = self._checks_below + 1 if in_use < known else 0
        if self._checks_below == self.patience:
            self._say(
                in_use,
                f"Epoch {epoch}: {report.describe()} There the posterior equals the prior and tells nothing about x. "
                "If reconstructions suffer, lower beta, warm it up over more steps, or grant free bits; if they do "
                "not, a smaller latent_dim serves as well.",
            )
        elif in_use == report.latent_dim > known:
            self._say(in_use, f"Epoch {epoch}: all {report.latent_dim} latent dimensions are in use again.")

    def _say(self, in_use: int, message: str) -> None:
        self._said, self._checks_below = in_use, 0
        self.messages.append(message)
        self._unprinted.append(message)

    def _print(self) -> None:
        # Not at the end of the epoch: there the progress bar still stands in the middle of its line.
        if self.verbose:
            for message in self._unprinted:
                print(message, flush=True)
        self._unprinted = []
