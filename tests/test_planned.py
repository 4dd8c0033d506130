"""What is asked for and has no home yet: messages name the way today, and that way works."""

import numpy as np
import pytest

import keras_ae

NAMES = {
    "cvae": "one-hot columns",
    "conditional_vae": "one-hot columns",
    "topk_sae": "'sparse_ae'",
    "lstm_ae": "input_shape=",
    "vq_vae": "'conv_vae'",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_model_that_is_planned_names_the_way_today(name):
    for ask in (keras_ae.spec, keras_ae.build, keras_ae.describe):
        with pytest.raises(ValueError, match=rf"^Unknown model '{name}'\. .* planned; today .*{NAMES[name]}"):
            ask(name)


@pytest.mark.parametrize("option", ["labels", "num_classes", "top_k"])
def test_an_option_that_is_planned_names_the_way_today(option):
    with pytest.raises(ValueError, match=rf"no option '{option}'\. .* planned; today .* It takes input_shape"):
        keras_ae.build("vae", **{option: 10})


@pytest.mark.parametrize("shape", [[(28, 28, 1), (10,)], ((8,), (8,)), {"image": (28, 28, 1)}], ids=str)
def test_several_inputs_name_the_way_today(shape):
    with pytest.raises(ValueError, match=r"more than one shape\. Several inputs are planned; today join them"):
        keras_ae.build("ae", input_shape=shape)


def test_other_unknown_names_are_answered_as_before():
    with pytest.raises(ValueError, match=r"^Unknown model 'conv_va'\. Did you mean 'conv_vae'\?"):
        keras_ae.build("conv_va")
    with pytest.raises(ValueError, match=r"no option 'width'\. It takes input_shape"):
        keras_ae.build("vae", width=3)


def test_the_ways_are_ways():
    x = np.random.default_rng(0).random((8, 16, 2)).astype("float32")
    assert keras_ae.build("conv_ae", input_shape=(16, 2)).reconstruct(x).shape == x.shape
