"""ae on mnist."""

from keras_ae.cli import recipe

if __name__ == "__main__":
    recipe("ae", "mnist", epochs=20, learning_rate=1e-3)
