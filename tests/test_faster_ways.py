"""Where a backend takes a faster way than Keras' own, it comes to the same numbers."""

import platform

import keras
import numpy as np
import pytest

import keras_ae
from keras_ae import Spec, Vector
from keras_ae.feeding import ArrayBatches
from keras_ae.train_step import Steps, activation, convolution, softplus, transposed_convolution

X = np.random.default_rng(0).uniform(0.05, 0.95, (64, 6)).astype("float32")


def weights_after(optimizer, *, fused, monkeypatch, epochs=5):
    """The weights of a small model, after 8 steps an epoch in fixed order."""
    with monkeypatch.context() as patch:
        if not fused:
            patch.setattr(Steps, "fuse_optimizer", lambda self: None)
        model = keras_ae.build(Spec((6,), (), Vector(2), "gaussian"), seed=0, optimizer=optimizer)
        model.fit(X, batch_size=8, epochs=epochs, shuffle=False, verbose=0)
    return model.get_weights()


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="XLA makes one pass of Keras' Adam: none is replaced.")
@pytest.mark.parametrize(
    "make",
    [
        lambda: keras.optimizers.Adam(1e-2),
        lambda: keras.optimizers.Adam(1e-2, epsilon=1e-2),
        lambda: keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(1e-2, 40), clipnorm=0.1),
        lambda: keras.optimizers.Adam(1e-2, use_ema=True, gradient_accumulation_steps=2),
        lambda: keras.optimizers.AdamW(1e-2, weight_decay=0.1),
        lambda: keras.optimizers.Adam(1e-2, amsgrad=True),
        lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam(1e-2)),
    ],
    ids=["plain", "epsilon", "schedule and clipping", "ema and accumulation", "adamw", "amsgrad", "loss scale"],
)
def test_fused_adam_is_adam(make, monkeypatch):
    ours = weights_after(make(), fused=True, monkeypatch=monkeypatch)
    theirs = weights_after(make(), fused=False, monkeypatch=monkeypatch)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_an_optimiser_of_ones_own_keeps_its_update(monkeypatch):
    class Still(keras.optimizers.Adam):
        def update_step(self, gradient, variable, learning_rate):
            self.assign_sub(variable, gradient * 0.0)

        def _parallel_update_step(self, gradients, variables, learning_rate):
            for gradient, variable in zip(gradients, variables, strict=True):
                self.update_step(gradient, variable, learning_rate)

    moved = weights_after(Still(1e-2), fused=True, monkeypatch=monkeypatch, epochs=1)
    start = keras_ae.build(Spec((6,), (), Vector(2), "gaussian"), seed=0).get_weights()
    for one, other in zip(moved, start, strict=True):
        np.testing.assert_array_equal(one, other)


CONVOLUTIONS = (keras.layers.Conv1D, keras.layers.Conv2D, keras.layers.Conv3D)
TRANSPOSED = (keras.layers.Conv1DTranspose, keras.layers.Conv2DTranspose, keras.layers.Conv3DTranspose)


@pytest.mark.parametrize("sides", [(6, 12, 8), (7, 11, 9)], ids=str)
@pytest.mark.parametrize("options", [{}, {"use_bias": False}, {"padding": "valid"}, {"activation": "tanh"}], ids=str)
@pytest.mark.parametrize(("kernel", "stride"), [(4, 2), (3, 1), (2, 2), (5, 3), (6, 2)], ids=str)
@pytest.mark.parametrize("kind", [*CONVOLUTIONS, *TRANSPOSED], ids=lambda kind: kind.__name__)
def test_layers_are_those_of_keras(kind, options, kernel, stride, sides):
    rank = int(kind.__name__[4])
    faster = (transposed_convolution if kind in TRANSPOSED else convolution)(kind)
    if faster is kind:
        pytest.skip("This backend takes Keras' layer as it is.")
    x = np.random.default_rng(0).normal(size=(2, *sides[:rank], 5)).astype("float32")
    options = {"padding": "same", **options}
    theirs, ours = (each(4, kernel, stride, **options) for each in (kind, faster))
    wanted = keras.ops.convert_to_numpy(theirs(x))
    ours.build(x.shape)
    ours.set_weights(theirs.get_weights())
    np.testing.assert_allclose(keras.ops.convert_to_numpy(ours(x)), wanted, rtol=1e-4, atol=1e-5)
    assert type(ours).__name__ == kind.__name__


