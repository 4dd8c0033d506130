"""What a model takes beside x: labels and conditions by name, in every form of data and every method."""

import inspect
from dataclasses import replace

import keras
import numpy as np
import pandas as pd
import pytest
from keras import ops

import keras_ae
from keras_ae import Condition, Conv, Dense, Flatten, Gaussian, Identity, Labels, Spec, SpecError, Vector
from keras_ae.conditions import Beside

RNG = np.random.default_rng(0)
X = RNG.random((48, 6, 6, 1), dtype="float32")
LABELS, DOSES = RNG.integers(0, 3, 48), RNG.standard_normal((48, 2)).astype("float32")
BATCH = {"x": X, "labels": LABELS, "condition": DOSES}
SPEC = Spec((6, 6, 1), (Flatten(), Dense(16, "silu")), Gaussian(2), inputs=(Labels(3), Condition(2)))
QUIET = {"verbose": 0, "batch_size": 16}


@pytest.fixture(scope="module")
def model():
    model = keras_ae.build(SPEC, seed=0)
    model.fit(X, labels=LABELS, condition=DOSES, **QUIET)
    return model


def stream_of(kind, batches):
    """The batches as a stream of that kind."""
    if kind == "generator":
        return (batch for batch in batches)
    if kind == "PyDataset":

        class Batches(keras.utils.PyDataset):
            def __len__(self):
                return len(batches)

            def __getitem__(self, index):
                return batches[index]

        return Batches()
    if kind == "DataLoader":
        torch = pytest.importorskip("torch")
        rows = [dict(zip(BATCH, values, strict=True)) for values in zip(*BATCH.values(), strict=True)]
        return torch.utils.data.DataLoader(rows, batch_size=16)
    tf = pytest.importorskip("tensorflow")
    return tf.data.Dataset.from_tensor_slices(BATCH).batch(16)


def batches(batch=BATCH):
    """A batch in three."""
    return [{name: value[start : start + 16] for name, value in batch.items()} for start in range(0, 48, 16)]


def test_what_is_beside_x_is_concatenated_at_every_place():
    h = np.arange(8, dtype="float32").reshape(2, 2, 2, 1)
    layer = Beside((Labels(3), Condition(1)))
    found = ops.convert_to_numpy(layer([h, np.array([2, 0]), np.array([[0.5], [-1.0]], "float32")]))
    assert found.shape == (2, 2, 2, 5)
    np.testing.assert_array_equal(found[..., :1], h)
    np.testing.assert_array_equal(found[0, 1, 1, 1:], [0, 0, 1, 0.5])
    np.testing.assert_array_equal(found[1, 0, 1, 1:], [1, 0, 0, -1])
    again = Beside.from_config(layer.get_config())
    assert again.rows == layer.rows


@pytest.mark.parametrize("encoder", [(Conv(4, stride=2), Flatten()), (Flatten(), Dense(8)), (Flatten(),)])
@pytest.mark.parametrize("to", [("encoder",), ("decoder",), ("encoder", "decoder")])
def test_a_spec_counts_the_weights_and_survives_json(encoder, to):
    spec = Spec((6, 6, 1), encoder, Gaussian(2), inputs=Labels(3, to=to))
    assert keras_ae.build(spec, seed=0).count_params() == spec.parameters + len(spec.scheduled)
    assert Spec.from_json(spec.to_json()) == spec
    assert "Labels(3" in str(spec)


def test_a_spec_without_inputs_is_written_as_before():
    assert "inputs" not in keras_ae.spec("vae").to_dict()


@pytest.mark.parametrize(
    "inputs, sentence",
    [
        ((Labels(3), Labels(4)), "differ in name"),
        ((Dense(3),), r"inputs must hold rows such as Labels\(10\)"),
    ],
)
def test_inputs_that_cannot_be_are_refused(inputs, sentence):
    with pytest.raises(SpecError, match=sentence):
        replace(SPEC, inputs=inputs)


def test_inputs_of_a_map_and_of_tied_weights_are_refused():
    with pytest.raises(SpecError, match="is a map"):
        Spec((6, 6, 1), (Flatten(),), Identity(36), decoder=SPEC.decoder_rows, inputs=Labels(3))
    with pytest.raises(SpecError, match=r"Leave tied= or inputs= out"):
        Spec((6, 6, 1), SPEC.encoder, Vector(2), tied=True, inputs=Labels(3))


@pytest.mark.parametrize("field", [{"name": "x"}, {"name": "a b"}, {"to": ()}, {"to": ("posterior",)}])
def test_rows_that_cannot_be_are_refused(field):
    with pytest.raises(SpecError, match="Labels: "):
        Labels(3, **field)


