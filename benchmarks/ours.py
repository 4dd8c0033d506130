"""keras_ae in the speed benchmark, on the backend of KERAS_BACKEND, driven over a pipe: see `speed.py`."""

import importlib
import time
from functools import partial

import keras
import loops
import numpy as np
from networks import LEARNING_RATE, NETWORKS
from pipe import repeated, serve

import keras_ae


def built(network, dtype: str | None = None):
    """Return a network's model, compiled with Adam."""
    optimizer = keras.optimizers.Adam(LEARNING_RATE)
    return keras_ae.build(network.spec, optimizer=optimizer, dtype=dtype, seed=0)


def makers(network, x: str, batch: int) -> dict:
    """Return functions that train for some epochs and return the last one's mean loss, by name."""
    keras.utils.set_random_seed(0)
    images = np.load(x)

    def fit(model):
        return lambda epochs: model.fit(images, batch_size=batch, epochs=epochs, verbose=0).history["loss"][-1]

    def bare(fused):
        other = built(network)
        # Keras' Adam as it comes, or the one that keras_ae lets take a single pass over the weights.
        optimizer = other.optimizer if fused else keras.optimizers.Adam(LEARNING_RATE)
        optimizer.build(other.trainable_variables)
        return repeated(loops.bare(other, optimizer, images, batch))

    found = {"fit": fit(built(network)), "bare": bare(fused=False)}
    if keras.backend.backend() != "jax":  # XLA makes one pass of it by itself.
        found["bare, fused Adam"] = bare(fused=True)
    found["keras.io"] = loops.keras_io(built(network), images, batch, LEARNING_RATE)
    if keras.backend.backend() != "jax":  # XLA is slower under this policy on CPU.
        found["mixed_bfloat16"] = fit(built(network, "mixed_bfloat16"))
    return found


def times_to(network, train: str, test: str, batch: int, targets: list[float], started: float, seed: int) -> list:
    """Train until -ELBO on test, after each epoch, is at the last target; return seconds and epochs to each."""
    keras.utils.set_random_seed(seed)
    model, x, held_out, found = built(network), np.load(train), np.load(test), []

    class Targets(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            loss = float(model.evaluate(held_out, batch_size=len(held_out), verbose=0, return_dict=True)["loss"])
            while len(found) < len(targets) and loss <= targets[len(found)]:
                found.append((time.time() - started, epoch + 1))
            model.stop_training = len(found) == len(targets)

    model.fit(x, batch_size=batch, epochs=200, verbose=0, callbacks=Targets())
    return found


def rate(function, count: int, repeats: int = 5, *, best: bool = False) -> float:
    """Return how many of `count` a second the function does, the median, or best, of some calls after the first."""
    function()
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - started)
    return count / float(min(seconds) if best else np.median(seconds))


def kernels(network, batch: int, draws: int = 8) -> float:
    """Return images per second if a step were its products and convolutions alone, one after the other.

    TensorFlow only. Each is timed over several random inputs in one call of a graph. Nothing needs the gradient by the
    image.
    """
    import tensorflow as tf

    def timed(way, *inputs) -> float:
        def in_turn():
            found = []
            for number in range(draws):
                with tf.control_dependencies(found[-1:]):
                    found.append(way(*(each[number] for each in inputs)))
            return found

        return 1 / rate(tf.function(in_turn, autograph=False), draws)

    model, seconds = built(network), 0.0
    layers = [
        layer for part in (model.encoder, model.decoder_logits) for layer in part.layers if hasattr(layer, "kernel")
    ]
    with model.fitting([], None):  # Memory is kept as it is there.
        for layer in layers:
            layer.activation = keras.activations.linear
            sides = [[(batch, *side.shape[1:])] * draws for side in (layer.input, layer.output)]
            x, above = ([tf.random.normal(shape) for shape in shapes] for shapes in sides)

            def gradient(x, above, *, by_kernel, layer=layer):
                with tf.GradientTape() as tape:
                    tape.watch(x)
                    values = layer(x)
                return tape.gradient(values, layer.kernel.value if by_kernel else x, above)

            seconds += timed(layer, x) + timed(partial(gradient, by_kernel=True), x, above)
            if layer is not layers[0]:
                seconds += timed(partial(gradient, by_kernel=False), x, above)
    return batch / seconds


def inference(network, x: str) -> dict:
    """Return images per second of what a trained model is for."""
    model, images = built(network), np.load(x)
    functions = {
        "encode": lambda: model.encode(images),
        "reconstruct": lambda: model.reconstruct(images),
        "sample": lambda: model.sample(len(images), seed=0),
    }
    return {name: rate(function, len(images)) for name, function in functions.items()}


def nll_rate(network, x: str, samples: int, count: int) -> float:
    """Return images per second of `log_likelihood`."""
    model, images = built(network), np.load(x)[:count]
    return rate(lambda: model.log_likelihood(images, num_samples=samples), count, repeats=1)


def build_seconds() -> float:
    """Return the seconds of a warm `build("conv_vae")`."""
    return 1 / rate(lambda: keras_ae.build("conv_vae"), 1)


def growth(kind: str, value: int, x: str) -> dict:
    """Return seconds and images a second of an epoch of a `conv_vae`, or of an `mlp` for rows, one size changed."""
    options, batch_size, count = {"input_shape": (28, 28, 1), "latent_dim": 16}, 128, 4096
    if kind == "latent_dim":
        options["latent_dim"] = value
    elif kind == "image side":
        options["input_shape"], count = (value, value, 1), max(256, 4096 * 28**2 // value**2)
    elif kind == "batch size":
        batch_size = value
    digits = np.load(x)
    if kind == "rows":
        images = np.resize((digits * 255).astype("uint8"), (value, *digits.shape[1:]))
        model = built(NETWORKS["mlp, MNIST"])
        batch_size = 1024
    else:
        side = options["input_shape"][0]
        images = np.resize(digits, (count, side, side, 1))
        model = keras_ae.build("conv_vae", seed=0, **options)
    fastest = rate(lambda: model.fit(images, batch_size=batch_size, verbose=0), len(images), repeats=3, best=True)
    return {"seconds": len(images) / fastest, "rate": fastest}


if __name__ == "__main__":
    backend = keras.backend.backend()
    versions = {"keras": keras.version(), backend: importlib.import_module(backend).__version__}
    answers = {"inference": inference, "nll": nll_rate, "growth": growth, "times to": times_to, "build": build_seconds}
    answers["kernels"] = kernels
    serve(versions, makers, answers)
