"""How `fit` is fastest on each backend: XLA or not, and the way that batches come in.

    python benchmarks/step_defaults.py [--repeats 5] [--images 20000] [--batch 128] [--backends tensorflow jax torch]

The measurement behind `default_jit_compile` in `keras_ae/train_step/`, and behind `fit(x)` taking NumPy arrays as they
are; and, on the dense `vae`, what a callback of batches costs: without one TensorFlow runs several steps in a call
(`ahead_tensorflow.py` there). Writes `results/step_defaults.md`. JAX without XLA runs op by op, and PyTorch's compiler
refuses these transposed convolutions on CPU; both are left out.
"""

import harness


def measure(arguments) -> dict:
    """Return images per second of `fit` for each variant on the backend of this process."""
    import keras

    import keras_ae

    x = harness.images(arguments.images)
    part = keras_ae.datasets.load({"x_train": x, "x_test": x[:10], "x_validation": x[:10]}).train
    feeds = {
        "array": lambda: (x, arguments.batch),
        "Batches": lambda: (part.batches(arguments.batch, shuffle=True), None),
    }
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        data = (
            tf.data.Dataset.from_tensor_slices(x)
            .cache()
            .shuffle(len(x))
            .batch(arguments.batch)
            .prefetch(tf.data.AUTOTUNE)
        )
        feeds["tf.data"] = lambda: (data, None)
    variants = {}
    for jit in (False, True) if keras.backend.backend() == "tensorflow" else (None,):
        for name, feed in feeds.items():
            model = keras_ae.build("conv_vae", seed=0, jit_compile=jit)

            def epoch(model=model, feed=feed):
                data, batch_size = feed()
                return model.fit(data, batch_size=batch_size, epochs=1, verbose=0).history["loss"][0]

            variants[f"{name}, XLA" if model.jit_compile else name] = epoch
    watch = keras.callbacks.LambdaCallback(on_train_batch_begin=lambda batch, logs=None: None)
    for name, callbacks in (("`vae`, array", None), ("`vae`, array, a callback of batches", watch)):
        model = keras_ae.build("vae", seed=0)

        def dense_epoch(model=model, callbacks=callbacks):
            history = model.fit(x, batch_size=arguments.batch, callbacks=callbacks, verbose=0).history
            return history["loss"][0]

        variants[name] = dense_epoch
    return harness.rates(variants, len(x), arguments.repeats)


def report(results: list[dict], arguments) -> str:
    """Return the table as Markdown."""
    where = f"{harness.where(arguments)} The last two rows of each backend: the dense `vae`."
    lines = ["# The defaults of a step", "", where, ""]
    lines += ["| backend | variant | images/s | versions |", "|---|---|---|---|"]
    for result in results:
        for name, values in result["rates"].items():
            lines.append(
                f"| {result['backend']} | {name} | {harness.shown(values)} | {harness.named(result['versions'])} |"
            )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    options = harness.parser(__doc__.splitlines()[0]).parse_args()
    harness.run(measure, lambda results: report(results, options), options, "step_defaults.md")
