"""Corruptions: how much they change, of what, and where their noise comes from."""

import io

import keras
import numpy as np
import pytest
from keras import ops
from PIL import Image
from scipy import ndimage, stats

import keras_ae
from keras_ae import (
    JPEG,
    Blur,
    Chain,
    GaussianNoise,
    Masking,
    MissingValues,
    OneOf,
    Poisson,
    SaltAndPepper,
    Spec,
    SpecError,
    Speckle,
    SpectralNoise,
    Vector,
    corrupted,
)
from keras_ae.corruptions import Corrupt, corrupt
from keras_ae.rows import CORRUPTIONS

X = np.random.default_rng(0).uniform(0.2, 0.8, (200, 10, 10)).astype("float32")
ROWS = [
    GaussianNoise(0.3),
    SaltAndPepper(0.4),
    Masking(0.25),
    GaussianNoise(0.3, low=0.1),
    Poisson(20.0),
    Speckle(0.3),
    MissingValues(0.3),
    MissingValues(0.3, "mean"),
    Chain((Speckle(0.1), SaltAndPepper(0.2))),
    OneOf((Speckle(0.1), SaltAndPepper(0.2))),
]
KEEPS_VALUES = (SaltAndPepper, Masking, MissingValues)


def by_layer(row, x, seed=3):
    """As the layer corrupts."""
    return ops.convert_to_numpy(corrupt(row, ops.convert_to_tensor(x), seed))


def by_numpy(row, x, seed=3):
    return corrupted(x, row, seed=seed)


both_ways = pytest.mark.parametrize("corrupts", [by_layer, by_numpy])


@both_ways
def test_noise_of_a_range_is_normal_with_a_sigma_of_each_sample_own(corrupts):
    noise = corrupts(GaussianNoise(0.4, low=0.1), X) - X
    sigmas = noise.std(axis=(1, 2), ddof=1)  # Within 15 % of the sigma that was drawn, by its standard error of 7 %.
    assert stats.kstest(sigmas, stats.uniform(0.1, 0.3).cdf).pvalue > 1e-4
    assert stats.kstest((noise / sigmas[:, None, None]).ravel(), stats.norm.cdf).pvalue > 1e-4


def chance_of(count, rate):
    return stats.binomtest(int(count), X.size, rate).pvalue


@both_ways
def test_gaussian_noise_is_normal_with_its_sigma(corrupts):
    noise = (corrupts(GaussianNoise(0.3), X) - X).ravel()
    assert stats.kstest(noise, stats.norm(0, 0.3).cdf).pvalue > 1e-4
    assert abs(np.corrcoef(noise, X.ravel())[0, 1]) < 5 / np.sqrt(X.size)


@both_ways
def test_salt_and_pepper_hits_its_share_with_equal_chance_and_leaves_the_rest(corrupts):
    x = corrupts(SaltAndPepper(0.4), X)
    assert chance_of((x == 1).sum(), 0.2) > 1e-4
    assert chance_of((x == 0).sum(), 0.2) > 1e-4
    kept = (x != 0) & (x != 1)
    np.testing.assert_array_equal(x[kept], X[kept])


@both_ways
def test_masking_zeroes_its_share_and_leaves_the_rest(corrupts):
    x = corrupts(Masking(0.25), X)
    assert chance_of((x == 0).sum(), 0.25) > 1e-4
    np.testing.assert_array_equal(x[x != 0], X[x != 0])


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_the_layer_draws_anew_and_a_seed_of_its_own_leaves_its_state_alone(row):
    layer, twin = Corrupt(row, seed=7), Corrupt(row, seed=7)
    first, second = (ops.convert_to_numpy(layer(X)) for _ in range(2))
    assert (first != second).any()
    fixed = [ops.convert_to_numpy(twin(X, seed=1)) for _ in range(2)]
    np.testing.assert_array_equal(*fixed)
    np.testing.assert_array_equal(ops.convert_to_numpy(twin(X)), first)
    np.testing.assert_array_equal(ops.convert_to_numpy(twin(X)), second)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_model_corrupts_in_float32_under_mixed_precision(row):
    keras.config.set_dtype_policy("mixed_float16")
    model = keras_ae.build(Spec((10, 10), (keras_ae.Flatten(),), Vector(2), "gaussian", corruption=row), seed=0)
    x = model.corrupt(X)
    assert x.dtype == np.float32
    kept = x == X
    assert not isinstance(row, KEEPS_VALUES) or kept.mean() > 0.5  # In float16 no value would be kept.


# Counts and speckle


def likely(counts, chances):
    """Whether draws of 0, 1, 2, ... are as likely as `chances` says, by a chi-squared test of common outcomes."""
    common = chances * len(counts) > 10
    seen = np.bincount(counts, minlength=len(chances))[: len(chances)][common]
    rest = [len(counts) - seen.sum(), (1 - chances[common].sum()) * len(counts)]
    return stats.chisquare([*seen, rest[0]], [*chances[common] * len(counts), rest[1]]).pvalue > 1e-4


