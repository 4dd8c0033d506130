"""What the checks of the data cost: `fit` with them and without them, side by side, on each backend that is installed.

    python benchmarks/check_cost.py [--repeats 15] [--images 8192] [--backends tensorflow jax torch]

Both train the same network on the same images in this process, a fit of three short epochs in turn. "Without" replaces
the check of arrays, and of every batch of a stream, by nothing. Two networks (a dense `vae` with one hidden layer of
400, and `conv_vae`), batches of 128 and 1,024, three forms: an array, a `tf.data.Dataset` and a
`keras.utils.PyDataset`.
Writes `results/check_cost.md`.
"""

import statistics
from contextlib import ExitStack, contextmanager
from itertools import product
from operator import truediv
from unittest import mock

import harness

FLOOR = 0.98
BATCHES = (128, 1024)
EPOCHS = 3


@contextmanager
def unchecked():
    """Train on what comes, as it comes."""
    with ExitStack() as stack:
        for name in ("keras_ae.intake.check_rows", "keras_ae.streams.check_rows"):
            stack.enter_context(mock.patch(name, lambda *arguments, **options: None))
        stack.enter_context(mock.patch("keras_ae.intake.watched", lambda stream, watch, **options: stream))
        yield


def measure(arguments) -> dict:
    """Return images per second with and without checks, by network, batch size and form."""
    import keras
    import tensorflow as tf

    import keras_ae
    from keras_ae import Dense, Flatten, Gaussian, Spec

    x = harness.images(arguments.images)

    class Batches(keras.utils.PyDataset):
        def __init__(self, images, size):
            super().__init__()
            self.images, self.size = images, size

        def __len__(self):
            return len(self.images) // self.size

        def __getitem__(self, index):
            return (self.images[index * self.size : (index + 1) * self.size],)

    forms = {
        "array": lambda images, size: images,
        "tf.data": lambda images, size: tf.data.Dataset.from_tensor_slices(images).batch(size),
        "PyDataset": Batches,
    }
    networks = {
        "MLP": Spec((28, 28, 1), (Flatten(), Dense(400)), Gaussian(20)),
        "conv_vae": keras_ae.spec("conv_vae"),
    }
    found = {}
    for (network, spec), size, (form, make) in product(networks.items(), BATCHES, forms.items()):
        images = x if network == "MLP" else x[: max(len(x) // 4, 2 * size)]
        images = images[: len(images) // size * size]  # Whole batches, so that each step is like the others.
        data, options = make(images, size), {"batch_size": size} if form == "array" else {}

        def fit(model, data=data, options=options):
            return float(model.fit(data, epochs=EPOCHS, verbose=0, **options).history["loss"][-1])

        def bare(model, fit=fit):
            with unchecked():
                return fit(model)

        models = [keras_ae.build(spec, seed=0) for _ in range(2)]
        variants = {
            "with": lambda models=models, fit=fit: fit(models[0]),
            "without": lambda models=models, bare=bare: bare(models[1]),
        }
        rates = harness.rates(variants, EPOCHS * len(images), arguments.repeats)["rates"]
        found[f"{network}, {size:,}, {form}"] = rates
    return {"found": found}


def report(results: list[dict], arguments) -> str:
    """Return the table as Markdown."""
    lines = [
        "# What the checks of the data cost",
        "",
        f"`python benchmarks/check_cost.py --repeats {arguments.repeats} --images {arguments.images}`: images per "
        f"second of `fit` with and without checks, medians over fits of {EPOCHS} epochs (least to most), one of each "
        f"in turn. The ratio is the median over the pairs; its floor is {FLOOR}. An array is read through once a "
        "`fit`, and a longer one pays no more.",
        "",
        "| backend | network, batch, form | with | without | ratio |",
        "|---|---|---|---|---|",
    ]
    for result in results:
        for name, rates in result["found"].items():
            ratio = statistics.median(map(truediv, rates["with"], rates["without"]))
            cells = (result["backend"], name, harness.shown(rates["with"]), harness.shown(rates["without"]))
            lines.append(f"| {' | '.join(cells)} | {ratio:.3f} |")
    lines += ["", "; ".join(harness.named(result["versions"]) for result in results) + "."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    options = harness.parser(__doc__.splitlines()[0]).parse_args()
    harness.run(measure, lambda results: report(results, options), options, "check_cost.md")
