"""conv_vae on MNIST.

Data: MNIST (TFDS mnist 3.0.1), grey values in [0, 1]. Model: Bernoulli likelihood, latent_dim 16.
Result: -ELBO 94.16 nats (nll 71.30, kl 22.86, z sampled); 15 of 16 units active; reconstruction MSE 0.0070. All
10,000 test images, seed 0, best epoch of 20 by validation loss (10 % of train).
Took 10 minutes on 2 cores shared with other work; Python 3.11.7, Keras 3.15.1, TensorFlow 2.21.0.

    python recipes/conv_vae_mnist.py
"""

from keras_ae.cli import recipe

if __name__ == "__main__":
    recipe("conv_vae", "mnist", epochs=20, learning_rate=2e-3)
