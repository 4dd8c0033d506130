import os
import re
import subprocess
import sys

import keras
import pytest


def searched(root, recipe, out):
    """Run a recipe's smoke search in a process of its own and return what it printed."""
    command = [sys.executable, root / "recipes" / f"{recipe}.py", "--smoke", "--out", out]
    environment = os.environ | {"KERAS_BACKEND": keras.backend.backend()}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("recipe", "needs"),
    [("tune_optuna", ["optuna"]), ("tune_keras_tuner", ["keras_tuner", "tensorboard"])],
)
def test_a_search_reports_its_best_trial_and_goes_on_where_it_was(tmp_path, request, recipe, needs):
    for package in needs:
        if subprocess.run([sys.executable, "-c", f"import {package}"], capture_output=True).returncode:
            pytest.skip(f"{package} is not installed: pip install 'keras-ae[tune]'")
    first = searched(request.config.rootpath, recipe, tmp_path)
    assert re.search(r"best of 2 trials.*'learning_rate': [\d.e-]+\}, validation -ELBO \d+\.\d\d", first)
    best, test = first.splitlines()[-2:]
    assert re.fullmatch(r"test -ELBO \d+\.\d\d nats", test)
    again = searched(request.config.rootpath, recipe, tmp_path)
    assert again.splitlines()[-2:] == [best, test]
