"""Learning rate, latent_dim and width of a vae on mnist_mini, searched by KerasTuner (`pip install 'keras-ae[tune]'`).

Result: best of 23 trials: width 256, latent_dim 8, learning rate 6.8e-3; validation -ELBO 125.91 nats, test -ELBO
126.84 nats (z sampled, all 1,000 test images). Seed 0, 9 epochs for the best trials.
Took 4 minutes on 2 cores shared with other work; Python 3.11.7, Keras 3.15.1, TensorFlow 2.21.0, KerasTuner 1.4.8.

    python recipes/tune_keras_tuner.py

The objective is -ELBO of the validation part in nats; beta stays 1, where the loss is just that. Hyperband (Li et al.
2018) trains many trials for few epochs and goes on with the best third alone. Trials and their weights lie in `--out`:
a search that was cut off goes on with the same command. The test part is read once, for the best weights.
"""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import keras
import keras_tuner
import typer

import keras_ae


class TunedVAE(keras_tuner.HyperModel):
    """A vae whose width, code and learning rate KerasTuner chooses, and how it is trained."""

    def __init__(self, data: keras_ae.datasets.Dataset, seed: int):
        super().__init__()
        self.data, self.seed = data, seed

    def build(self, hp: keras_tuner.HyperParameters) -> keras_ae.Autoencoder:
        """Return the compiled model."""
        width = hp.Choice("width", [128, 256, 512])
        encoder = (keras_ae.Flatten(), keras_ae.Dense(width, "silu"), keras_ae.Dense(width // 2, "silu"))
        latent_dim = hp.Int("latent_dim", 4, 64, step=2, sampling="log")
        adam = keras.optimizers.Adam(hp.Float("learning_rate", 1e-4, 1e-2, sampling="log"))
        spec = replace(keras_ae.spec("vae", latent_dim=latent_dim), encoder=encoder)
        model = keras_ae.build(spec, optimizer=adam, seed=self.seed)
        adam.build(model.trainable_variables)  # A trial that goes on loads its state with the weights.
        return model

    def fit(self, hp, model, **options):
        """Train for the epochs that the tuner grants; batches of a trial's own, whose order is that of the epoch."""
        train = self.data.train.batches(shuffle=True, seed=self.seed, binarize="dynamic")
        train.epoch = options.get("initial_epoch", 0)
        validation = self.data.validation.batches(seed=self.seed, binarize="static")
        return model.fit(train, validation_data=validation, **options)


def main(
    epochs: Annotated[int, typer.Option(help="Passes over the training part for the best trials.")] = 9,
    seed: Annotated[int, typer.Option(help="Fixes suggestions, weights, order, noise and the split.")] = 0,
    out: Annotated[Path, typer.Option(help="The search's folder.")] = Path("runs/tune-keras-tuner"),
    smoke: Annotated[bool, typer.Option("--smoke", help="One epoch a trial on 256 samples.")] = False,
) -> None:
    """Search, then report the best trial on the test part."""
    data = keras_ae.runs.Settings("vae", seed=seed, smoke=smoke).load_data()
    tuner = keras_tuner.Hyperband(
        TunedVAE(data, seed),
        objective="val_loss",
        max_epochs=2 if smoke else epochs,
        factor=3,
        seed=seed,
        directory=out,
        project_name="vae-mnist_mini",
    )
    tuner.search(verbose=0)
    (best,) = tuner.oracle.get_best_trials(1)
    chosen = {name: best.hyperparameters.get(name) for name in ("width", "latent_dim", "learning_rate")}
    print(f"best of {len(tuner.oracle.trials)} trials: {chosen}, validation -ELBO {best.score:.2f}")
    (model,) = tuner.get_best_models(1)
    print(f"test -ELBO {-keras_ae.evaluation.evaluate(model, data.test, binarize='dynamic')['elbo']:.2f} nats")


if __name__ == "__main__":
    typer.run(main)
