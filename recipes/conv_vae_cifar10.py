"""conv_vae on cifar10."""

from keras_ae.cli import recipe

if __name__ == "__main__":
    recipe(
        "conv_vae",
        "cifar10",
        epochs=10,
        learning_rate=2e-3,
        overrides={"latent_dim": 128, "likelihood": "discretized_logistic"},
    )
