import numpy as np
import pytest
from scipy.stats import norm
from sklearn.decomposition import PCA
from sklearn.metrics import mean_squared_error as sklearn_mse
from sklearn.metrics import r2_score

from keras_ae import metrics

RNG = np.random.default_rng(0)
X = RNG.uniform(size=(20, 4, 4, 1)).astype("float32")
NOISY = X + RNG.normal(0, 0.1, X.shape).astype("float32")


def test_mean_squared_error_equals_sklearn_example_by_example():
    expected = [sklearn_mse(a.ravel(), b.ravel()) for a, b in zip(X, NOISY, strict=True)]
    np.testing.assert_allclose(metrics.mean_squared_error(X, NOISY), expected, rtol=1e-5)


def test_mean_absolute_error_of_a_shift_is_the_shift():
    np.testing.assert_allclose(metrics.mean_absolute_error(X, X - 0.25), 0.25, rtol=1e-5)


def test_bytes_do_not_wrap_around():
    black, white = np.zeros((1, 3), "uint8"), np.full((1, 3), 255, "uint8")
    assert metrics.mean_absolute_error(black, white) == 255
    assert metrics.psnr(black, white, data_range=255) == 0


def test_psnr_of_an_error_of_a_tenth_is_20_db():
    np.testing.assert_allclose(metrics.psnr(X, X + 0.1), 20, rtol=1e-5)
    np.testing.assert_allclose(metrics.psnr(2 * X, 2 * X + 0.2, data_range=2.0), 20, rtol=1e-5)


def test_psnr_of_an_exact_reconstruction_is_infinite():
    assert np.isposinf(metrics.psnr(X, X)).all()


@pytest.mark.parametrize("data_range", [0, -1, float("nan")])
def test_psnr_refuses_a_range_that_is_not_positive(data_range):
    with pytest.raises(ValueError, match="data_range must be positive"):
        metrics.psnr(X, X, data_range=data_range)


PICTURES = RNG.uniform(size=(5, 17, 14, 3))


def test_ssim_equals_scikit_image():
    compare = pytest.importorskip("skimage.metrics", reason="scikit-image is not installed").structural_similarity
    options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "channel_axis": -1}
    for scale, noise in ((1.0, 0.05), (1.0, 0.5), (255.0, 20.0)):
        x = scale * PICTURES
        y = x + RNG.normal(0, noise, x.shape)
        expected = [compare(a, b, data_range=scale, **options) for a, b in zip(x, y, strict=True)]
        np.testing.assert_allclose(metrics.ssim(x, y, data_range=scale), expected, atol=1e-6)
        grey = [
            compare(a, b, data_range=scale, **options | {"channel_axis": None})
            for a, b in zip(x[..., 0], y[..., 0], strict=True)
        ]
        np.testing.assert_allclose(metrics.ssim(x[..., :1], y[..., :1], data_range=scale), grey, atol=1e-6)


def test_ssim_of_equal_pictures_is_one_and_of_constant_ones_that_of_their_luminance():
    np.testing.assert_allclose(metrics.ssim(PICTURES, PICTURES), 1)
    a, b = np.full((1, 11, 11, 1), 0.2), np.full((1, 11, 11, 1), 0.6)
    np.testing.assert_allclose(metrics.ssim(a, b), (2 * 0.2 * 0.6 + 1e-4) / (0.2**2 + 0.6**2 + 1e-4))


def test_ssim_is_the_same_in_pieces():
    x = RNG.uniform(size=(1030, 11, 11, 1))
    y = x[::-1]
    np.testing.assert_allclose(metrics.ssim(x, y)[[0, 600, 1029]], metrics.ssim(x[[0, 600, 1029]], y[[0, 600, 1029]]))


@pytest.mark.parametrize(
    ("x", "x_hat", "data_range", "words"),
    [
        (PICTURES, PICTURES[:2], 1, "same shape"),
        (PICTURES[:, :10], PICTURES[:, :10], 1, "sides of at least 11"),
        (PICTURES[0], PICTURES[0], 1, "must hold pictures"),
        (PICTURES, PICTURES, 0, "data_range must be positive"),
        (PICTURES, np.full_like(PICTURES, np.inf), 1, "finite"),
    ],
)
def test_ssim_refuses(x, x_hat, data_range, words):
    with pytest.raises(ValueError, match=words):
        metrics.ssim(x, x_hat, data_range=data_range)


def test_bits_per_dim_of_fair_coins_is_one():
    assert metrics.bits_per_dim(12 * np.log(2), (2, 3, 2)) == pytest.approx(1)


def test_explained_variance_of_the_mean_is_zero_and_of_the_data_is_one():
    mean = np.broadcast_to(X.mean(axis=0), X.shape)
    assert metrics.explained_variance(X, mean) == pytest.approx(0, abs=1e-6)
    assert metrics.explained_variance(X, X) == 1


