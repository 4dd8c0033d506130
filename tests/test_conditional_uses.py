"""What else uses a model whose spec has inputs beside x: each takes them by name, or refuses them in words."""

from importlib.util import find_spec

import joblib
import keras
import numpy as np
import pytest
import sklearn
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import keras_ae
from keras_ae import (
    Condition,
    ConditionalPrior,
    Conv,
    Dense,
    Flatten,
    Gaussian,
    GaussianNoise,
    Identity,
    Labels,
    Masking,
    MixturePrior,
    Normal,
    Spec,
    Vector,
    anomaly,
    callbacks,
    imputation,
    priors,
)
from keras_ae.estimators import AutoencoderOutlierDetector, AutoencoderTransformer, Denoiser
from keras_ae.neighbours import NeighbourBatches
from keras_ae.train_step import exported

ON_TENSORFLOW = keras.backend.backend() == "tensorflow"
RNG = np.random.default_rng(0)
IMAGES, CLASSES = RNG.random((40, 8, 8, 1), dtype="float32"), np.arange(40) % 3
LINES = np.array([[1.0, 1, 1, 1, 1], [1, -1, 1, -1, 1], [-1, 0, 1, 0, -1]])
KINDS = RNG.integers(0, 3, 300)
TABLE = (RNG.normal(size=(300, 1)) * LINES[KINDS] + 0.05 * RNG.normal(size=(300, 5))).astype("float32")
QUIET = {"verbose": 0, "batch_size": 32}


@pytest.fixture(scope="module")
def model():
    """Rows on one of three lines, which their kind tells."""
    spec = Spec((5,), (Dense(32, "silu"),), Gaussian(1), "gaussian_global", inputs=Labels(3))
    model = keras_ae.build(spec, seed=0, optimizer=keras.optimizers.Adam(5e-3))
    model.fit(TABLE, labels=KINDS, epochs=40, **QUIET)
    return model


@pytest.fixture(scope="module")
def pictures():
    return keras_ae.build(Spec((8, 8, 1), (Conv(4, 4, 2), Flatten()), Gaussian(2), inputs=Labels(3)), seed=0)


# Anomalies


@pytest.mark.parametrize("name", anomaly.SCORES)
def test_every_score_takes_inputs_by_name_and_in_dicts(model, name):
    score = anomaly.score_named(name, model).fit(TABLE[:200], labels=KINDS[:200])
    found = score.score(TABLE[200:], labels=KINDS[200:])
    batch = {"x": TABLE[200:], "labels": KINDS[200:]}
    np.testing.assert_allclose(score.score(batch), found, rtol=1e-5)
    assert score.contributions(TABLE[200:206], labels=KINDS[200:206]).shape == (6, 5)
    with pytest.raises(ValueError, match="x comes without 'labels'"):
        score.score(TABLE)
    with pytest.raises(ValueError, match=r"'label', which this model does not take\. It takes labels"):
        anomaly.score_named(name, model).fit(TABLE, label=KINDS)


def test_a_row_is_strange_for_another_kind(model):
    score = anomaly.WhitenedResidual(model).fit(TABLE, labels=KINDS)
    own, other = (score.score(TABLE, labels=labels) for labels in (KINDS, (KINDS + 1) % 3))
    assert np.median(other) > 5 * np.median(own)


def test_streams_of_dicts_fit_and_score(model):
    part = keras_ae.datasets.load({"x": TABLE, "y": KINDS}).train
    batches = part.batches(64, labels=True)
    score = anomaly.LatentMahalanobis(model).fit(batches)
    np.testing.assert_allclose(score.score(batches), score.score(part.x, labels=part.y), rtol=1e-4)


def test_feature_maps_know_the_inputs(pictures):
    score = anomaly.FeatureKNN(pictures, grid=2, kept=20).fit(IMAGES, labels=CLASSES)
    found = score.score(IMAGES, labels=CLASSES)
    assert not np.allclose(found, score.score(IMAGES, labels=(CLASSES + 1) % 3))
    assert score.contributions(IMAGES[:2], labels=CLASSES[:2]).shape == (2, 8, 8, 1)
    assert pictures.features(IMAGES, labels=CLASSES, layer="conv_1", grid=2).shape[0] == 40


def test_trimming_leaves_out_rows_with_their_inputs(model):
    twin = keras_ae.build(model.spec, seed=0)
    strange = np.concatenate([TABLE[:90], 3 * np.ones((10, 5), "float32") * [1, 1, -1, 1, 1]]).astype("float32")
    labels = np.concatenate([KINDS[:90], np.zeros(10, int)])
    kept = anomaly.fit_trimmed(twin, strange, share=0.1, rounds=1, labels=labels, epochs=10, **QUIET)
    assert kept[:90].mean() > kept[90:].mean()


# Priors


