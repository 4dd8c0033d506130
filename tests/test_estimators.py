"""The scikit-learn and the PyOD face."""

import joblib
import keras
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

import keras_ae
from keras_ae import Normal, Spec, Vector
from keras_ae.estimators import AutoencoderOutlierDetector, AutoencoderTransformer, Denoiser

RNG = np.random.default_rng(0)
PLANE = np.linalg.qr(RNG.normal(size=(5, 2)))[0].T
X = (RNG.normal(size=(300, 2)) @ PLANE + 0.05 * RNG.normal(size=(300, 5))) * [1, 10, 100, 0.1, 1] + [5, -9, 1e4, 0, 2]
STRANGE = X[:20].copy()
STRANGE[:, 1] += 80
QUICK = {"epochs": 12, "batch_size": 32, "random_state": 0}
DETECTOR = AutoencoderOutlierDetector(**QUICK, contamination=0.05)


@pytest.fixture(scope="module")
def detector():
    return clone(DETECTOR).fit(X)


@pytest.fixture(scope="module")
def transformer():
    return AutoencoderTransformer(latent_dim=2, **QUICK | {"epochs": 60}).fit(X)


def test_the_detector_finds_what_was_planted(detector):
    assert roc_auc_score([0] * 300 + [1] * 20, -detector.score_samples(np.concatenate([X, STRANGE]))) > 0.97
    assert (detector.predict(STRANGE) == -1).mean() > 0.9
    assert (detector.contributions(STRANGE).argmax(axis=1) == 1).mean() > 0.8


def test_contributions_name_each_planted_column(detector):
    for column in range(5):
        planted = X[:10].copy()
        planted[:, column] += 8 * X[:, column].std()
        assert (detector.contributions(planted).argmax(axis=1) == column).mean() >= 0.8


def test_the_threshold_is_the_contamination_quantile(detector):
    assert (detector.predict(X) == -1).sum() == 15
    np.testing.assert_allclose(detector.decision_function(X), detector.score_samples(X) - detector.offset_)
    assert ((detector.decision_function(X) < 0) == (detector.predict(X) == -1)).all()


def test_units_of_columns_do_not_matter(detector):
    other = clone(DETECTOR).fit(1000 * X + 7)
    assert np.corrcoef(other.score_samples(1000 * X + 7), detector.score_samples(X))[0, 1] > 0.999


def test_a_loaded_estimator_gives_equal_scores(detector, transformer, tmp_path):
    for estimator in (detector, transformer):
        joblib.dump(estimator, tmp_path / "estimator")
        loaded = joblib.load(tmp_path / "estimator")
        np.testing.assert_array_equal(loaded.score_samples(X), estimator.score_samples(X))
    np.testing.assert_array_equal(
        loaded.inverse_transform(loaded.transform(X)), estimator.inverse_transform(loaded.transform(X))
    )


def test_equal_random_states_give_equal_results(detector):
    np.testing.assert_allclose(clone(DETECTOR).fit(X).score_samples(X), detector.score_samples(X), rtol=1e-5)


def test_codes_keep_what_two_components_keep(transformer):
    """The table is a plane with noise, in units of its columns."""
    scaled = transformer.scaler_.transform(X)
    pca = PCA(2).fit(scaled)
    least = np.square(scaled - pca.inverse_transform(pca.transform(scaled))).mean()
    found = np.square(
        scaled - transformer.scaler_.transform(transformer.inverse_transform(transformer.transform(X)))
    ).mean()
    assert found < 3 * least < 0.1
    assert transformer.transform(X).shape == (300, 2)
    assert transformer.score(X) == pytest.approx(transformer.score_samples(X).mean())


def test_names_and_frames(transformer):
    pandas = pytest.importorskip("pandas", reason="pandas is not installed")
    assert transformer.get_feature_names_out().tolist() == ["autoencodertransformer0", "autoencodertransformer1"]
    frame = pandas.DataFrame(X, columns=list("abcde"))
    denoiser = Denoiser(**QUICK | {"epochs": 1}).set_output(transform="pandas").fit(frame)
    assert denoiser.transform(frame).columns.tolist() == list("abcde")
    frame["d"] = np.where(X[:, 3] > 0, "red", "blue")
    with pytest.raises(TypeError, match=r"X has '(red|blue)' in row 0, column 'd', which is no number.*OneHotEncoder"):
        Denoiser().fit(frame)