def test_explained_variance_equals_sklearn():
    flat, noisy = X.reshape(20, -1), NOISY.reshape(20, -1)
    assert metrics.explained_variance(X, NOISY) == pytest.approx(
        r2_score(flat, noisy, multioutput="variance_weighted"), rel=1e-5
    )
    pca = PCA(3).fit(flat)
    kept = pca.inverse_transform(pca.transform(flat))
    assert metrics.explained_variance(flat, kept) == pytest.approx(pca.explained_variance_ratio_.sum(), rel=1e-5)


def test_explained_variance_of_constant_data_is_refused():
    with pytest.raises(ValueError, match="all examples of x are equal"):
        metrics.explained_variance(np.ones((3, 2)), np.ones((3, 2)))


@pytest.mark.parametrize(
    "function",
    [metrics.mean_squared_error, metrics.mean_absolute_error, metrics.psnr, metrics.explained_variance],
)
def test_bad_arrays_are_refused(function):
    with pytest.raises(ValueError, match="same shape"):
        function(X, X[:, :2])
    with pytest.raises(ValueError, match="at least one example"):
        function(X[:0], X[:0])
    with pytest.raises(ValueError, match="finite"):
        function(X, np.full_like(X, np.nan))


def test_kl_of_the_prior_to_itself_is_zero():
    assert metrics.kl_per_dimension(np.zeros((5, 3)), np.zeros((5, 3))).tolist() == [0, 0, 0]


def test_kl_equals_its_integral():
    mean, log_var = 0.7, -1.2
    z, step = np.linspace(-12, 12, 20_001, retstep=True)
    q = norm(mean, np.exp(log_var / 2))
    integral = np.sum(q.pdf(z) * (q.logpdf(z) - norm.logpdf(z))) * step
    np.testing.assert_allclose(metrics.kl_per_dimension([[mean]], [[log_var]]), integral, rtol=1e-6)


def test_kl_is_the_mean_over_the_data():
    z_mean = np.array([[0.0, 1.0], [2.0, 1.0]])
    np.testing.assert_allclose(metrics.kl_per_dimension(z_mean, np.zeros((2, 2))), [1.0, 0.5])


def test_active_units_counts_the_dimensions_that_vary():
    z_mean = RNG.normal(size=(500, 4)) * [1.0, 0.5, 0.05, 0.0] + [0, 0, 0, 3]
    assert metrics.active_units(z_mean) == 2
    assert metrics.active_units(z_mean, threshold=0.001) == 3
    np.testing.assert_allclose(metrics.latent_variance(z_mean), z_mean.var(axis=0))


def test_report_names_the_collapsed_dimensions():
    z_mean = RNG.normal(size=(200, 4)) * [1, 0, 1, 0]
    z_log_var = np.array([-3.0, 0, -3.0, 0]) * np.ones((200, 1))
    report = metrics.posterior_collapse(z_mean, z_log_var)
    assert (report.latent_dim, report.active_units, report.collapsed) == (4, 2, (1, 3))
    assert report == metrics.posterior_collapse(z_mean, z_log_var)
    assert report.describe() == (
        "2 of 4 latent dimensions are active (variance of the posterior mean above 0.01); "
        "KL is below 0.01 nats in dimensions 1 and 3."
    )


def test_report_of_a_healthy_and_of_a_wide_collapsed_posterior():
    healthy = metrics.posterior_collapse(RNG.normal(size=(200, 1)), np.full((200, 1), -2.0))
    assert healthy.describe() == (
        "1 of 1 latent dimension is active (variance of the posterior mean above 0.01); "
        "KL is 0.01 nats or more in every dimension."
    )
    wide = metrics.posterior_collapse(np.zeros((2, 20)), np.zeros((2, 20)))
    assert wide.describe().endswith("in dimensions 0, 1, 2, 3, 4, 5, 6, 7 and 12 more.")
    one = metrics.posterior_collapse(np.array([[0.0, 1.0], [0.0, -1.0]]), np.zeros((2, 2)))
    assert one.describe().endswith("in dimension 0.")


def test_bad_latents_are_refused():
    with pytest.raises(ValueError, match=r"\(n, latent_dim\)"):
        metrics.active_units(np.zeros(3))
    with pytest.raises(ValueError, match="at least 2 examples"):
        metrics.active_units(np.zeros((1, 3)))
    with pytest.raises(ValueError, match="z_log_var must be finite"):
        metrics.kl_per_dimension(np.zeros((2, 3)), np.full((2, 3), np.inf))
    with pytest.raises(ValueError, match="same shape"):
        metrics.posterior_collapse(np.zeros((2, 3)), np.zeros((2, 4)))