def test_an_ex_post_prior_takes_inputs_to_fit_and_to_decode(model):
    prior = priors.GaussianMixture(2).fit(model, TABLE, labels=KINDS)
    drawn = prior.sample(30, seed=0, labels=1)
    np.testing.assert_allclose(drawn, model.decode(prior.draw(30, seed=0), labels=1), atol=1e-6)
    with pytest.raises(ValueError, match="z comes without 'labels'"):
        prior.sample(3)
    with pytest.raises(ValueError, match="x comes without 'labels'"):
        priors.GaussianMixture(2).fit(model, TABLE)
    each = priors.ClassConditional(priors.GaussianMixture(1)).fit(model, TABLE, KINDS, labels=KINDS)
    assert each.sample(4, 2, seed=0, labels=2).shape == (4, 5)


@pytest.mark.parametrize("prior", [None, ConditionalPrior()])
def test_a_mixture_goes_into_the_model(prior):
    to = ("encoder", "decoder", *(["prior"] if prior else []))
    inputs = (Labels(3, to=to), *([Condition(1, to=("prior",))] if prior else []))
    spec = Spec((5,), (Dense(8),), Gaussian(2, prior), "gaussian", inputs=inputs)
    model, doses = keras_ae.build(spec, seed=0), {"condition": np.zeros(300)} if prior else {}
    mixture = priors.GaussianMixture(2).fit(model, TABLE, labels=KINDS, **doses)
    better = mixture.into_model()
    assert better.spec.inputs == (Labels(3),)
    assert better.spec.code.prior == MixturePrior(2, covariance="full")
    np.testing.assert_allclose(
        better.encode(TABLE, labels=KINDS), model.encode(TABLE, labels=KINDS, **doses), atol=1e-5
    )
    assert better.sample(3, labels=1).shape == (3, 5)


# scikit-learn


@pytest.fixture(scope="module")
def transformer():
    estimator = AutoencoderTransformer(
        "cvae", latent_dim=1, epochs=60, batch_size=32, validation_fraction=0.0, random_state=0
    )
    return estimator.fit(TABLE, labels=KINDS)


def test_an_estimator_counts_the_classes_and_takes_them_everywhere(transformer):
    assert transformer.model_.spec.inputs == (Labels(3),)
    codes = transformer.transform(TABLE, labels=KINDS)
    rows = transformer.inverse_transform(codes, labels=KINDS)
    assert np.square(rows - TABLE).mean() < 0.2 * TABLE.var()
    assert transformer.score(TABLE, labels=KINDS) > transformer.score(TABLE, labels=(KINDS + 1) % 3)
    for method in ("transform", "score_samples", "score"):
        with pytest.raises(ValueError, match=r"X comes without 'labels'.*Give labels="):
            getattr(transformer, method)(TABLE)
    with pytest.raises(ValueError, match="z comes without 'labels'"):
        transformer.inverse_transform(codes)


def test_an_estimator_goes_to_a_file_and_back(transformer, tmp_path):
    joblib.dump(transformer, tmp_path / "estimator")
    again = joblib.load(tmp_path / "estimator")
    np.testing.assert_array_equal(again.transform(TABLE, labels=KINDS), transformer.transform(TABLE, labels=KINDS))


def test_numbers_and_classes_together():
    doses = RNG.normal(size=(300, 2))
    estimator = AutoencoderTransformer("cvae", latent_dim=1, epochs=1, random_state=0)
    codes = estimator.fit_transform(TABLE, labels=KINDS, condition=doses)
    assert codes.shape == (300, 1)
    assert estimator.model_.spec.inputs == (Labels(3), Condition(2))
    assert estimator.fit(TABLE, condition=doses[:, 0]).model_.spec.inputs == (Condition(1),)


@pytest.mark.slow
def test_metadata_are_routed_through_pipelines_and_searches():
    with sklearn.config_context(enable_metadata_routing=True):
        estimator = AutoencoderTransformer("cvae", latent_dim=1, epochs=2, batch_size=64, random_state=0)
        estimator.set_fit_request(labels=True).set_transform_request(labels=True).set_score_request(labels=True)
        codes = make_pipeline(StandardScaler(), estimator).fit(TABLE, labels=KINDS).transform(TABLE, labels=KINDS)
        assert codes.shape == (300, 1)
        search = GridSearchCV(clone(estimator), {"latent_dim": [1, 2]}, cv=2).fit(TABLE, labels=KINDS)
        assert np.isfinite(search.best_score_)


