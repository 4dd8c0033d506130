"""conv_ae on mnist."""

from keras_ae.cli import recipe

if __name__ == "__main__":
    recipe("conv_ae", "mnist", epochs=20, learning_rate=2e-3)