@pytest.mark.parametrize("kind", ["PyDataset", "generator", "tf.data", "DataLoader"])
def test_streams_of_dicts_train_as_arrays_do(kind):
    by_array, by_stream = (keras_ae.build(SPEC, seed=0) for _ in range(2))
    expected = by_array.fit(X, labels=LABELS, condition=DOSES, shuffle=False, **QUIET).history["loss"]
    options = {"steps_per_epoch": 3} if kind == "generator" else {}
    found = by_stream.fit(stream_of(kind, batches()), shuffle=False, verbose=0, **options).history["loss"]
    assert found == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(
        by_stream.encode(stream_of(kind, batches())), by_stream.encode(X, labels=LABELS, condition=DOSES), atol=1e-5
    )


@pytest.mark.parametrize("kind", ["PyDataset", "tf.data", "DataLoader"])
def test_weights_stand_after_labels_in_a_stream(kind):
    spec = replace(SPEC, inputs=Labels(3))
    weights = np.arange(48, dtype="float32")
    by_array, by_stream = (keras_ae.build(spec, seed=0) for _ in range(2))
    expected = by_array.fit(X, labels=LABELS, sample_weight=weights, shuffle=False, **QUIET).history["loss"]
    triple = (X, LABELS, weights)
    if kind == "tf.data":
        stream = pytest.importorskip("tensorflow").data.Dataset.from_tensor_slices(triple).batch(16)
    elif kind == "DataLoader":
        data = pytest.importorskip("torch").utils.data
        stream = data.DataLoader(list(zip(*triple, strict=True)), batch_size=16)
    else:
        cuts = [slice(start, start + 16) for start in range(0, 48, 16)]
        stream = stream_of(kind, [tuple(part[cut] for part in triple) for cut in cuts])
    found = by_stream.fit(stream, shuffle=False, verbose=0).history["loss"]
    assert found == pytest.approx(expected, rel=1e-5)


def test_a_call_with_a_list_is_refused_in_words():
    with pytest.raises(
        TypeError, match=r"takes Labels\(3\) beside x\. Call it with a dict, model\(\{'x': x, 'labels': \.\.\.\}"
    ):
        keras_ae.build(replace(SPEC, inputs=Labels(3)), seed=0)([X, LABELS])


@pytest.mark.parametrize("labels", [pd.Series(list("abc")).astype("category"), pd.Series(list("abc"))])
def test_names_as_labels_are_refused_with_the_way_to_numbers(labels):
    with pytest.raises(
        TypeError, match=r"labels has ('a' in row 0|categories).*np\.unique\(names, return_inverse=True\)"
    ):
        keras_ae.build(SPEC, seed=0).encode(X[:3], labels=labels, condition=DOSES[:3])


def test_labels_are_found_as_tfds_names_them_and_as_the_second_of_a_pair():
    model = keras_ae.build(replace(SPEC, inputs=Labels(3)), seed=0)
    expected = model.evaluate(X[:16], labels=LABELS[:16], return_dict=True, verbose=0)["nll"]
    stream = stream_of("PyDataset", [{"image": X[:16], "label": LABELS[:16]}])
    for data in (({"image": X[:16], "label": LABELS[:16]},), (stream,), (X[:16], LABELS[:16])):
        assert model.evaluate(*data, return_dict=True, verbose=0)["nll"] == pytest.approx(expected, rel=0.02)
    model.fit(X, LABELS, validation_data=(X, LABELS), **QUIET)


def test_validation_split_cuts_inputs_too():
    model = keras_ae.build(SPEC, seed=0)
    history = model.fit(BATCH, validation_split=1 / 3, shuffle=False, **QUIET).history
    held = keras_ae.build(SPEC, seed=0)
    rest, last = ({name: value[part] for name, value in BATCH.items()} for part in (slice(32), slice(32, None)))
    expected = held.fit(rest, validation_data=last, shuffle=False, **QUIET).history
    assert history["loss"] == pytest.approx(expected["loss"], rel=1e-5)
    assert history["val_nll"] == pytest.approx(expected["val_nll"], rel=0.02)


def test_methods_take_inputs_by_name_or_in_a_dict(model):
    named = {"labels": LABELS, "condition": DOSES}
    for method in ("encode", "reconstruct", "features", "reconstruction_error", "score_samples", "predict"):
        options = {"verbose": 0} if method == "predict" else {}
        found = getattr(model, method)(X, **named, **options)
        np.testing.assert_allclose(found, getattr(model, method)(BATCH, **options), atol=1e-6)
    terms = model.elbo_terms(BATCH)
    assert model.score_samples(BATCH).mean() == pytest.approx(-(terms["nll"] + terms["kl"]).mean(), rel=0.02)
    assert (model.log_likelihood(BATCH, num_samples=128) >= model.score_samples(BATCH, num_samples=128) - 1e-3).all()
    assert model.posterior(BATCH)["z_mean"].shape == (48, 2)


def test_inputs_reach_encoder_and_decoder(model):
    other = BATCH | {"labels": (LABELS + 1) % 3}
    assert np.abs(model.encode(other) - model.encode(BATCH)).max() > 1e-4
    z = model.encode(BATCH)
    decoded = model.decode(z, labels=LABELS, condition=DOSES)
    np.testing.assert_allclose(decoded, model.reconstruct(BATCH), atol=1e-6)
    assert np.abs(decoded - model.decode(z, labels=(LABELS + 1) % 3, condition=DOSES)).max() > 1e-4


