"""What is asked for and has no home yet: messages name the way today, and that way works."""

import numpy as np
import pytest

import keras_ae

NAMES = {
    "topk_sae": "'sparse_ae'",
    "lstm_ae": "input_shape=",
}


@pytest.mark.parametrize("name", NAMES)
def test_a_model_that_is_planned_names_the_way_today(name):
    for ask in (keras_ae.spec, keras_ae.build, keras_ae.describe):
        with pytest.raises(ValueError, match=rf"^Unknown model '{name}'\. .* planned; today .*{NAMES[name]}"):
            ask(name)


def test_an_option_that_is_planned_names_the_way_today():
    with pytest.raises(ValueError, match=r"no option 'top_k'\. .* planned; today .* It takes input_shape"):
        keras_ae.build("vae", top_k=10)


@pytest.mark.parametrize("name", ["conditional_vae", "cond_vae"])
def test_a_conditional_model_by_another_name_is_told_its_own(name):
    with pytest.raises(ValueError, match=rf"^Unknown model '{name}'\. Conditional models are 'cvae' and 'conv_cvae'"):
        keras_ae.build(name)


@pytest.mark.parametrize("option", ["num_embeddings", "embedding_dim"])
def test_an_option_that_has_another_name_here_names_it(option):
    with pytest.raises(ValueError, match=rf"no option '{option}'\. The entries of a codebook are codes=.* It takes"):
        keras_ae.build("vq_vae", **{option: 10})


@pytest.mark.parametrize("option", ["labels", "num_classes", "condition"])
def test_an_option_of_conditional_models_names_them(option):
    with pytest.raises(
        ValueError, match=rf"no option '{option}'\. Conditional models are 'cvae'.* It takes input_shape"
    ):
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
