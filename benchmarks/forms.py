"""What comes of data in every form, on each backend that is installed: taken, or the sentence that it gets.

    python benchmarks/forms.py [--backends tensorflow jax torch]

Good data in every form go through `fit`, `validation_data`, `encode`, an anomaly score and an estimator; what comes out
is compared with what the array gives, to 1e-5. Then data with one value outside the likelihood's range, in a later
batch: what `fit` says. Writes `docs/forms.md`.
"""

import argparse
import contextlib
import io
import os
import tempfile
import warnings

import harness
import numpy as np

COLUMNS = list("abcdef")


def forms() -> dict:
    """Return what makes each form of an array (40, 6)."""
    import h5py
    import keras
    import pandas as pd
    import polars as pl
    import scipy.sparse
    import tensorflow as tf

    class Batches(keras.utils.PyDataset):
        def __init__(self, *arrays):
            super().__init__()
            self.arrays = arrays

        def __len__(self):
            return 5

        def __getitem__(self, index):
            return tuple(array[index * 8 : index * 8 + 8] for array in self.arrays)

    def mapped(x):
        path = os.path.join(tempfile.mkdtemp(), "x.npy")
        np.save(path, x)
        return np.load(path, mmap_mode="r")

    def batches(x):
        return (x[start : start + 8] for start in range(0, len(x), 8))

    def labelled(x):
        return tf.data.Dataset.from_tensor_slices((x, np.zeros(len(x), "int64"))).batch(8)

    found = {
        "NumPy array": lambda x: x,
        "memory-mapped array": mapped,
        "list of arrays": list,
        "nested lists": lambda x: x.tolist(),
        "pandas frame": lambda x: pd.DataFrame(x, columns=COLUMNS),
        "polars frame": lambda x: pl.DataFrame(x, schema=COLUMNS),
        "SciPy sparse matrix": scipy.sparse.csr_matrix,
        "h5py data set": lambda x: h5py.File.in_memory().create_dataset("x", data=x),
        "TensorFlow tensor": tf.constant,
        "tensor of the backend": keras.ops.convert_to_tensor,
        "tf.data, arrays": lambda x: tf.data.Dataset.from_tensor_slices(x).batch(8),
        "tf.data, (x, x)": lambda x: tf.data.Dataset.from_tensor_slices((x, x)).batch(8),
        "tf.data, (x, label)": labelled,
        "tf.data, dicts": lambda x: tf.data.Dataset.from_tensor_slices({"image": x, "label": x[:, 0]}).batch(8),
        "tf.data, unknown shapes": lambda x: tf.data.Dataset.from_generator(
            lambda: batches(x), output_signature=tf.TensorSpec(None, tf.float32)
        ),
        "tf.data, endless": lambda x: tf.data.Dataset.from_tensor_slices(x).batch(8).repeat(),
        "PyDataset": Batches,
        "PyDataset, (x, x, weight)": lambda x: Batches(x, x, np.ones(len(x), "float32")),
        "generator": batches,
        "generator of (x, label)": lambda x: ((batch, np.zeros(len(batch))) for batch in batches(x)),
    }
    with contextlib.suppress(ImportError):
        import torch
        from torch.utils.data import DataLoader, TensorDataset

        found["PyTorch tensor"] = torch.as_tensor
        found["DataLoader"] = lambda x: DataLoader(TensorDataset(torch.as_tensor(x)), batch_size=8)
    return found


def measure(_) -> dict:
    """Return a table, form by column, of what came of it on the backend of this process."""
    import keras_ae
    from keras_ae import Dense, Spec, Vector
    from keras_ae.estimators import AutoencoderTransformer

    warnings.simplefilter("ignore")
    x = np.random.default_rng(0).random((40, 6)).astype("float32")
    bad = x.copy()
    bad[29, 4] = 255
    spec = Spec((6,), (Dense(4),), Vector(2), "bernoulli")

    def size(data):
        return {} if keras_ae.streams.is_stream(data) else {"batch_size": 8}

    def fit(data):
        model = keras_ae.build(spec, seed=0)
        model.fit(data, shuffle=False, verbose=0, **size(data))
        return model.encode(x)

    def validation(data):
        options = {"validation_data": data, "validation_batch_size": 8}
        return keras_ae.build(spec, seed=0).fit(x, batch_size=8, verbose=0, **options).history["val_loss"]

    def estimator(data):
        options = {"latent_dim": 2, "epochs": 1, "random_state": 0}
        return AutoencoderTransformer(**options).fit(data).transform(x)

    model = keras_ae.build(spec, seed=0)
    score = keras_ae.anomaly.ReconstructionError(model).fit(x)
    columns = {
        "fit": fit,
        "validation": validation,
        "encode": model.encode,
        "score": score.score,
        "estimator": estimator,
    }
    expected = {column: np.asarray(function(x)) for column, function in columns.items()}
    table = {}
    for form, make in forms().items():
        table[form] = {column: came_of(function, make(x), expected[column]) for column, function in columns.items()}
        table[form]["bad value"] = came_of(fit, make(bad), None)
    return {"table": table}


def came_of(function, data, expected) -> str:
    """Return "taken", or what was raised; "OTHER VALUES" where the result is not that of the array."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            found = np.asarray(function(data))
    except (ValueError, TypeError) as error:
        return str(error).splitlines()[0]
    if expected is None:
        return "TRAINED"
    return "taken" if np.allclose(found, expected, atol=1e-5) else "OTHER VALUES"


def report(results: list[dict]) -> str:
    """Return the page as Markdown: one table of all backends, and the sentences below it."""
    sentences = harness.Sentences()

    def cell(text: str) -> str:
        if text.isupper() or text == "taken":
            return text
        return sentences.cell(text)

    columns = list(next(iter(results[0]["table"].values())))
    lines = [
        "# Data in every form",
        "",
        "Written by `python benchmarks/forms.py`. The same 40 samples of 6 values in [0, 1] come in every form; "
        "*taken* means that codes, losses or scores are those of the array to 1e-5. In the last column one value "
        "in the fourth batch lies outside the range of the Bernoulli likelihood, and `fit` says so.",
        "",
        "Labels beside samples are left out with one notice. A target that is x itself counts as none. Estimators take "
        "the first part of a batch and hold all rows in memory. Sparse rows and rows in files are read batch by batch.",
        "",
        f"| form | backend | {' | '.join(columns)} |",
        f"|---|---|{'---|' * len(columns)}",
    ]
    by_form = {form: [] for result in results for form in result["table"]}
    for result in results:
        for form, row in result["table"].items():
            by_form[form].append((result["backend"], tuple(cell(text) for text in row.values())))
    for form, rows in by_form.items():
        for cells in dict.fromkeys(cells for _, cells in rows):
            backends = ", ".join(backend for backend, other in rows if other == cells)
            lines.append(f"| {form} | {'all' if backends.count(',') == 2 else backends} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n" + sentences.below(results)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--backends", nargs="*", default=["tensorflow", "jax", "torch"])
    options.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    harness.run(measure, report, options.parse_args(), "../../docs/forms.md")