@pytest.mark.slow
def test_a_detector_and_a_denoiser_take_labels():
    options = {"epochs": 20, "batch_size": 32, "random_state": 0}
    detector = AutoencoderOutlierDetector("cvae", score="whitened_residual", latent_dim=1, **options, robust=True)
    found = detector.fit(TABLE, labels=KINDS).predict(TABLE, labels=KINDS)
    assert (found == -1).mean() == pytest.approx(0.1, abs=0.02)
    assert detector.contributions(TABLE[:3], labels=KINDS[:3]).shape == (3, 5)
    other = detector.score_samples(TABLE, labels=(KINDS + 1) % 3)
    assert np.median(other) < np.median(detector.score_samples(TABLE, labels=KINDS))
    quick = clone(detector).set_params(epochs=1, robust=False)
    assert set(quick.fit_predict(TABLE, labels=KINDS)) == {-1, 1}
    spec = Spec((5,), (Dense(8),), Vector(3), Normal(), corruption=GaussianNoise(0.3), inputs=Labels(3))
    assert Denoiser(spec, **options | {"epochs": 1}).fit_transform(TABLE, labels=KINDS).shape == (300, 5)


@pytest.mark.parametrize(
    "fit, error, sentence",
    [
        (lambda: AutoencoderTransformer("cvae").fit(TABLE), ValueError, "labels and condition are both None"),
        (
            lambda: AutoencoderTransformer().fit(TABLE, labels=KINDS),
            ValueError,
            "X comes with 'labels', which this model",
        ),
        (
            lambda: AutoencoderTransformer("cvae").fit(TABLE, labels=["a"] * 300),
            ValueError,
            "for example with LabelEnc",
        ),
        (lambda: AutoencoderTransformer("cvae").fit(TABLE, labels=KINDS[:9]), ValueError, "300 samples and labels 9"),
        (lambda: AutoencoderTransformer("cvae").fit(TABLE, labels=KINDS - 1), ValueError, "whole numbers from 0 to 1"),
    ],
)
def test_estimators_say_what_is_missing_or_wrong(fit, error, sentence):
    with pytest.raises(error, match=sentence):
        fit()


# Files


ENDINGS = {"tf_saved_model": "", "onnx": ".onnx", "litert": ".tflite", "openvino": ".xml"}
PACKAGES = {"onnx": ("onnx", "onnxruntime", "tf2onnx"), "openvino": ("openvino", "onnx", "tf2onnx")}


@pytest.mark.filterwarnings("ignore:In the future `np.object`:FutureWarning")  # In Keras' patch of tf2onnx.
@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated:UserWarning")
@pytest.mark.parametrize("format", ENDINGS if ON_TENSORFLOW else ("tf_saved_model",))
@pytest.mark.parametrize("part", [None, "encoder", "decoder"] if ON_TENSORFLOW else [None])
def test_files_have_inputs_by_name(format, part, tmp_path):
    if missing := [package for package in PACKAGES.get(format, ()) if not find_spec(package)]:
        pytest.skip(f"not installed: {', '.join(missing)}")
    inputs = (Labels(3), Condition(2, to=("decoder",)))
    model = keras_ae.build(Spec((8, 8, 1), (Conv(4, 4, 2), Flatten(), Dense(8)), Gaussian(2), inputs=inputs), seed=0)
    path = tmp_path / f"file{ENDINGS[format]}"
    model.export(path, format, part=part)
    for count in (1, 5):
        beside = {"labels": CLASSES[:count].astype("int32"), "condition": np.full((count, 2), 0.5, "float32")}
        batch = {"x": IMAGES[:count]} | beside
        z = model.encode(batch)
        given, expected = {
            None: (batch, {"x_hat": model.reconstruct(batch)}),
            "encoder": ({"x": batch["x"], "labels": beside["labels"]}, model.posterior(batch)),
            "decoder": ({"z": z} | beside, {"x_hat": model.decode(z, **beside)}),
        }[part]
        found = exported.run(format, path, given)
        for name, values in expected.items():
            np.testing.assert_allclose(found[name], values, atol=1e-5)


# The others


@pytest.mark.slow
def test_missing_values_are_filled_beside_labels():
    spec = Spec((5,), (Dense(32, "silu"),), Vector(4), Normal(), corruption=Masking(0.3), inputs=Labels(3))
    model = keras_ae.build(spec, seed=0, optimizer=keras.optimizers.Adam(5e-3))
    gaps = np.where(RNG.random(TABLE.shape) < 0.1, np.nan, TABLE)
    filled = imputation.fit_incomplete(model, gaps, rounds=2, labels=KINDS, epochs=30, **QUIET)
    missing = np.isnan(gaps)
    assert np.square(filled - TABLE)[missing].mean() < 0.6 * np.square(TABLE)[missing].mean()
    np.testing.assert_array_equal(filled[~missing], TABLE[~missing])
    with pytest.raises(ValueError, match="x comes without 'labels'"):
        imputation.impute(model, gaps)


