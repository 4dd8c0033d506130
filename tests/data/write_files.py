"""Write the files of version 0.1.0 that every later version must read: `python write_files.py`, run by that version.

Beside this file come, of small models trained for a few steps, `NAME.spec.json`, `NAME.weights.h5` and `NAME.keras`,
`run/`, a run that was cut off after one of its three epochs, and `expected.npz`: inputs, and what the models made of
them.
"""

import shutil
from pathlib import Path

import numpy as np

import keras_ae
from keras_ae import (
    Conv,
    Dense,
    Flatten,
    Gaussian,
    Identity,
    Masking,
    MixturePrior,
    Neighbours,
    Norm,
    Normal,
    Pool,
    Ramp,
    Reshape,
    Sparse,
    Spec,
    Upsample,
    Vector,
    checkpoints,
    runs,
)

HERE = Path(__file__).parent
IMAGE, ROW = (8, 8, 2), (6,)
PICTURE = (Conv(3, kernel=4, stride=2), Norm("batch"), Flatten(), Dense(5))
SPECS = {
    "ae": Spec(IMAGE, PICTURE, Vector(3, "tanh"), "gaussian"),
    "tied_ae": Spec(ROW, (Dense(5),), Vector(2), "gaussian", tied=True),
    "denoising_ae": Spec(
        IMAGE,
        (Conv(2), Flatten()),
        Identity(128),
        "gaussian",
        (Reshape((8, 8, 2)), Conv(2, 3, 1, "linear")),
        Masking(0.3),
    ),
    "vae": Spec(IMAGE, PICTURE, Gaussian(3, Ramp(0.0, 2.0, steps=4), MixturePrior(4)), Normal("global")),
    "sparse_ae": Spec(IMAGE, PICTURE, Sparse(6, "l1", Ramp(0.1, 0.3, steps=4)), "gaussian"),
    "sparse_ae_kl": Spec(ROW, (), Sparse(7, "kl", 0.5, rho=0.2), "gaussian"),
    "pixel_ae": Spec(IMAGE, PICTURE, Vector(3), "gaussian_pixel"),
    "grey_vae": Spec(IMAGE, PICTURE, Gaussian(3), "discretized_logistic"),
    "neighbour_ae": Spec(ROW, (Dense(5),), Neighbours(2, 30.0, count=2), "gaussian"),
}
RUN = Spec(
    (28, 28, 1),
    (Pool(4), Flatten(), Dense(8)),
    Gaussian(2, Ramp(0.0, 1.0, steps=6)),
    "bernoulli",
    (Dense(49), Reshape((7, 7, 1)), Upsample(4), Conv(1, activation="linear")),
)


def write_models() -> dict[str, np.ndarray]:
    """Write spec, weights and model of every spec, and return what each made of its samples."""
    rng = np.random.default_rng(0)
    x = {shape: rng.random((16, *shape), dtype="float32") for shape in (IMAGE, ROW)}
    expected = {"images": x[IMAGE], "rows": x[ROW]}
    for name, spec in SPECS.items():
        model = keras_ae.build(spec, seed=1)
        model.fit(x[spec.input_shape], batch_size=4, epochs=3, verbose=0)
        (HERE / f"{name}.spec.json").write_text(spec.to_json())
        model.save_weights(HERE / f"{name}.weights.h5")
        model.save(HERE / f"{name}.keras")
        samples = x[spec.input_shape]
        expected |= {f"{name}/{key}": value for key, value in model.posterior(samples).items()}
        expected[f"{name}/x_hat"] = model.reconstruct(samples)
        expected[f"{name}/score"] = model.score_samples(samples)
        expected[f"{name}/loss"] = np.array(list(trained_on(model, samples).values()))
    return expected


def trained_on(model, samples) -> dict[str, list]:
    """Return the history of two more epochs, which go on from the optimiser's state."""
    return model.fit(samples, batch_size=4, epochs=2, verbose=0, shuffle=False).history


def write_run() -> dict[str, np.ndarray]:
    """Write a run that was cut off after its first epoch, and return what it would have come to."""
    (HERE / "run.json").write_text(RUN.to_json())
    settings = runs.Settings(model="run.json", epochs=3, smoke=True)
    spec = Spec.from_file(HERE / "run.json")
    (HERE / "run.json").unlink()
    kept = checkpoints.KeepState.on_epoch_end

    def keep_and_stop(self, epoch, logs=None):
        kept(self, epoch, logs)
        raise KeyboardInterrupt

    checkpoints.KeepState.on_epoch_end = keep_and_stop
    shutil.rmtree(HERE / "run", ignore_errors=True)
    run, data = runs.start(settings, HERE / "run", spec)
    try:
        run.train(data, verbose=0)
    except KeyboardInterrupt:
        checkpoints.KeepState.on_epoch_end = kept
    shutil.rmtree(run.pictures)
    whole = HERE / "whole"
    shutil.copytree(run.folder, whole)
    run, data = runs.resume(settings, whole)
    run.report(run.train(data, verbose=0), data)
    found = {"run/history": np.array([list(row.values()) for row in run.rows()], dtype="float64")}
    shutil.rmtree(whole)
    return found


if __name__ == "__main__":
    np.savez_compressed(HERE / "expected.npz", **write_models(), **write_run())