@both_ways
@pytest.mark.parametrize(("peak", "level"), [(5.0, 0.2), (30.0, 1.0), (200.0, 0.9)])
def test_photons_are_counted_as_poisson_says(corrupts, peak, level):
    counts = corrupts(Poisson(peak), np.full((200, 100), level, "float32")) * peak
    np.testing.assert_allclose(counts, np.rint(counts), atol=1e-3)
    assert likely(np.rint(counts).astype(int).ravel(), stats.poisson(peak * level).pmf(np.arange(400)))


def test_no_light_gives_no_photons_and_what_is_out_of_range_counts_as_its_end():
    assert not corrupted(np.zeros((50, 100)), "poisson").any()
    ends, beyond = (corrupted(np.tile(x, (400, 1)), "poisson") for x in ([0.0, 1.0], [-3.0, 7.0]))
    np.testing.assert_array_equal(ends, beyond)


@both_ways
def test_speckle_is_normal_and_in_proportion_to_the_value(corrupts):
    noise = (corrupts(Speckle(0.3), X) / X - 1).ravel()
    assert stats.kstest(noise, stats.norm(0, 0.3).cdf).pvalue > 1e-4
    assert not corrupts(Speckle(0.3), np.zeros_like(X)).any()


# Missing values


def test_values_are_missing_at_random_where_they_were_not_missing_before():
    x = corrupted(X, MissingValues(0.3, "nan"))
    assert chance_of(np.isnan(x).sum(), 0.3) > 1e-4
    np.testing.assert_array_equal(x[~np.isnan(x)], X[~np.isnan(x)])
    again = corrupted(x, MissingValues(0.3, "nan"), seed=9)
    assert np.isnan(again[np.isnan(x)]).all()
    assert chance_of(np.isnan(again).sum(), 1 - 0.7**2) > 1e-4


@both_ways
def test_what_is_missing_is_filled_by_0_or_the_mean_of_what_is_left_at_that_place(corrupts):
    holes = np.where(np.arange(200)[:, None, None] % 7 == 0, np.nan, X).astype("float32")
    hidden = corrupts(MissingValues(0.3), holes) == 0
    assert hidden[np.isnan(holes)].all()
    filled = corrupts(MissingValues(0.3, "mean"), holes)
    means = np.nanmean(np.where(hidden, np.nan, X), axis=0)
    np.testing.assert_allclose(filled, np.where(hidden, means, X), atol=1e-6)


# Blur and JPEG


@pytest.mark.parametrize("sigma", [0.4, 1.0, 5.0])
@pytest.mark.parametrize("shape", [(20, 2), (14, 17, 3), (6, 5, 4, 1)], ids=str)
def test_blur_is_scipys(shape, sigma):
    x = np.random.default_rng(0).random((3, *shape), "float32")
    sigmas = (0, *[sigma] * (len(shape) - 1), 0)
    np.testing.assert_allclose(corrupted(x, Blur(sigma)), ndimage.gaussian_filter(x, sigmas, mode="nearest"), atol=1e-5)
    np.testing.assert_allclose(by_layer(Blur(sigma), x), corrupted(x, Blur(sigma)), atol=1e-6)


def pictures(side=45, channels=3):
    """Smooth waves with sharp edges, (6, side, side + 3, channels) in [0, 1]."""
    y, x, number = np.ogrid[:side, : side + 3, :6]
    waves = [0.5 + 0.4 * np.sin(0.2 * (c + 1) * x + 0.1 * y * number + c) for c in range(channels)]
    images = np.moveaxis(np.stack(waves, axis=-1), 2, 0)
    images[:, 10:20, 15:33] = np.linspace(0, 1, 6 * channels).reshape(6, 1, 1, channels)
    return images.astype("float32")


def pillow(image, quality):
    buffer, bytes_ = io.BytesIO(), np.rint(image * 255).astype("uint8")
    Image.fromarray(bytes_.squeeze()).save(buffer, "JPEG", quality=quality, subsampling=0)
    return np.asarray(Image.open(buffer), "float32").reshape(image.shape) / 255


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("quality", [1, 10, 49, 50, 75, 100])
def test_jpeg_is_pillows(quality, channels):
    noise = np.random.default_rng(0).normal(0, 0.03, (6, 45, 48, channels))
    x = np.clip(pictures(channels=channels) + noise, 0, 1).astype("float32")
    ours, theirs = corrupted(x, JPEG((quality, quality))), np.stack([pillow(image, quality) for image in x])
    levels = 255 * np.abs(ours - theirs)  # Coefficients half way between two steps go either way.
    assert levels.mean() < 0.5 and (levels < 0.5).mean() > 0.75
    assert quality == 100 or levels.mean() < 0.1 * 255 * np.abs(theirs - x).mean()


@both_ways
def test_jpeg_draws_a_quality_for_each_image_from_all_of_its_range(corrupts):
    x = np.repeat(pictures()[:1], 60, axis=0)
    found = corrupts(JPEG((20, 23)), x)
    wanted = np.stack([corrupted(x[:1], JPEG((quality, quality)))[0] for quality in range(20, 24)])
    nearest = np.abs(found[:, None] - wanted).mean(axis=(2, 3, 4)).argmin(axis=1)
    np.testing.assert_allclose(found, wanted[nearest], atol=0.01)
    assert set(nearest) == {0, 1, 2, 3}


