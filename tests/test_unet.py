"""Networks that add to their input what takes the noise off."""

import keras
import numpy as np
import pytest

import keras_ae
from keras_ae import GaussianNoise, OneOf, SaltAndPepper, Spec, corrupted, denoising_spec, metrics


@pytest.mark.parametrize(
    ("shape", "widths"),
    [
        ((28, 28, 1), (8, 16)),
        ((32, 16, 3), (4, 4, 4)),
        ((64, 8), (16,)),
        ((8, 8, 4, 1), (4, 4)),
        ((30, 31, 1), (4, 8)),
        ((101, 2), (4, 4, 4)),
    ],
)
def test_shapes_and_parameters_are_those_of_the_built_layers(shape, widths):
    spec = denoising_spec(shape, GaussianNoise(0.5), widths=widths)
    assert Spec.from_json(spec.to_json()) == spec
    model = keras_ae.build(spec, seed=0)
    assert model.count_params() == spec.parameters
    x = np.random.default_rng(0).random((2, *shape), dtype="float32")
    assert model.reconstruct(x).shape == x.shape


def test_without_its_last_rows_the_network_passes_the_picture_on():
    model = keras_ae.build(denoising_spec((8, 8, 1), widths=(4, 4)), seed=0)
    kernels = [layer for layer in model._flatten_layers() if hasattr(layer, "kernel") and layer.output.shape[-1] == 1]
    for layer in kernels:
        layer.kernel.assign(0 * layer.kernel)
    x = np.random.default_rng(0).random((2, 8, 8, 1), dtype="float32")
    assert len(kernels) == 2
    np.testing.assert_allclose(model.reconstruct(x), x, atol=1e-6)


@pytest.mark.slow
def test_one_small_model_takes_both_kinds_of_noise_off():
    x = keras_ae.datasets.load("mnist_mini").train.x
    kinds = (GaussianNoise(0.5), SaltAndPepper(0.3))
    spec = denoising_spec((28, 28, 1), OneOf(kinds), widths=(8, 16))
    model = keras_ae.build(spec, optimizer=keras.optimizers.Adam(4e-3), seed=0)
    model.fit(x[:2000], batch_size=32, epochs=2, verbose=0)
    unseen = x[2000:2100]
    for row in kinds:
        noisy = corrupted(unseen, row, seed=1)
        gain = metrics.psnr(unseen, model.reconstruct(noisy)) - metrics.psnr(unseen, noisy)
        assert gain.mean() > 6  # dB
