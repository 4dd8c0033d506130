"""`fit` against a bare hand-written loop of the same network, on each backend that is installed.

    python benchmarks/fit_overhead.py [--repeats 7] [--images 20000] [--batch 128] [--backends tensorflow jax torch]

Both train the same `conv_vae` (28x28x1, latent_dim 16) with the same Adam on the same arrays: `fit(x)` as a user calls
it, with its checks, shuffling, metrics and callbacks; and the loop that one writes by hand in the backend, which
shuffles, gathers, steps and keeps a running mean of the loss, nothing more. One epoch of each in turn, the first one
(compilation) left out; medians over the repeats and the spread between them. Writes `results/fit_overhead.md`.
"""

import statistics

import harness

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


def measure(arguments) -> dict:
    """Return images per second of both, epoch by epoch, on the backend of this process."""
    import keras

    import keras_ae

    keras.utils.set_random_seed(0)
    x = harness.images(arguments.images)
    ours, theirs = keras_ae.build("conv_vae", seed=0), keras_ae.build("conv_vae", seed=0)
    theirs.optimizer.build(theirs.trainable_variables)
    bare = {"tensorflow": bare_tensorflow, "jax": bare_jax, "torch": bare_torch}[keras.backend.backend()]

    def fit():
        return ours.fit(x, batch_size=arguments.batch, epochs=1, verbose=0).history["loss"][0]

    return harness.rates({"fit": fit, "bare": bare(theirs, x, arguments.batch)}, len(x), arguments.repeats)


def report(results: list[dict], arguments) -> str:
    """Return the table as Markdown."""
    lines = [
        "# fit against a bare loop",
        "",
        f"{harness.where(arguments)} The ratio is the median over rounds, each an epoch of both; its floor is {FLOOR}.",
        "",
        "| backend | fit | bare loop | ratio | loss of the last epoch, fit / bare | versions |",
        "|---|---|---|---|---|---|",
    ]
    for result in results:
        fit, bare = result["rates"]["fit"], result["rates"]["bare"]
        ratio = statistics.median(ours / theirs for ours, theirs in zip(fit, bare, strict=True))
        losses = f"{result['losses']['fit']:.1f} / {result['losses']['bare']:.1f}"
        cells = (result["backend"], harness.shown(fit), harness.shown(bare), f"{ratio:.3f}", losses)
        lines.append(f"| {' | '.join(cells)} | {harness.named(result['versions'])} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    options = harness.parser(__doc__.splitlines()[0]).parse_args()
    harness.run(measure, lambda results: report(results, options), options, "fit_overhead.md")
