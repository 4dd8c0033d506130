"""conv_ae on cifar10."""

from keras_ae.cli import recipe

if __name__ == "__main__":
    recipe("conv_ae", "cifar10", epochs=8, learning_rate=2e-3, overrides={"latent_dim": 128})
