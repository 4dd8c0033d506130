"""sparse_ae on cifar10."""

from keras_ae.cli import recipe

if __name__ == "__main__":
    recipe("sparse_ae", "cifar10", epochs=8, learning_rate=1e-3, overrides={"latent_dim": 1024})
