"""Tables: RMSE of what each method puts where values are missing, on scikit-learn's sets."""

import classical
import numpy as np
from denoising_rows import shown, table, timed
from sklearn import datasets
from sklearn.model_selection import train_test_split

import keras_ae
from keras_ae import Dense, MissingValues, Spec, Vector, corrupted, imputation

SETS = {
    "breast cancer": datasets.load_breast_cancer,
    "wine": datasets.load_wine,
    "diabetes": datasets.load_diabetes,
}
MISSING, EPOCHS, ROUNDS = 0.2, 60, 3
OURS = "**denoising autoencoder**"


def of_seed(small: bool, name: str, seed: int) -> dict:
    """Return the RMSE of each method on the missing values of a set's test part."""
    x = SETS[name](return_X_y=True)[0]
    parts = train_test_split(x, test_size=0.3, random_state=seed)
    train, test = (corrupted(part, MissingValues(MISSING, "nan"), seed=seed) for part in parts)
    mean, scale = np.nanmean(train, axis=0), np.nanstd(train, axis=0)
    train, test, truth = (train - mean) / scale, (test - mean) / scale, (parts[1] - mean) / scale
    estimates = {title: one.fit(train).transform(test) for title, one in classical.imputers().items()}
    columns = x.shape[1]
    spec = Spec((columns,), (Dense(128, "silu"),), Vector(columns), "gaussian", corruption=MissingValues(0.3))
    model = keras_ae.build(spec, seed=seed)
    epochs = 2 if small else EPOCHS
    imputation.fit_incomplete(model, train, rounds=ROUNDS, epochs=epochs, batch_size=32, verbose=0)
    estimates[OURS] = imputation.impute(model, test)
    missing = np.isnan(test)
    return {title: float(np.sqrt(np.mean(np.square((one - truth)[missing])))) for title, one in estimates.items()}


def section(arguments, kept) -> tuple[list[str], float]:
    """Measure what is not kept; return the lines of the section, and the seconds that it took."""
    found = {
        name: [
            kept.get(f"tables/{name}/{seed}", timed, of_seed, arguments.small, name, seed) for seed in arguments.seeds
        ]
        for name in SETS
    }
    titles = [*classical.imputers(), OURS]
    cells = {title: [shown([one[title] for one in numbers], 3) for numbers in found.values()] for title in titles}
    lines = [
        "## Tables",
        "",
        "RMSE of the values hidden in the test part, in standard deviations of their columns; seeds of split, holes "
        f"and weights. {MISSING:.0%} of all values are missing completely at random, in the training part (70 %), too. "
        f"Ours: a layer of 128 units and a code of as many as there are columns, {ROUNDS} rounds of {EPOCHS} epochs.",
        "",
        *table("method", SETS, cells),
    ]
    return lines, sum(one["seconds"] for numbers in found.values() for one in numbers)
