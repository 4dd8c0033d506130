"""The `Anneal` callback: what it sets, when, and what it refuses."""

import numpy as np
import pytest

import keras_ae
from keras_ae import ELBO, Gaussian, Ramp, Sparsity, Spec, Vector
from keras_ae.callbacks import Anneal

X = np.random.default_rng(0).uniform(size=(16, 4)).astype("float32")


def made(code, objective=None):
    return keras_ae.build(Spec((4,), (), code, "gaussian", objective=objective), seed=0, optimizer="sgd")


def test_the_weight_of_every_epoch_is_that_of_the_schedule():
    model = made(Gaussian(2))
    logs = model.fit(
        X, epochs=4, verbose=0, callbacks=Anneal("beta", lambda epoch: [0.0, 0.5, 2.0, 1.0][epoch])
    ).history
    betas = [(loss - nll) / kl for loss, nll, kl in zip(logs["loss"], logs["nll"], logs["kl"], strict=True)]
    assert betas == pytest.approx([0.0, 0.5, 2.0, 1.0], abs=1e-4)


def test_validation_uses_the_weight_of_its_epoch():
    model = made(Vector(3, "relu"), Sparsity())
    anneal = Anneal("strength", lambda epoch: 3.0 * epoch)
    logs = model.fit(X, epochs=3, verbose=0, callbacks=[anneal], validation_data=X).history
    added = np.subtract(logs["val_loss"], logs["val_nll"])
    assert added == pytest.approx(3.0 * np.arange(3) * logs["val_sparsity"], rel=1e-3, abs=1e-5)


def test_an_unknown_weight_is_refused_by_name():
    with pytest.raises(ValueError, match="no weight 'gamma' in its objective; it has beta"):
        made(Gaussian(2)).fit(X, verbose=0, callbacks=Anneal("gamma", lambda epoch: 1.0))
    with pytest.raises(ValueError, match="no weight 'beta' in its objective; it has none"):
        made(Vector(2)).fit(X, verbose=0, callbacks=Anneal("beta", lambda epoch: 1.0))


def test_a_weight_that_the_spec_schedules_is_refused():
    with pytest.raises(ValueError, match="schedules beta by step already"):
        made(Gaussian(2), ELBO(Ramp(0.0, 1.0, 5))).fit(X, verbose=0, callbacks=Anneal("beta", lambda epoch: 1.0))


@pytest.mark.parametrize("value", [-0.5, float("nan")])
def test_a_schedule_that_gives_no_weight_is_refused(value):
    with pytest.raises(ValueError, match="at epoch 1; give at least 0"):
        made(Gaussian(2)).fit(
            X, epochs=2, verbose=0, callbacks=Anneal("beta", lambda epoch: value if epoch == 1 else 1.0)
        )
