"""What the checks of the data cost: `fit` with them and without them, side by side, on each backend that is installed.

    python benchmarks/check_cost.py [--repeats 15] [--images 8000] [--backends tensorflow jax torch]

Both train the same network on the same images in this process, one short epoch in turn. "Without" replaces the check of
arrays, and of every batch of a stream, by nothing. Two networks (a dense `vae` with one hidden layer of 400, and
`conv_vae`), batches of 128 and 1,024, three forms: an array, a `tf.data.Dataset` and a `keras.utils.PyDataset`.
Writes `results/check_cost.md`.
"""

from contextlib import ExitStack, contextmanager
from itertools import product
from unittest import mock

import harness

FLOOR = 0.98
BATCHES = (128, 1024)


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
        def __init__(self, size):
            super().__init__()
            self.size = size

        def __len__(self):
            return -(-len(x) // self.size)

        def __getitem__(self, index):
            return (x[index * self.size : (index + 1) * self.size],)

    forms = {
        "array": lambda size: x,
        "tf.data": lambda size: tf.data.Dataset.from_tensor_slices(x).batch(size),
        "PyDataset": Batches,
    }
    networks = {
        "MLP": Spec((28, 28, 1), (Flatten(), Dense(400)), Gaussian(20)),
        "conv_vae": keras_ae.spec("conv_vae"),
    }
    found = {}
    for (network, spec), size, (form, make) in product(networks.items(), BATCHES, forms.items()):
        images = len(x) if network == "MLP" else max(len(x) // 4, 2 * size)
        data, count = (make(size), len(x)) if form != "array" else (x[:images], images)
        steps = None if form == "array" else max(1, images // size)
        count = count if steps is None else steps * size

        def epoch(model, data=data, size=size, form=form, steps=steps):
            options = {"batch_size": size} if form == "array" else {"steps_per_epoch": steps}
            return float(model.fit(data, epochs=1, verbose=0, **options).history["loss"][0])

        def bare(model, epoch=epoch):
            with unchecked():
                return epoch(model)

        models = [keras_ae.build(spec, seed=0) for _ in range(2)]
        variants = {
            "with": lambda models=models, epoch=epoch: epoch(models[0]),
            "without": lambda models=models, bare=bare: bare(models[1]),
        }
        repeats = arguments.repeats * (3 if network == "MLP" else 1)  # Its epochs are short.
        rates = harness.rates(variants, count, repeats)["rates"]
        found[f"{network}, {size:,}, {form}"] = rates
    return {"found": found}


def report(results: list[dict], arguments) -> str:
    """Return the table as Markdown."""
    lines = [
        "# What the checks of the data cost",
        "",
        f"`python benchmarks/check_cost.py --repeats {arguments.repeats} --images {arguments.images}`: images per "
        "second of `fit` with and without checks, medians over the epochs (least to most), one epoch of each in turn, "
        f"three times as many of the MLP. The ratio is that of the fastest epochs; its floor is {FLOOR}. Medians say "
        "less: on few cores some epochs over a `tf.data.Dataset`, checked or not, take up to twice as long as others. "
        "An array is read through at each call of `fit`, here once an epoch; a longer `fit` pays once for all of them.",
        "",
        "| backend | network, batch, form | with | without | ratio |",
        "|---|---|---|---|---|",
    ]
    for result in results:
        for name, rates in result["found"].items():
            ratio = max(rates["with"]) / max(rates["without"])
            cells = (result["backend"], name, harness.shown(rates["with"]), harness.shown(rates["without"]))
            lines.append(f"| {' | '.join(cells)} | {ratio:.3f} |")
    lines += ["", "; ".join(harness.named(result["versions"]) for result in results) + "."]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    options = harness.parser(__doc__.splitlines()[0]).parse_args()
    harness.run(measure, lambda results: report(results, options), options, "check_cost.md")
