"""Training as one writes it without keras_ae: bare loops, and the step of the keras.io example, on each backend.

A bare loop shuffles, gathers, steps and keeps a running mean of the loss, nothing more. It takes the network of a
`keras_ae` model and an optimiser; `bare(model, optimizer, x, batch_size)` returns a function that trains for an epoch
and returns its mean loss. `keras_io(model)` returns the same network as the VAE example of keras.io writes it.
"""

import keras
import numpy as np
from keras import ops

from keras_ae.divergences import gaussian_kl

BACKEND = keras.backend.backend()


def loss_of(model, batch):
    """-ELBO of a batch, averaged, at one draw."""
    parameters = model.encoder(batch, training=True)
    z = model.latent.draw(parameters)["z"]
    nll = model.likelihood.nll(batch, model.decoder_logits(z, training=True))
    return ops.mean(nll + gaussian_kl(parameters["z_mean"], parameters["z_log_var"]))


def bare_tensorflow(model, optimizer, x, batch_size):
    """By `tf.function` and `GradientTape`."""
    import tensorflow as tf

    @tf.function
    def step(batch, total):
        with tf.GradientTape() as tape:
            loss = loss_of(model, batch)
        variables = model.trainable_variables
        optimizer.apply(tape.gradient(loss, variables), variables)
        total.assign_add(loss)

    total, held = tf.Variable(0.0), tf.constant(x)
    data = tf.data.Dataset.range(len(x)).shuffle(len(x)).batch(batch_size)
    data = data.map(lambda rows: tf.gather(held, rows), num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)
    options = tf.data.Options()
    options.autotune.enabled = False  # Its thread disturbs the others where cores are few.
    data = data.with_options(options)

    def epoch():
        total.assign(0.0)
        for batch in data:
            step(batch, total)
        return float(total) / len(data)

    return epoch


