"""scikit-learn's own checks of the estimators: some at every run, all of them by `pytest -m slow`."""

import pytest
from sklearn.base import clone
from sklearn.utils import estimator_checks
from sklearn.utils.estimator_checks import parametrize_with_checks

from keras_ae.estimators import AutoencoderOutlierDetector, AutoencoderTransformer, Denoiser

TINY = {"epochs": 1, "validation_fraction": 0, "random_state": 0, "model_params": {"width": 4}}
ESTIMATORS = [AutoencoderTransformer(**TINY), AutoencoderOutlierDetector(**TINY), Denoiser(**TINY)]
QUICK = (
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_get_params_invariance",
    "check_no_attributes_set_in_init",
    "check_parameters_default_constructible",
    "check_set_params",
    "check_estimators_unfitted",
    "check_fit2d_1sample",
    "check_n_features_in",
)


def not_passed(estimator):
    """Return which checks are not passed and why.

    An outlier detector has no `score(X, y)`. Ours has a parameter of that name, the score it detects by, and these
    checks call what has the name, whatever it is.
    """
    why = "`score` is a parameter of the detector, and the check calls it as a method"
    checks = ("check_fit_score_takes_y", "check_n_features_in_after_fitting", "check_pipeline_consistency")
    return dict.fromkeys(checks, why) if isinstance(estimator, AutoencoderOutlierDetector) else {}


@pytest.mark.parametrize("check", QUICK)
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda estimator: type(estimator).__name__)
def test_quick_checks_of_scikit_learn(estimator, check):
    getattr(estimator_checks, check)(type(estimator).__name__, clone(estimator))


@pytest.mark.slow
@parametrize_with_checks(ESTIMATORS, expected_failed_checks=not_passed, xfail_strict=True)
def test_scikit_learn(estimator, check):
    check(estimator)