def test_a_denoising_model_is_told_labels_too():
    x = RNG.random((40, 12, 12, 1), dtype="float32")  # As wide as the window of SSIM, at least.
    spec = Spec(
        (12, 12, 1), (Flatten(), Dense(8)), Vector(3), Normal(), corruption=GaussianNoise(0.2), inputs=Labels(3)
    )
    model = keras_ae.build(spec, seed=0)
    data = keras_ae.datasets.load((x, CLASSES))
    model.fit(x, labels=CLASSES, **QUIET)
    found = keras_ae.evaluation.measure(model, data.test, data_range=(0, 1), progress=False)
    assert {"psnr_corrupted", "psnr_denoised", "psnr_0.25"} <= set(found)


def test_a_classifier_begins_as_an_encoder_of_x_alone(model):
    with pytest.raises(ValueError, match=r"The encoder of this model takes Labels\(3\) beside x.*to=\(\"decoder\",\)"):
        keras_ae.fine_tuning.classifier(model, classes=3)
    spec = Spec(
        (5,), (Dense(8),), Gaussian(2, ConditionalPrior()), "gaussian", inputs=Labels(3, to=("decoder", "prior"))
    )
    whole = keras_ae.build(spec, seed=0)
    classifier = keras_ae.fine_tuning.classifier(whole, classes=3, seed=0)
    classifier.fit(TABLE, KINDS, epochs=1, verbose=0)
    assert classifier.labels(TABLE).shape == (300,)
    parts = keras_ae.datasets.load({"x": TABLE}).train
    assert len(classifier.labels(parts.batches(64))) == len(parts)


def test_neighbours_meet_with_what_stands_beside_them():
    spec = Spec((5,), (Dense(8),), Vector(2), Normal(), objective=keras_ae.NeighbourEmbedding(), inputs=Labels(3))
    batches = NeighbourBatches({"x": TABLE, "labels": KINDS}, 32)
    (batch,) = batches[0]
    rows = [int(np.flatnonzero((row == TABLE).all(axis=1))[0]) for row in batch["x"]]
    np.testing.assert_array_equal(batch["labels"], KINDS[rows])
    assert np.isfinite(keras_ae.build(spec, seed=0).fit(batches, verbose=0).history["loss"][0])


def test_a_network_of_convolutions_with_inputs_takes_other_sides():
    encoder = (Conv(4, 4, 2), Flatten())
    decoder = (keras_ae.Reshape((4, 4, 4)), keras_ae.Deconv(1, 4, 2, "linear"))
    spec = Spec((8, 8, 1), encoder, Identity(64), decoder=decoder, inputs=Labels(3, to=("encoder",)))
    model = keras_ae.build(spec, seed=0)
    wide = model.resized((12, 16, 1))
    x = RNG.random((2, 12, 16, 1), dtype="float32")
    assert wide.reconstruct(x, labels=[0, 1]).shape == x.shape
    assert not np.allclose(wide.reconstruct(x, labels=0), wide.reconstruct(x, labels=2))


def test_callbacks_look_at_models_with_inputs(tmp_path):
    spec = Spec((8, 8, 1), (Flatten(), Dense(8)), Gaussian(2), inputs=(Labels(3), Condition(1)))
    model, doses = keras_ae.build(spec, seed=0), np.zeros((40, 1), "float32")
    batch = {"x": IMAGES, "labels": CLASSES, "condition": doses}
    watch = [
        callbacks.CollapseMonitor(batch, verbose=0),
        callbacks.ReconstructionVisualizer(batch, folder=tmp_path),
        callbacks.LatentVisualizer(batch, CLASSES, folder=tmp_path, grid=3),
        callbacks.SampleVisualizer(folder=tmp_path, n=4, condition=0.5, gif=True),
    ]
    logs = model.fit(batch, epochs=2, callbacks=watch, **QUIET).history
    assert "active_units" in logs
    kinds = ("reconstructions", "latents", "latent-grid", "samples")
    assert {f"{kind}-0002.png" for kind in kinds} <= {path.name for path in tmp_path.iterdir()}
    assert (tmp_path / "samples.gif").exists()
    with pytest.raises(ValueError, match=r"x holds 40 examples and 'labels' of shape \(3,\) beside them"):
        callbacks.CollapseMonitor(batch | {"labels": CLASSES[:3]})
    with pytest.raises(ValueError, match="comes without 'condition'"):
        model.fit(batch, callbacks=callbacks.SampleVisualizer(folder=tmp_path), **QUIET)


def test_speech_in_blocks_has_no_labels():
    spec = keras_ae.spec("conv_denoising_ae", input_shape=(64, 64, 1))
    inputs = Labels(3, to=("encoder",))
    model = keras_ae.build(Spec(spec.input_shape, spec.encoder, spec.code, decoder=spec.decoder_rows, inputs=inputs))
    with pytest.raises(ValueError, match="x comes without 'labels'"):
        keras_ae.audio.denoise(model, RNG.normal(size=8000).astype("float32"))
