"""vae on cifar10."""

from keras_ae.cli import recipe

if __name__ == "__main__":
    recipe("vae", "cifar10", epochs=10, learning_rate=1e-3, overrides={"latent_dim": 128})
