"""The recipe of the shipped weights: what it makes can be loaded, and what is shipped is what it makes."""

import importlib.util

import numpy as np
import pytest

import keras_ae
import keras_ae.cli
from keras_ae.saving import architecture


@pytest.fixture(scope="module")
def recipe(request):
    path = request.config.rootpath / "recipes" / "pretrain.py"
    spec = importlib.util.spec_from_file_location("pretrain", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_what_the_recipe_packs_can_be_loaded(recipe, tmp_path, capsys):
    out, shelf = tmp_path / "run", tmp_path / "shelf"
    recipe.main("vae", "mnist_mini", out=out, shelf=shelf, smoke=True)
    assert "# vae/mnist_mini" in capsys.readouterr().out
    card = keras_ae.card(shelf / "vae-mnist_mini")
    assert card.seed == 0 and card.binarize == "dynamic"
    assert {"mse", "psnr", "ssim", "nll", "kl", "elbo", "iw_nll", "active_units"} == set(card.numbers)
    assert {path.name for path in (shelf / "vae-mnist_mini").glob("*.png")} == {"reconstructions.png", "samples.png"}
    model = keras_ae.build("vae", weights=shelf / "vae-mnist_mini")
    trained = keras_ae.runs.Run.open(out).load_model()
    np.testing.assert_allclose(model.sample(4, seed=0), trained.sample(4, seed=0), atol=2e-3)


def test_a_model_without_a_recipe_is_refused(recipe):
    with pytest.raises(recipe.typer.BadParameter, match="There is no recipe for sparse_ae/mnist"):
        recipe.main("sparse_ae", "mnist")


def test_every_shipped_model_has_the_spec_of_its_recipe(recipe):
    for name in keras_ae.list_weights():
        model, dataset = name.split("/")
        expected = architecture(recipe.RECIPES[name].spec)
        if recipe.RECIPES[name].mixture:
            expected["prior"] = f"MixturePrior({recipe.RECIPES[name].mixture}, covariance='full')"
        assert architecture(keras_ae.build(model, weights=dataset).spec) == expected


def test_every_recipe_says_what_its_model_is_for(recipe):
    models, sets = zip(*(name.split("/") for name in recipe.RECIPES), strict=True)
    assert set(models) == set(recipe.USE)
    assert set(sets) == set(recipe.LIMITS)
    assert set(models) <= set(keras_ae.list_models())


def test_the_readme_has_the_table_of_weights(request, capsys):
    keras_ae.cli.weights(markdown=True)
    table = capsys.readouterr().out
    assert table in (request.config.rootpath / "README.md").read_text()