def test_the_denoiser_removes_noise():
    noise = 0.3 * X.std(axis=0) * RNG.normal(size=X.shape)
    denoiser = Denoiser(**QUICK | {"epochs": 60}, model_params={"noise": 0.3}).fit(X)
    left = denoiser.transform(X + noise) - X
    assert (left / X.std(axis=0)).std() < 0.8 * 0.3


@pytest.mark.slow
def test_a_pipeline_in_a_grid_search():
    x, y = load_breast_cancer(return_X_y=True)
    pipeline = make_pipeline(AutoencoderTransformer(**QUICK), LogisticRegression(max_iter=1000))
    search = GridSearchCV(pipeline, {"autoencodertransformer__latent_dim": [1, 8]}, cv=2).fit(x, y)
    assert search.best_params_ == {"autoencodertransformer__latent_dim": 8}
    assert search.best_score_ > 0.9


@pytest.mark.parametrize("model", ["vae", "sparse_ae", Spec((5,), (), Vector(2), Normal())], ids=str)
def test_any_model_will_do(model):
    detector = AutoencoderOutlierDetector(model, **QUICK | {"epochs": 1}, score="reconstruction").fit(X)
    assert np.isfinite(detector.score_samples(STRANGE)).all()
    assert detector.model_.spec.input_shape == (5,)


def test_images_come_as_rows():
    images = keras_ae.datasets.load("mnist_mini").train.x[:64].reshape(64, -1)
    transformer = AutoencoderTransformer("conv_ae", model_params={"input_shape": (28, 28, 1)}, epochs=1, latent_dim=3)
    codes = transformer.fit_transform(images)
    assert codes.shape == (64, 3)
    assert transformer.scaler_ is None
    assert transformer.inverse_transform(codes).shape == images.shape


@pytest.mark.slow
def test_robust_training_finds_a_cluster_of_anomalies():
    far = X.mean(axis=0) + 4 * X.std(axis=0) * [1, -1, 1, -1, 1] + 0.01 * X.std(axis=0) * RNG.normal(size=(30, 5))
    mixed, labels = np.concatenate([X, far]), np.repeat([0, 1], [300, 30])
    scores = {}
    for robust in (False, True):
        detector = clone(DETECTOR).set_params(contamination=0.15, robust=robust).fit(mixed)
        scores[robust] = roc_auc_score(labels, -detector.score_samples(mixed))
    assert scores[True] > max(0.95, scores[False])


def test_training_stops_early_and_takes_callbacks():
    seen = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: epochs.append(logs))
    epochs = []
    noise = RNG.normal(size=(60, 4))
    options = {"latent_dim": 1, "model_params": {"width": 512}, "batch_size": 8}
    AutoencoderTransformer(epochs=60, random_state=0, fit_params={"callbacks": [seen]}, **options).fit(noise)
    assert 6 < len(epochs) < 60
    assert "val_loss" in epochs[0]


def test_constant_columns_are_taken():
    constant = np.c_[X, np.full(300, 3.0)]
    detector = clone(DETECTOR).fit(constant)
    moved = constant[:20].copy()
    moved[:, 5] += 5
    assert np.isfinite(detector.score_samples(constant)).all()
    assert (detector.score_samples(moved) < detector.score_samples(constant[:20])).mean() > 0.8


def test_a_table_of_constants_is_taken():
    """All columns constant: every row is alike, and another row is strange."""
    detector = clone(DETECTOR).fit(np.full((40, 3), 7.0))
    scores = detector.score_samples(np.array([[7.0, 7, 7], [7, 9, 7]]))
    assert np.isfinite(scores).all()
    assert scores[1] < scores[0]


def test_rows_of_other_columns_are_refused(detector, transformer):
    for method in (detector.predict, detector.contributions, transformer.transform):
        with pytest.raises(ValueError, match=r"X has 4 features, but Autoencoder.* is expecting 5"):
            method(X[:, :4])


