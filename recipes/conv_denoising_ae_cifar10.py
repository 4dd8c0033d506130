"""conv_denoising_ae on cifar10."""

from keras_ae.cli import recipe

if __name__ == "__main__":
    recipe("conv_denoising_ae", "cifar10", epochs=8, learning_rate=2e-3, overrides={"latent_dim": 256, "strength": 0.1})