def bare_jax(model, optimizer, x, batch_size):
    """By `jax.jit` and `jax.value_and_grad` over a stateless scope."""
    import jax
    import jax.numpy as jnp

    def step(trainable, non_trainable, optimizer_state, total, batch):
        def loss_of_weights(trainable):
            mapping = [
                *zip(model.trainable_variables, trainable, strict=True),
                *zip(model.non_trainable_variables, non_trainable, strict=True),
            ]
            with keras.StatelessScope(state_mapping=mapping) as scope:
                loss = loss_of(model, batch)
            return loss, [scope.get_current_value(variable) for variable in model.non_trainable_variables]

        (loss, moved), gradients = jax.value_and_grad(loss_of_weights, has_aux=True)(trainable)
        trainable, optimizer_state = optimizer.stateless_apply(optimizer_state, gradients, trainable)
        return trainable, moved, optimizer_state, total + loss

    step = jax.jit(step, donate_argnums=(0, 1, 2, 3))
    # Copies, because the step donates its arguments and the model goes on with its own.
    owners = (model.trainable_variables, model.non_trainable_variables, optimizer.variables)
    state = [[jnp.array(variable.value) for variable in variables] for variables in owners]

    def epoch():
        total, order = jnp.zeros(()), np.random.permutation(len(x))
        for start in range(0, len(x), batch_size):
            *state[:], total = step(*state, total, x[order[start : start + batch_size]])
        return float(total) / -(-len(x) // batch_size)

    return epoch


def bare_torch(model, optimizer, x, batch_size):
    """By `backward`."""
    import torch

    held = torch.from_numpy(x)

    def epoch():
        total, order = torch.zeros(()), torch.from_numpy(np.random.permutation(len(x)))
        for start in range(0, len(x), batch_size):
            model.zero_grad()
            loss = loss_of(model, held[order[start : start + batch_size]])
            loss.backward()
            variables = model.trainable_variables
            with torch.no_grad():
                optimizer.apply([variable.value.grad for variable in variables], variables)
                total += loss.detach()
        return float(total) / -(-len(x) // batch_size)

    return epoch


bare = {"tensorflow": bare_tensorflow, "jax": bare_jax, "torch": bare_torch}[BACKEND]


class KerasIO(keras.Model):
    """The model of https://keras.io/examples/generative/vae/: sigmoid outputs, Keras losses, three trackers.

    The example has its step for TensorFlow; those for JAX and PyTorch follow the guides "Customizing what happens in
    `fit()`" of the same site.
    """

    def __init__(self, model):
        super().__init__()
        self.encoder, self.latent, self.decoder = model.encoder, model.latent, model.decoder_logits
        self.bernoulli = model.spec.likelihood.heads == ("logits",)
        self.total_loss_tracker = keras.metrics.Mean(name="total_loss")
        self.reconstruction_loss_tracker = keras.metrics.Mean(name="reconstruction_loss")
        self.kl_loss_tracker = keras.metrics.Mean(name="kl_loss")
        self.built = True

    @property
    def metrics(self):
        """Trackers that Keras resets at the begin of an epoch."""
        return [self.total_loss_tracker, self.reconstruction_loss_tracker, self.kl_loss_tracker]

    def losses_of(self, data):
        """Return total, reconstruction and KL loss, averaged over the batch."""
        parameters = self.encoder(data)
        (reconstruction,) = self.decoder(self.latent.draw(parameters)["z"]).values()
        if self.bernoulli:
            values = keras.losses.binary_crossentropy(data, ops.sigmoid(reconstruction))
        else:
            values = 0.5 * ops.sum(ops.square(data - reconstruction), axis=-1)
        reconstruction_loss = ops.mean(ops.sum(values, axis=(1, 2)))
        z_mean, z_log_var = parameters["z_mean"], parameters["z_log_var"]
        kl = -0.5 * (1 + z_log_var - ops.square(z_mean) - ops.exp(z_log_var))
        kl_loss = ops.mean(ops.sum(kl, axis=1))
        return reconstruction_loss + kl_loss, reconstruction_loss, kl_loss

    def tracked(self, losses):
        """Update the trackers and return their results."""
        for tracker, loss in zip(self.metrics, losses, strict=True):
            tracker.update_state(loss)
        return {tracker.name: tracker.result() for tracker in self.metrics}

    if BACKEND == "tensorflow":

        def train_step(self, data):
            """Update by one batch."""
            import tensorflow as tf

            with tf.GradientTape() as tape:
                losses = self.losses_of(data)
            self.optimizer.apply(tape.gradient(losses[0], self.trainable_weights), self.trainable_weights)
            return self.tracked(losses)

    elif BACKEND == "jax":

        def train_step(self, state, data):
            """Update by one batch."""
            import jax

            trainable, non_trainable, optimizer, metrics = state

            def loss_of_weights(trainable):
                mapping = [
                    *zip(self.trainable_variables, trainable, strict=True),
                    *zip(self.non_trainable_variables, non_trainable, strict=True),
                ]
                with keras.StatelessScope(state_mapping=mapping) as scope:
                    losses = self.losses_of(data)
                moved = [scope.get_current_value(variable) for variable in self.non_trainable_variables]
                return losses[0], (losses, moved)

            (_, (losses, moved)), gradients = jax.value_and_grad(loss_of_weights, has_aux=True)(trainable)
            trainable, optimizer = self.optimizer.stateless_apply(optimizer, gradients, trainable)
            mapping = list(zip(self.metrics_variables, metrics, strict=True))
            with keras.StatelessScope(state_mapping=mapping) as scope:
                logs = self.tracked(losses)
            metrics = [scope.get_current_value(variable) for variable in self.metrics_variables]
            return logs, (trainable, moved, optimizer, metrics)

    else:

        def train_step(self, data):
            """Update by one batch."""
            import torch

            self.zero_grad()
            losses = self.losses_of(data)
            losses[0].backward()
            weights = self.trainable_weights
            with torch.no_grad():
                self.optimizer.apply([weight.value.grad for weight in weights], weights)
                return self.tracked([loss.detach() for loss in losses])


def keras_io(model, x, batch_size, learning_rate):
    """Return a function that trains `KerasIO` for some epochs and returns the last one's mean loss."""
    other = KerasIO(model)
    other.compile(optimizer=keras.optimizers.Adam(learning_rate))

    return lambda epochs: other.fit(x, batch_size=batch_size, epochs=epochs, verbose=0).history["total_loss"][-1]