# All of them


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_arrays_are_corrupted_by_seed_alone(row):
    first = corrupted(X, row, seed=1)
    assert isinstance(first, np.ndarray) and first.dtype == np.float32 and first.shape == X.shape
    np.testing.assert_array_equal(first, corrupted(X.astype("float64"), row, seed=1))
    assert (first != corrupted(X, row, seed=2)).any()


def test_the_noise_of_arrays_is_numpys_on_every_backend():
    wanted = X + np.float32(0.3) * np.random.default_rng(5).standard_normal(X.shape, "float32")
    np.testing.assert_allclose(corrupted(X, GaussianNoise(0.3), seed=5), wanted, atol=1e-6)


def test_a_chain_is_one_corruption_after_the_other():
    x = pictures()
    chained = corrupted(x, (Blur(1.0), JPEG((30, 30))))
    np.testing.assert_array_equal(chained, corrupted(corrupted(x, Blur(1.0)), JPEG((30, 30))))
    noise = corrupted(x, (Blur(1.0), GaussianNoise(0.1))) - corrupted(x, Blur(1.0))
    assert stats.kstest(noise.ravel(), stats.norm(0, 0.1).cdf).pvalue > 1e-4
    twice = by_layer(Chain((GaussianNoise(0.3), GaussianNoise(0.4))), X) - X
    assert stats.kstest(twice.ravel(), stats.norm(0, 0.5).cdf).pvalue > 1e-4  # Each draws its own.


@both_ways
def test_one_of_several_is_drawn_for_each_sample_as_often_as_it_stands_there(corrupts):
    x = np.full((4000, 6), 0.5, "float32")
    found = corrupts(OneOf((SaltAndPepper(0.999), SaltAndPepper(0.999), GaussianNoise(0.01))), x)
    near, far = np.abs(found - 0.5) < 0.1, np.abs(found - 0.5) > 0.4
    assert (near | far).all()
    salted = far.mean(axis=1) > 0.5
    np.testing.assert_array_equal(far.mean(axis=1) > 0, salted)  # No sample has some of both.
    assert stats.binomtest(int(salted.sum()), len(x), 2 / 3).pvalue > 1e-4


def test_a_model_trains_under_all_of_them_at_once_and_draws_by_seed():
    x = pictures(side=5, channels=1)[:, :5, :8]
    rows = [row for name, row in CORRUPTIONS.items() if name != "spectral"]
    model = keras_ae.build(Spec((5, 8, 1), (keras_ae.Flatten(),), Vector(2), "gaussian", corruption=Chain(rows)))
    losses = model.fit(x, epochs=2, batch_size=6, verbose=0).history["loss"]
    assert np.isfinite(losses).all()
    np.testing.assert_array_equal(model.corrupt(x, seed=4), model.corrupt(x, seed=4))
    assert (model.corrupt(x, seed=4) != model.corrupt(x, seed=5)).any()


def test_several_rows_make_a_chain_of_the_spec():
    rows = (Blur(0.5), Poisson(20.0))
    spec = keras_ae.spec("conv_denoising_ae", corruption=rows)
    assert spec.corruption == Chain(rows)
    assert Spec.from_json(spec.to_json()) == spec


@pytest.mark.parametrize(
    ("x", "row", "error", "message"),
    [
        (np.zeros((2, 4, 4, 1), "uint8"), Blur(), TypeError, r"dtype uint8.*astype\('float32'\) / 255"),
        (np.zeros((0, 3)), Masking(), ValueError, r"shape \(0, 3\): give .* one sample or more"),
        (np.zeros(3), Masking(), ValueError, r"shape \(3,\)"),
        (np.array([[np.inf, 1.0]]), MissingValues(), ValueError, "x has NaN or inf"),
        (np.array([[np.nan, 1.0]]), GaussianNoise(), ValueError, r"NaN or inf, which GaussianNoise.* does not take"),
        (np.array([[np.nan, 1.0]] * 3), MissingValues(), ValueError, r"no value in any sample at \[0\]: drop"),
        (np.zeros((2, 3)), Blur(), ValueError, r"Blur takes series, images and volumes .*, not \(2, 3\)"),
        (np.zeros((2, 8, 8, 2)), JPEG(), ValueError, r"JPEG takes images .*, not \(2, 8, 8, 2\)"),
        (np.zeros((2, 3)), SpectralNoise(), ValueError, "log-mel spectrograms"),
        (np.zeros((2, 3)), "fog", SpecError, "Unknown corruption 'fog'. Use gaussian, "),
    ],
)
def test_arrays_that_cannot_be_corrupted_are_refused_in_words(x, row, error, message):
    with pytest.raises(error, match=message):
        corrupted(x, row)


def test_a_model_refuses_a_corruption_that_leaves_nan():
    nan = MissingValues(fill="nan")
    for row in (nan, Chain((Masking(), nan)), OneOf((Masking(), nan))):
        with pytest.raises(SpecError, match=r"leaves NaN\. Let it fill with 'zero' or 'mean'"):
            keras_ae.spec("denoising_ae", corruption=row)
