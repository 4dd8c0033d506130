"""`fit` against a bare hand-written loop of the same network, on each backend that is installed.

    python benchmarks/fit_overhead.py [--repeats 7] [--images 20000] [--batch 128] [--backends tensorflow jax torch]

Both train the same `conv_vae` (28x28x1, latent_dim 16) with the same Adam on the same arrays: `fit(x)` as a user calls
it, with its checks, shuffling, metrics and callbacks; and the loop that one writes by hand in the backend, which
shuffles, gathers, steps and keeps a running mean of the loss, nothing more. One epoch of each in turn, the first one
(compilation) left out; medians over the repeats and the spread between them. Writes `results/fit_overhead.md`.
"""

import argparse
import importlib.util
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

RESULTS = Path(__file__).parent / "results" / "fit_overhead.md"
FLOOR = 0.9


def bare_tensorflow(model, x, batch_size):
    """One epoch by `tf.function` and `GradientTape`."""
    import tensorflow as tf

    from keras_ae.divergences import gaussian_kl

    @tf.function
    def step(batch, mean):
        with tf.GradientTape() as tape:
            parameters = model.encoder(batch, training=True)
            z = model.latent(parameters, sample=True)
            nll = model.likelihood.nll(batch, model.decoder(z, training=True))
            loss = tf.reduce_mean(nll + gaussian_kl(parameters["z_mean"], parameters["z_log_var"]))
        variables = model.trainable_variables
        model.optimizer.apply(tape.gradient(loss, variables), variables)
        mean.assign_add(loss)

    mean = tf.Variable(0.0)
    data = tf.data.Dataset.range(len(x)).shuffle(len(x)).batch(batch_size)
    held = tf.constant(x)
    data = data.map(lambda rows: tf.gather(held, rows), num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)

    def epoch():
        mean.assign(0.0)
        for batch in data:
            step(batch, mean)
        return float(mean) / -(-len(x) // batch_size)

    return epoch


def bare_jax(model, x, batch_size):
    """One epoch by `jax.jit` and `jax.value_and_grad` over `stateless_call`."""
    import jax
    import jax.numpy as jnp
    import numpy as np

    from keras_ae.divergences import gaussian_kl

    def loss_of(encoder, decoder, batch, noise):
        parameters, _ = model.encoder.stateless_call(encoder, [], batch, training=True)
        z = parameters["z_mean"] + jnp.exp(0.5 * parameters["z_log_var"]) * noise
        x_logits, _ = model.decoder.stateless_call(decoder, [], z, training=True)
        nll = model.likelihood.nll(batch, x_logits)
        return jnp.mean(nll + gaussian_kl(parameters["z_mean"], parameters["z_log_var"]))

    def step(weights, optimizer, key, batch, mean):
        key, now = jax.random.split(key)
        noise = jax.random.normal(now, (batch.shape[0], model.spec.latent_dim))
        count = len(model.encoder.trainable_variables)

        def loss_of_all(weights):
            return loss_of(weights[:count], weights[count:], batch, noise)

        loss, gradients = jax.value_and_grad(loss_of_all)(weights)
        weights, optimizer = model.optimizer.stateless_apply(optimizer, gradients, weights)
        return weights, optimizer, key, mean + loss

    step = jax.jit(step, donate_argnums=(0, 1))
    # Copies, because the step donates its arguments and the model goes on with its own.
    weights = [jnp.array(v.value) for v in (*model.encoder.trainable_variables, *model.decoder.trainable_variables)]
    state = [weights, [jnp.array(v.value) for v in model.optimizer.variables], jax.random.key(0)]

    def epoch():
        mean, order = jnp.zeros(()), np.random.permutation(len(x))
        for start in range(0, len(x), batch_size):
            *state[:], mean = step(*state, x[order[start : start + batch_size]], mean)
        return float(mean) / -(-len(x) // batch_size)

    return epoch


def bare_torch(model, x, batch_size):
    """One epoch by `backward`, with the model's own optimiser."""
    import numpy as np
    import torch

    from keras_ae.divergences import gaussian_kl

    held = torch.from_numpy(x)

    def epoch():
        mean, order = torch.zeros(()), torch.from_numpy(np.random.permutation(len(x)))
        for start in range(0, len(x), batch_size):
            batch = held[order[start : start + batch_size]]
            model.zero_grad()
            parameters = model.encoder(batch, training=True)
            z = model.latent(parameters, sample=True)
            nll = model.likelihood.nll(batch, model.decoder(z, training=True))
            loss = torch.mean(nll + gaussian_kl(parameters["z_mean"], parameters["z_log_var"]))
            loss.backward()
            variables = model.trainable_variables
            with torch.no_grad():
                model.optimizer.apply([variable.value.grad for variable in variables], variables)
                mean += loss.detach()
        return float(mean) / -(-len(x) // batch_size)

    return epoch


def measure(repeats: int, images: int, batch_size: int) -> dict:
    """Return images per second of both, epoch by epoch, on the backend of this process."""
    import keras

    import keras_ae

    backend = keras.backend.backend()
    keras.utils.set_random_seed(0)
    x = keras_ae.datasets.load("mnist_mini").train.x
    x = x[:images] if len(x) >= images else x.repeat(-(-images // len(x)), axis=0)[:images]
    ours, theirs = keras_ae.build("conv_vae", seed=0), keras_ae.build("conv_vae", seed=0)
    theirs.optimizer.build(theirs.trainable_variables)
    bare = {"tensorflow": bare_tensorflow, "jax": bare_jax, "torch": bare_torch}[backend](theirs, x, batch_size)

    def fit():
        return ours.fit(x, batch_size=batch_size, epochs=1, verbose=0).history["loss"][0]

    losses, rates = {}, {"fit": [], "bare": []}
    for repeat in range(repeats + 1):
        for name, epoch in (("fit", fit), ("bare", bare)):
            started = time.perf_counter()
            losses[name] = epoch()
            if repeat:
                rates[name].append(len(x) / (time.perf_counter() - started))
    versions = {"keras": keras.version(), backend: importlib.import_module(backend).__version__}
    return {"backend": backend, "rates": rates, "losses": losses, "versions": versions}


def report(results: list[dict], arguments) -> str:
    """Return the table as Markdown."""
    lines = [
        "# fit against a bare loop",
        "",
        f"`python benchmarks/fit_overhead.py --repeats {arguments.repeats} --images {arguments.images} "
        f"--batch {arguments.batch}`: `conv_vae`, 28x28x1, latent_dim 16, seed 0, float32, {os.cpu_count()} cores, "
        f"Python {platform.python_version()}. Images per second, medians over the repeats (least to most), epochs of "
        f"both in turn in one process. Floor for the ratio of medians: {FLOOR}.",
        "",
        "| backend | fit | bare loop | ratio | loss after the last epoch, fit / bare | versions |",
        "|---|---|---|---|---|---|",
    ]
    for result in results:
        fit, bare = result["rates"]["fit"], result["rates"]["bare"]
        ratio = statistics.median(fit) / statistics.median(bare)
        cells = [f"{statistics.median(r):,.0f} ({min(r):,.0f}-{max(r):,.0f})" for r in (fit, bare)]
        losses = f"{result['losses']['fit']:.1f} / {result['losses']['bare']:.1f}"
        versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
        lines.append(f"| {result['backend']} | {cells[0]} | {cells[1]} | {ratio:.3f} | {losses} | {versions} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Measure each backend in a process of its own, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--images", type=int, default=20000)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--backends", nargs="*", default=["tensorflow", "jax", "torch"])
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(arguments.repeats, arguments.images, arguments.batch)))
        return
    results = []
    for backend in arguments.backends:
        if importlib.util.find_spec(backend) is None:
            print(f"{backend} is not installed", file=sys.stderr)
            continue
        options = ["--one", "--repeats", str(arguments.repeats), "--images", str(arguments.images)]
        command = [sys.executable, __file__, *options, "--batch", str(arguments.batch)]
        environment = os.environ | {"KERAS_BACKEND": backend}
        output = subprocess.run(command, env=environment, stdout=subprocess.PIPE, check=True, text=True).stdout
        results.append(json.loads(output.splitlines()[-1]))
    text = report(results, arguments)
    print(text)
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(text)


if __name__ == "__main__":
    main()
