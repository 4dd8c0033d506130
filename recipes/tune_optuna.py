"""Learning rate, latent_dim and width of a vae on mnist_mini, searched by Optuna (`pip install 'keras-ae[tune]'`).

Result: best of 12 trials, 4 of them pruned: width 512, latent_dim 34, learning rate 5.5e-3; validation -ELBO 126.97
nats, test -ELBO 127.80 nats (z sampled, all 1,000 test images). Seed 0, 6 epochs a trial.
Took 4 minutes on 2 cores shared with other work; Python 3.11.7, Keras 3.15.1, TensorFlow 2.21.0, Optuna 5.0.0.

    python recipes/tune_optuna.py

The objective is -ELBO of the validation part in nats after the last epoch; beta stays 1, where the loss is just that.
A trial that is worse than the median of the others after an epoch is pruned. The study lies in `study.db`: a search
that was cut off goes on with the same command. The test part is read once, for the best trial, trained anew.
"""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import keras
import optuna
import typer

import keras_ae


def train(trial: optuna.trial.BaseTrial, data: keras_ae.datasets.Dataset, epochs: int, seed: int):
    """Return a model trained as the trial suggests and its last validation loss; raise where the trial is pruned."""
    width = trial.suggest_categorical("width", [128, 256, 512])
    encoder = (keras_ae.Flatten(), keras_ae.Dense(width, "silu"), keras_ae.Dense(width // 2, "silu"))
    spec = replace(keras_ae.spec("vae", latent_dim=trial.suggest_int("latent_dim", 4, 64, log=True)), encoder=encoder)
    adam = keras.optimizers.Adam(trial.suggest_float("learning_rate", 1e-4, 1e-2, log=True))
    model = keras_ae.build(spec, optimizer=adam, seed=seed)

    def judge(epoch: int, logs: dict) -> None:
        trial.report(logs["val_loss"], epoch)
        if trial.should_prune():
            raise optuna.TrialPruned

    history = model.fit(
        data.train.batches(shuffle=True, seed=seed, binarize="dynamic"),
        validation_data=data.validation.batches(seed=seed, binarize="static"),
        epochs=epochs,
        callbacks=keras.callbacks.LambdaCallback(on_epoch_end=judge),
        verbose=0,
    )
    return model, history.history["val_loss"][-1]


def main(
    trials: Annotated[int, typer.Option(help="How many, those of an earlier start included.")] = 12,
    epochs: Annotated[int, typer.Option(help="Passes over the training part in each.")] = 6,
    seed: Annotated[int, typer.Option(help="Fixes suggestions, weights, order, noise and the split.")] = 0,
    out: Annotated[Path, typer.Option(help="The study's folder.")] = Path("runs/tune-optuna"),
    smoke: Annotated[bool, typer.Option("--smoke", help="Two trials of one epoch on 256 samples.")] = False,
) -> None:
    """Search, then report the best trial on the test part."""
    trials, epochs = (2, 1) if smoke else (trials, epochs)
    data = keras_ae.runs.Settings("vae", seed=seed, smoke=smoke).load_data()
    out.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        study_name="vae-mnist_mini", storage=f"sqlite:///{out}/study.db", direction="minimize", load_if_exists=True
    )
    finished = [trial for trial in study.trials if trial.state.is_finished()]
    # Another seed for what is left: the same one would suggest what it suggested at the first start.
    study.sampler = optuna.samplers.TPESampler(seed=seed + len(finished))
    study.pruner = optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=1)
    if left := max(0, trials - len(finished)):
        # A loss that is not a number fails its trial alone.
        study.optimize(lambda trial: train(trial, data, epochs, seed)[1], left, catch=FloatingPointError)
    model, val_loss = train(optuna.trial.FixedTrial(study.best_params), data, epochs, seed)
    states = [trial.state for trial in study.trials if trial.state.is_finished()]
    pruned = states.count(optuna.trial.TrialState.PRUNED)
    print(f"best of {len(states)} trials, {pruned} pruned: {study.best_params}, validation -ELBO {val_loss:.2f}")
    print(f"test -ELBO {-keras_ae.evaluation.evaluate(model, data.test, binarize='dynamic')['elbo']:.2f} nats")


if __name__ == "__main__":
    typer.run(main)
