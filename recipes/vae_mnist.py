"""vae on mnist."""

from keras_ae.cli import recipe

if __name__ == "__main__":
    recipe("vae", "mnist", epochs=50, learning_rate=1e-3, binarize="dynamic")
