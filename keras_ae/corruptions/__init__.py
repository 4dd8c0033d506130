"""Corruptions: for NumPy arrays by a seed, and as one layer of a denoising autoencoder that draws at every call.

    noisy = keras_ae.corrupted(images, keras_ae.Poisson(peak=20.0), seed=0)
    worse = keras_ae.corrupted(images, (keras_ae.Blur(1.0), keras_ae.GaussianNoise(0.1)), seed=0)

The rows say what happens (`keras_ae.rows.corruptions`); there is one implementation for both, on Keras' operations.
"""

from keras_ae.corruptions import pictures, spectral  # They say what their rows become.
from keras_ae.corruptions.arrays import corrupted
from keras_ae.corruptions.layer import Corrupt, corrupt

__all__ = ["Corrupt", "corrupt", "corrupted"]
