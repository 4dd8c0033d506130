"""While a weight of the objective moves, epochs are compared by the loss at its end."""

import csv

import keras
import numpy as np
import pytest

import keras_ae
from keras_ae import ELBO, Cycle, Dense, Gaussian, Ramp, Reconstruction, Sparsity, Vector, runs, sparse_code
from keras_ae.callbacks import Anneal
from keras_ae.estimators import AutoencoderTransformer
from keras_ae.stopping import judged_by

RNG = np.random.default_rng(0)
X = (RNG.normal(size=(256, 4)) @ RNG.normal(size=(4, 8))).astype("float32")
SCHEDULES = {"ramp": Ramp(0.0, 2.0, steps=1000), "cycle": Cycle(0.0, 2.0, period=1000), "delay": Ramp(0.5, 2.0, 10, 50)}


def spec_of(objective, code=None):
    return keras_ae.Spec((8,), (Dense(16),), code or Gaussian(3), likelihood="gaussian", objective=objective)


def built(objective=None, code=None):
    return keras_ae.build(spec_of(objective or ELBO(Ramp(0.0, 1.0, steps=1000)), code), seed=0)


# The loss at full weight


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_the_full_loss_is_the_loss_at_the_end_of_the_schedule(schedule):
    model = built(ELBO(schedule))
    logs = model.fit(X, epochs=2, validation_data=X[:64], verbose=0).history
    for prefix in ("", "val_"):
        full = np.array(logs[f"{prefix}nll"]) + 2.0 * np.array(logs[f"{prefix}kl"])
        np.testing.assert_allclose(logs[f"{prefix}full_loss"], full, rtol=1e-5)
        assert (np.array(logs[f"{prefix}full_loss"]) > np.array(logs[f"{prefix}loss"])).all()
    assert set(model.evaluate(X, verbose=0, return_dict=True)) == {"loss", "nll", "kl", "full_loss"}


@pytest.mark.parametrize("penalty", ["l1", "kl"])
def test_the_full_loss_of_a_sparse_code(penalty):
    model = built(Sparsity(penalty, Ramp(0.0, 3.0, steps=1000)), sparse_code(5, penalty))
    logs = model.fit(X, epochs=2, batch_size=256, verbose=0).history
    moved = 3.0 * (1 - np.array([0, 1]) / 1000) * np.array(logs["sparsity"])
    np.testing.assert_allclose(np.array(logs["full_loss"]) - np.array(logs["loss"]), moved, rtol=1e-4)


@pytest.mark.parametrize("objective", [ELBO(), Sparsity(), Reconstruction()], ids=str)
def test_a_constant_weight_adds_nothing_to_the_logs(objective):
    model = built(objective, None if isinstance(objective, ELBO) else Vector(3))
    logs = model.fit(X, validation_data=X[:64], verbose=0).history
    assert not [name for name in logs if "full" in name]
    assert judged_by(model) == "loss"


def test_anneal_logs_the_loss_at_the_value_of_the_last_epoch():
    model, seen = built(ELBO()), []
    watch = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: seen.append(dict(logs)))
    anneal = Anneal("beta", lambda epoch: 0.5 * epoch)
    logs = model.fit(X, epochs=3, validation_data=X[:64], callbacks=[watch, anneal], verbose=0).history
    for prefix in ("", "val_"):
        full = np.array(logs[f"{prefix}nll"]) + 1.0 * np.array(logs[f"{prefix}kl"])
        np.testing.assert_allclose(logs[f"{prefix}full_loss"], full, rtol=1e-5)
    assert all("val_full_loss" in line for line in seen)  # Though it stands before Anneal in the list.


# Who judges by which


MONITORS = {
    "stopping": lambda monitor, path: keras.callbacks.EarlyStopping(monitor, mode="min"),
    "best": lambda monitor, path: keras.callbacks.ModelCheckpoint(path, monitor, mode="min", save_best_only=True),
    "rate": lambda monitor, path: keras.callbacks.ReduceLROnPlateau(monitor, mode="min"),
}


