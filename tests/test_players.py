"""Two players under plain `fit`: each moves its own weights by its own loss, with an optimiser of its own."""

from typing import ClassVar

import keras
import numpy as np
import pytest
from keras import ops

import keras_ae
from keras_ae import Dense, Spec, Vector
from keras_ae.players import GroupedOptimizer, Player

RNG = np.random.default_rng(0)
X = RNG.random((64, 6), dtype="float32")
SPEC = Spec((6,), (Dense(8, "silu"),), Vector(2), "gaussian")
QUIET = {"verbose": 0, "batch_size": 16}


@keras.saving.register_keras_serializable("tests")
class Duel(keras_ae.Autoencoder):
    """An autoencoder, and a critic that tells codes from noise."""

    terms = ("nll", "fooling", "critic_loss")
    players: ClassVar = {"autoencoder": Player("loss"), "critic": Player("critic_loss", ("critic",))}

    def __init__(self, spec, **options):
        super().__init__(spec, **options)
        self.critic = keras.Sequential([keras.Input((2,)), keras.layers.Dense(4, "relu"), keras.layers.Dense(1)])

    def objective(self, batch, outputs):
        z = outputs["z"]
        prior = ops.flip(ops.sin(17.0 * z), axis=0)
        fooling = ops.softplus(-self.critic(z))[:, 0]
        critic = (ops.softplus(self.critic(z)) + ops.softplus(-self.critic(ops.stop_gradient(prior))))[:, 0]
        nll = self.nll(batch, outputs)
        return {"loss": nll + fooling, "nll": nll, "fooling": fooling, "critic_loss": critic}


def duel(optimizer="sgd", **options):
    keras.utils.set_random_seed(0)
    model = Duel(SPEC, seed=0)
    model.compile(optimizer, **options)
    return model


def values(variables):
    return [ops.convert_to_numpy(variable) for variable in variables]


def trained(model):
    """The weights that each player moves."""
    own = values(model.critic.trainable_variables)
    return values(model.encoder.trainable_variables + model.decoder_logits.trainable_variables), own


def moved(before, after):
    return [
        any(not np.array_equal(a, b) for a, b in zip(some, others, strict=True))
        for some, others in zip(before, after, strict=True)
    ]


def test_every_weight_belongs_to_one_player():
    model = duel()
    groups = model.groups()
    assert list(groups) == ["autoencoder", "critic"]
    assert sorted(groups["autoencoder"] + groups["critic"]) == list(range(len(model.trainable_variables)))
    critic = [model.trainable_variables[place] for place in groups["critic"]]
    assert [id(each) for each in critic] == [id(each) for each in model.critic.trainable_variables]


@pytest.mark.parametrize("frozen", ["autoencoder", "critic"])
def test_each_player_has_an_optimizer_of_its_own(frozen):
    rates = {"autoencoder": 0.1, "critic": 0.1} | {frozen: 0.0}
    model = duel({name: keras.optimizers.SGD(rate) for name, rate in rates.items()})
    before = trained(model)
    model.fit(X, **QUIET)
    assert moved(before, trained(model)) == [frozen != "autoencoder", frozen != "critic"]


def test_a_step_is_that_of_each_loss_by_its_own_weights():
    """By differences: SGD moves a weight by the rate times the slope of its player's loss alone."""
    model = duel(keras.optimizers.SGD(1.0))
    slopes = {}
    for name, loss, variable in (
        ("critic", "critic_loss", model.critic.trainable_variables[0]),
        ("autoencoder", "loss", model.encoder.trainable_variables[0]),
    ):
        start, step = ops.convert_to_numpy(variable), np.zeros(variable.shape, "float32")
        step[0, 0] = 1e-2
        found = []
        for sign in (1, -1):
            variable.assign(start + sign * step)
            found.append(model.test_on_batch(X, return_dict=True)[loss])
        variable.assign(start)
        slopes[name] = (found[0] - found[1]) / 2e-2
    before = [values(model.critic.trainable_variables)[0], values(model.encoder.trainable_variables)[0]]
    model.train_on_batch(X)
    after = [values(model.critic.trainable_variables)[0], values(model.encoder.trainable_variables)[0]]
    assert (before[0] - after[0])[0, 0] == pytest.approx(slopes["critic"], rel=0.05, abs=1e-4)
    assert (before[1] - after[1])[0, 0] == pytest.approx(slopes["autoencoder"], rel=0.05, abs=1e-4)


def test_terms_of_all_players_are_logged():
    history = duel("adam").fit(X, validation_data=X, epochs=2, **QUIET).history
    assert {"loss", "critic_loss", "fooling", "nll", "val_loss", "val_critic_loss"} <= set(history)
    assert history["loss"][0] == pytest.approx(history["nll"][0] + history["fooling"][0], rel=1e-5)


def test_a_saved_model_goes_on_with_the_state_of_both_optimizers(tmp_path):
    model = duel("adam")
    model.fit(X, shuffle=False, **QUIET)
    model.save(tmp_path / "duel.keras")
    model.save_weights(tmp_path / "duel.weights.h5")
    again, loaded = keras_ae.load_model(tmp_path / "duel.keras"), duel("adam")
    loaded.optimizer.build(loaded.trainable_variables)
    loaded.load_weights(tmp_path / "duel.weights.h5")
    for other in (again, loaded):
        assert isinstance(other.optimizer, GroupedOptimizer)
        for a, b in zip(values(model.optimizer.variables), values(other.optimizer.variables), strict=True):
            np.testing.assert_array_equal(a, b)
    expected = model.fit(X, shuffle=False, **QUIET).history
    for other in (again, loaded):
        assert other.fit(X, shuffle=False, **QUIET).history["critic_loss"] == pytest.approx(
            expected["critic_loss"], rel=1e-5
        )


def test_learning_rate_and_iterations_are_those_of_all():
    model = duel(keras.optimizers.Adam(0.25))
    model.fit(X, callbacks=[keras.callbacks.LearningRateScheduler(lambda epoch: 0.125)], **QUIET)
    assert [float(each.learning_rate) for each in model.optimizer.optimizers] == [0.125, 0.125]
    assert int(model.optimizer.iterations) == 4


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="the players are autoencoder, critic"):
        duel({"autoencoder": "adam"})
    plain = keras_ae.build(SPEC, seed=0)
    with pytest.raises(ValueError, match="one player"):
        plain.compile({"autoencoder": "adam"})
    with pytest.raises(ValueError, match="1 optimizers for 2 groups"):
        GroupedOptimizer([keras.optimizers.Adam()], [[0], [1]])
    model = duel()
    model.critic.trainable = False
    with pytest.raises(ValueError, match="Compile the model anew"):
        model.fit(X, **QUIET)


def test_a_frozen_player_stays():
    model = duel()
    model.critic.trainable = False
    model.compile("adam")
    before = trained(model)
    model.fit(X, **QUIET)
    assert moved(before, trained(model)) == [True, False]


def test_one_player_has_its_optimizer_as_it_is():
    assert isinstance(keras_ae.build(SPEC, seed=0).optimizer, keras.optimizers.Adam)