def gradients(function, *arrays) -> list[np.ndarray]:
    """Of the sum of a function's sines, by each of its arguments."""
    backend = keras.backend.backend()
    tensors = [keras.ops.convert_to_tensor(array) for array in arrays]
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(tensors)
            total = tf.reduce_sum(tf.sin(function(*tensors)))
        found = tape.gradient(total, tensors)
    elif backend == "torch":
        import torch

        tensors = [tensor.detach().requires_grad_() for tensor in tensors]
        found = torch.autograd.grad(torch.sin(function(*tensors)).sum(), tensors)
    else:
        import jax

        def total(*tensors):
            return keras.ops.sum(keras.ops.sin(function(*tensors)))

        found = jax.jit(jax.grad(total, argnums=range(len(tensors))))(*tensors)
    return [keras.ops.convert_to_numpy(one) for one in found]


def called_with(layer):
    """The layer as a function of its inputs and weights."""

    def function(inputs, *weights):
        values, _ = layer.stateless_call(weights, [], inputs)
        return values

    return function


@pytest.mark.parametrize("filters", [1, 3, 9])
@pytest.mark.parametrize(("kernel", "stride"), [(4, 2), (2, 2), (9, 3), (3, 1)], ids=str)
@pytest.mark.parametrize("kind", TRANSPOSED, ids=lambda kind: kind.__name__)
def test_gradients_of_transposed_convolutions_are_those_of_keras(kind, kernel, stride, filters):
    rank = int(kind.__name__[4])
    x = np.random.default_rng(0).normal(size=(3, *(5, 6, 4)[:rank], 2)).astype("float32")
    layers = [each(filters, kernel, stride, padding="same") for each in (kind, transposed_convolution(kind))]
    for layer in layers:
        layer.build(x.shape)
    draw = np.random.default_rng(1)
    weights = [draw.normal(size=weight.shape).astype("float32") for weight in layers[0].trainable_weights]
    theirs, ours = (gradients(called_with(layer), x, *weights) for layer in layers)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=2e-4)


@pytest.mark.parametrize("name", ["silu", "swish", "relu"])
@pytest.mark.parametrize("shape", [(3, 5), (2, 16, 16, 8)], ids=str)
def test_activations_and_their_gradients_are_those_of_keras(name, shape):
    x = np.random.default_rng(0).normal(0, 4, size=shape).astype("float32")
    theirs, ours = (keras.activations.get(each) for each in (name, activation(name)))
    np.testing.assert_allclose(*(keras.ops.convert_to_numpy(f(x)) for f in (ours, theirs)), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(gradients(ours, x)[0], gradients(theirs, x)[0], rtol=1e-4, atol=1e-5)
    assert keras.activations.serialize(ours) == keras.activations.serialize(theirs)


def test_silu_has_its_gradient_in_bfloat16():
    x = np.random.default_rng(0).normal(0, 0.5, size=(2, 16, 16, 8)).astype("float32")

    def rounded(function):
        return lambda x: keras.ops.cast(function(keras.ops.cast(x, "bfloat16")), "float32")

    ours, theirs = (gradients(f, x)[0] for f in (rounded(keras.activations.get(activation("silu"))), keras.ops.silu))
    np.testing.assert_allclose(ours, theirs, atol=0.02)  # bfloat16 keeps 8 bits.


@pytest.mark.parametrize("largest", [1.0, 30.0, 500.0])
def test_softplus_and_its_gradient_are_those_of_numpy(largest):
    x = np.linspace(-largest, largest, 201).astype("float32")
    exact = np.logaddexp(0, x.astype("float64"))
    chance = 1 / (1 + np.exp(-x.astype("float64")))
    np.testing.assert_allclose(keras.ops.convert_to_numpy(softplus(x)), exact, rtol=2e-7, atol=1e-7)
    np.testing.assert_allclose(gradients(softplus, x)[0], np.cos(exact) * chance, atol=1e-5)


def test_parts_with_faster_layers_are_plain_keras_files(tmp_path):
    model = keras_ae.build("conv_vae", seed=0)
    z = np.random.default_rng(0).normal(size=(3, model.spec.latent_dim)).astype("float32")
    model.decoder_logits.save(tmp_path / "decoder.keras")
    loaded = keras.models.load_model(tmp_path / "decoder.keras")
    assert type(loaded.layers[-1]) is keras.layers.Conv2DTranspose
    found, wanted = (decoder.predict(z, verbose=0)["logits"] for decoder in (loaded, model.decoder_logits))
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)