@pytest.mark.parametrize("monitor", ["loss", "val_loss"])
@pytest.mark.parametrize("make", MONITORS.values(), ids=MONITORS)
def test_callbacks_that_would_judge_by_a_moving_loss_are_refused(make, monitor, tmp_path):
    path, full = tmp_path / "best.keras", monitor.replace("loss", "full_loss")
    for model, others in ((built(), []), (built(ELBO()), [Anneal("beta", lambda epoch: 0.1 * epoch)])):
        before = [np.array(value) for value in model.get_weights()]
        with pytest.raises(ValueError, match=f"monitor='{monitor}' compares .* beta moves.* Give monitor='{full}'"):
            model.fit(X, validation_data=X[:64], callbacks=[make(monitor, path), *others], verbose=0)
        assert all(map(np.array_equal, before, model.get_weights()))
        model.fit(X, validation_data=X[:64], callbacks=[make(full, path), *others], verbose=0)


@pytest.mark.parametrize("make", MONITORS.values(), ids=MONITORS)
def test_callbacks_may_judge_by_a_loss_whose_weights_rest(make, tmp_path):
    options = {"validation_data": X[:64], "callbacks": make("val_loss", tmp_path / "best.keras"), "verbose": 0}
    built(ELBO()).fit(X, **options)
    model = built(ELBO(Ramp(0.0, 1.0, steps=2)))
    model.fit(X, epochs=2, verbose=0)
    model.fit(X, **options)  # The ramp has ended.


def test_a_checkpoint_of_every_epoch_is_no_judge(tmp_path):
    every = keras.callbacks.ModelCheckpoint(tmp_path / "last.keras")
    built().fit(X, validation_data=X[:64], callbacks=every, verbose=0)
    assert (tmp_path / "last.keras").exists()


@pytest.mark.slow
def test_best_weights_are_those_at_full_weight():
    """At a small weight the loss is least before the ramp has come far."""
    spec = spec_of(ELBO(Ramp(0.0, 20.0, steps=200)))
    model = keras_ae.build(spec, seed=0, optimizer=keras.optimizers.Adam(0.02))
    stop = keras.callbacks.EarlyStopping("val_full_loss", mode="min", patience=100, restore_best_weights=True)
    logs = model.fit(X, epochs=60, validation_data=X[:128], callbacks=stop, verbose=0).history
    best = int(np.argmin(logs["val_full_loss"]))
    assert int(np.argmin(logs["val_loss"])) < best
    terms = model.elbo_terms(X[:128], num_samples=32)
    assert (terms["nll"] + 20 * terms["kl"]).mean() == pytest.approx(
        logs["val_full_loss"][best], rel=0.15
    )  # Of few draws.


@pytest.mark.slow
@pytest.mark.parametrize("schedule", [Ramp(0.0, 1.0, steps=300), Cycle(0.0, 1.0, period=100)], ids=["ramp", "cycle"])
def test_estimators_keep_weights_of_the_full_loss(schedule):
    bounds = []
    for beta in (1.0, schedule):
        params = {"model": "vae", "latent_dim": 4, "random_state": 0, "epochs": 60, "model_params": {"beta": beta}}
        estimator = AutoencoderTransformer(**params).fit(X)
        terms = estimator.model_.elbo_terms(estimator._to_model(X.astype("float64")), num_samples=8)
        bounds.append((terms["nll"] + terms["kl"]).mean())
    assert bounds[1] < bounds[0] + 2


@pytest.mark.slow
def test_an_estimator_takes_anneal():
    anneal = Anneal("beta", lambda epoch: min(1.0, epoch / 10))
    options = {"fit_params": {"callbacks": [anneal]}, "epochs": 20, "random_state": 0}
    estimator = AutoencoderTransformer("vae", latent_dim=4, **options).fit(X)
    assert "val_full_loss" in estimator.model_.history.history


def test_a_run_keeps_the_best_epoch_at_full_weight(tmp_path):
    settings = runs.Settings("vae", smoke=True, epochs=4, overrides={"beta": Ramp(0.0, 1.0, steps=20)})
    run, data = runs.start(settings, tmp_path / "run")
    model = run.train(data, verbose=0)
    with open(run.history, newline="") as file:
        rows = list(csv.DictReader(file))
    best = min(rows, key=lambda row: float(row["val_full_loss"]))
    assert int(model.optimizer.iterations) == 0  # Loaded.
    kept = keras_ae.build(run.spec, seed=0)
    kept.load_weights(run.checkpoints / "best.weights.h5")
    assert kept.spec == run.spec
    assert {"val_full_loss", "full_loss"} <= set(best)