def test_sample_takes_one_value_for_all_or_one_for_each(model):
    one = model.sample(4, seed=0, labels=2, condition=[0.0, 1.0])
    each = model.sample(4, seed=0, labels=[2, 2, 2, 2], condition=np.tile([0.0, 1.0], (4, 1)))
    np.testing.assert_array_equal(one, each)
    assert one.shape == (4, 6, 6, 1)


@pytest.mark.parametrize(
    "call, error, sentence",
    [
        (lambda m: m.encode(X), ValueError, r"x comes without 'labels'.*Give labels="),
        (lambda m: m.sample(2, labels=1), ValueError, "comes without 'condition'"),
        (lambda m: m.encode(X, labels=LABELS + 1, condition=DOSES), ValueError, "labels has 3 in sample .* 0 to 2"),
        (lambda m: m.encode(X, labels=LABELS + 0.5, condition=DOSES), ValueError, "whole numbers from 0 to 2"),
        (lambda m: m.encode(X, labels=LABELS[:5], condition=DOSES), ValueError, "48 samples and labels 5"),
        (lambda m: m.encode(X, labels=["a"] * 48, condition=DOSES), TypeError, "takes numbers"),
        (lambda m: m.encode(X, labels=LABELS, condition=DOSES[:, :1]), ValueError, r"takes \(n, 2\)"),
        (lambda m: m.encode(X, labels=LABELS, condition=DOSES * np.nan), ValueError, "NaN or inf, first in sample 0"),
        (lambda m: m.encode(BATCH | {"dose": DOSES}), ValueError, "'dose' beside 'x'.*does not take"),
        (lambda m: m.decode(np.zeros((2, 2)), labels=1, condition=[0, 0], dose=1), ValueError, "'dose'"),
        (lambda m: m.fit(stream_of("PyDataset", batches()), labels=LABELS), ValueError, "cannot stand beside a stream"),
        (lambda m: m.fit(stream_of("PyDataset", batches({"x": X}))), ValueError, "comes without 'labels'"),
    ],
)
def test_what_is_missing_or_wrong_is_named(model, call, error, sentence):
    with pytest.raises(error, match=sentence):
        call(model)


def test_a_model_without_inputs_takes_none():
    model = keras_ae.build("vae", input_shape=(6, 6, 1), latent_dim=2, seed=0)
    with pytest.raises(ValueError, match="'labels', which this model does not take"):
        model.sample(2, labels=1)


def test_a_saved_model_goes_on(model, tmp_path):
    model.save(tmp_path / "model.keras")
    again = keras_ae.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again.encode(BATCH), model.encode(BATCH), atol=1e-6)
    again.fit(BATCH, **QUIET)
    fresh = keras_ae.build(SPEC, seed=5)
    model.save_weights(tmp_path / "model.weights.h5")
    fresh.load_weights(tmp_path / "model.weights.h5")
    np.testing.assert_allclose(fresh.reconstruct(BATCH), model.reconstruct(BATCH), atol=1e-6)


def test_uint8_images_are_scaled_and_labels_are_not():
    model = keras_ae.build(replace(SPEC, inputs=Labels(3)), seed=0)
    grey, labels = (X * 255).astype("uint8"), LABELS.astype("uint8")
    found = model.encode(grey, labels=labels)
    np.testing.assert_allclose(found, model.encode(grey.astype("float32") / 255, labels=LABELS), atol=1e-5)
    model.fit(grey, labels=labels, **QUIET)


def test_batches_by_hand_take_dicts(model):
    batch = {name: value[:16] for name, value in BATCH.items()}
    assert np.isfinite(model.train_on_batch(batch, return_dict=True)["loss"])
    assert np.isfinite(model.test_on_batch(batch, return_dict=True)["loss"])
    assert model.predict_on_batch(batch).shape == (16, 6, 6, 1)


def test_no_input_is_called_as_an_argument_of_a_method():
    takers = ("fit", "encode", "features", "reconstruction_error", "log_likelihood", "elbo_terms", "corrupt", "decode")
    takers += ("sample", "sample_each", "interpolate", "attribute_vector", "add_attribute")
    signatures = [inspect.signature(getattr(keras_ae.Autoencoder, taker)) for taker in takers]
    for name in {name for each in signatures for name in each.parameters} - {"inputs", "options"}:
        with pytest.raises(SpecError, match=f"name must be a word that is no argument of a method, got '{name}'"):
            Condition(2, name=name)


def test_a_row_that_does_not_follow_from_x_says_so():
    with pytest.raises(TypeError, match=r"does not follow from x\. Give it by name, labels=\.\.\."):
        Labels(3).derived(np.ones((2, 4)))