def test_bad_input_is_refused_before_training():
    with pytest.raises(ValueError, match=r"1 sample.*minimum of 2"):
        DETECTOR.fit(X[:1])
    with pytest.raises(ValueError, match="Input X contains NaN"):
        DETECTOR.fit(np.c_[X, np.full(300, np.nan)])
    for estimator in (AutoencoderTransformer(), Denoiser()):
        with pytest.raises(ValueError, match=r"1 sample.*minimum of 2"):
            estimator.fit(X[:1])
        with pytest.raises(ValueError, match="Input X contains NaN"):
            estimator.fit(np.where(np.arange(5) == 2, np.nan, X))
    with pytest.raises(ValueError, match="Input X contains infinity"):
        DETECTOR.fit(np.c_[X, np.full(300, np.inf)])
    for contamination in (0, 0.6, "auto", None):
        with pytest.raises(ValueError, match=r"contamination must lie in \(0, 0.5\]"):
            clone(DETECTOR).set_params(contamination=contamination).fit(X)
    with pytest.raises(ValueError, match="Unknown score 'mse'"):
        clone(DETECTOR).set_params(score="mse").fit(X)
    with pytest.raises(ValueError, match=r"validation_fraction must lie in \[0, 1\), got 1"):
        AutoencoderTransformer(validation_fraction=1).fit(X)
    for name in ("epochs", "batch_size", "latent_dim"):
        with pytest.raises(ValueError, match=f"{name} must be at least 1, not 0"):
            AutoencoderTransformer(**{name: 0}).fit(X)
    with pytest.raises(ValueError, match="Unknown model 'va'"):
        AutoencoderTransformer("va").fit(X)
    with pytest.raises(ValueError, match="X has 5 features, but the model takes"):
        AutoencoderTransformer("conv_ae", model_params={"input_shape": (28, 28, 1)}).fit(X)
    with pytest.raises(ValueError, match="A Spec takes no latent_dim"):
        AutoencoderTransformer(Spec((5,), (), Vector(2), Normal()), latent_dim=3).fit(X)


def test_pyod_knows_the_detector(detector):
    pytest.importorskip("pyod", reason="PyOD is not installed")
    from keras_ae.estimators.pyod import AutoencoderPyOD

    adapter = AutoencoderPyOD(DETECTOR, contamination=0.05).fit(X)
    np.testing.assert_allclose(adapter.decision_scores_, -detector.score_samples(X), rtol=1e-5)
    assert adapter.labels_.sum() == 15
    assert (adapter.predict(STRANGE) == 1).mean() > 0.9
    assert adapter.threshold_ == pytest.approx(-detector.offset_, rel=1e-5)
    assert clone(adapter).detector is not adapter.detector
    with pytest.raises(ValueError, match="contamination must be in"):
        AutoencoderPyOD(contamination=0.7)


@pytest.mark.filterwarnings("ignore::SyntaxWarning", "ignore::DeprecationWarning", "ignore::FutureWarning")
def test_pyod_combines_its_scores(detector):
    """The warnings are those of combo, on which PyOD's combination functions stand."""
    pytest.importorskip("combo", reason="combo is not installed")
    combination = pytest.importorskip("pyod.models.combination", reason="PyOD is not installed")
    from pyod.models.knn import KNN
    from pyod.utils.utility import standardizer

    from keras_ae.estimators.pyod import AutoencoderPyOD

    x = np.concatenate([X, STRANGE])
    fitted = [AutoencoderPyOD(DETECTOR).fit(X), KNN().fit(X)]
    scores = standardizer(np.column_stack([one.decision_function(x) for one in fitted]))
    for combine in (combination.average, combination.maximization):
        assert roc_auc_score([0] * 300 + [1] * 20, combine(scores)) > 0.95


@pytest.mark.filterwarnings("ignore")
def test_pyods_suod_takes_the_detector(capsys):
    """The warnings, and what is printed, are those of SUOD and combo."""
    pytest.importorskip("suod", reason="SUOD is not installed")
    suod = pytest.importorskip("pyod.models.suod", reason="PyOD is not installed")
    from pyod.models.knn import KNN

    from keras_ae.estimators.pyod import AutoencoderPyOD

    options = {"bps_flag": False, "rp_flag_global": False, "approx_flag_global": False, "n_jobs": 1}
    both = suod.SUOD([AutoencoderPyOD(DETECTOR), KNN()], combination="average", verbose=False, **options).fit(X)
    assert roc_auc_score([0] * 300 + [1] * 20, both.decision_function(np.concatenate([X, STRANGE]))) > 0.95