def faults_of_taking_memory_again() -> float:
    """Page faults of an array that a step has freed, as a share of its pages."""
    resource = pytest.importorskip("resource", reason="Windows does not count them.")
    np.ones(2**24, "float32")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    np.ones(2**24, "float32")
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) / (2**26 / resource.getpagesize())


@pytest.mark.skipif(keras.backend.backend() == "jax", reason="XLA takes memory on threads of its own.")
@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="An option of glibc.")
def test_memory_is_kept_between_steps_of_fit_and_not_after_it(monkeypatch):
    for name in ("MALLOC_MMAP_MAX_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_", "GLIBC_TUNABLES"):
        monkeypatch.delenv(name, raising=False)
    model = keras_ae.build(Spec((6,), (), Vector(2), "gaussian"), seed=0)
    within = []
    count = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: within.append(faults_of_taking_memory_again()))
    model.fit(X, verbose=0, callbacks=count)
    outside = faults_of_taking_memory_again()
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "131072")
    model.fit(X, verbose=0, callbacks=count)
    kept, left_alone = within
    assert kept < 0.05
    assert min(outside, left_alone) > 10 * kept


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="The others read arrays by NumPy.")
@pytest.mark.parametrize("shuffle", [False, True])
def test_tensorflow_cuts_arrays_into_the_batches_of_numpy(shuffle):
    from keras_ae.train_step.feed_tensorflow import adapter

    arrays = X, np.arange(64)
    ours, theirs = (ArrayBatches(arrays, 24, shuffle=shuffle, seed=3) for _ in range(2))
    few, many = (adapter(ours, shuffle=False, passes=passes, shared=False) for passes in (1, 10))
    assert type(few) is not type(many)
    for _ in range(2):
        many.on_epoch_begin()
        theirs.on_epoch_begin()
        found = list(many.get_tf_dataset())
        many.on_epoch_end()
        assert len(found) == len(theirs) == 3
        for index, batch in enumerate(found):
            for one, other in zip(batch, theirs[index], strict=True):
                np.testing.assert_array_equal(one, other)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="The others read arrays by NumPy.")
def test_fit_takes_the_same_steps_whoever_cuts_the_batches():
    class CutByPython(ArrayBatches):
        pass

    found = []
    for kind in (ArrayBatches, CutByPython):
        model = keras_ae.build(Spec((6,), (), Vector(2), "gaussian"), seed=0, optimizer="sgd")
        data = [kind((X,), 24, shuffle=shuffle, seed=3) for shuffle in (True, False)]
        history = model.fit(data[0], epochs=4, validation_data=data[1], verbose=0).history
        found.append([*model.get_weights(), history["loss"], history["val_loss"]])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)


@pytest.mark.skipif(keras.backend.backend() != "tensorflow", reason="The others read arrays by NumPy.")
def test_a_data_set_of_ones_own_is_read_as_it_is():
    from keras_ae.train_step.feed_tensorflow import adapter

    class Doubled(ArrayBatches):
        def __getitem__(self, index):
            return tuple(2 * array for array in super().__getitem__(index))

    data = adapter(Doubled((X,), 24), shuffle=False, passes=10, shared=False).get_tf_dataset()
    np.testing.assert_array_equal(np.concatenate([batch[0] for batch in data]), 2 * X)
    assert data.options().autotune.enabled is False
