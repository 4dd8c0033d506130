"""The step on TensorFlow."""

import keras
import tensorflow as tf

from keras_ae.train_step.adam_tensorflow import fuse_adam


class Steps:
    """`train_step` by `GradientTape`."""

    # Measured on 2 CPU cores (benchmarks/results/step_defaults.md): XLA runs at 0.78 of the plain graph's speed.
    default_jit_compile = False

    def train_step(self, data):
        """Update the weights by one batch and return the running means of the terms."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            loss, report = self.compute_terms(x, y, sample_weight, training=True)
            # The optimiser sums gradients over replicas, so that each contributes its share of the mean.
            shared = loss / tf.distribute.get_strategy().num_replicas_in_sync
            scaled = self.optimizer.scale_loss(shared)
        variables = self.trainable_variables
        self.optimizer.apply(tape.gradient(scaled, variables), variables)
        return self.track(loss, report)

    def test_step(self, data):
        """Return the running means of the terms, by the same objective as in training."""
        x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
        return self.track(*self.compute_terms(x, y, sample_weight, training=False))

    def fuse_optimizer(self) -> None:
        """Called by `compile`: let the optimiser take the fastest way to the same update."""
        fuse_adam(getattr(self.optimizer, "inner_optimizer", self.optimizer))

    def compile_function(self, function):
        """Return `function` as a graph for any batch size, NumPy in and out."""
        graphs = {}

        def call(*arrays):
            signature = tuple(tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in arrays)
            if signature not in graphs:
                graphs[signature] = tf.function(function, autograph=False).get_concrete_function(*signature)
            outputs = graphs[signature](*[tf.convert_to_tensor(array) for array in arrays])
            return keras.tree.map_structure(lambda tensor: tensor.numpy(), outputs)

        return call


def transposed_convolution(kind: type) -> type:
    """Return the Keras layer itself."""
    return kind
