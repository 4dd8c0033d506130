"""The data sets known by heart: what each is, and under which licence."""

DESCRIPTIONS = {
    "mnist_mini": "6,000 + 1,000 real MNIST digits, 28x28 grey, shipped with keras_ae: no download, no TensorFlow.",
    "mnist": "60,000 + 10,000 handwritten digits, 28x28 grey, 10 classes (LeCun et al. 1998), through TFDS.",
    "fashion_mnist": "60,000 + 10,000 articles of clothing, 28x28 grey, 10 classes (Xiao et al. 2017), through TFDS.",
    "cifar10": "50,000 + 10,000 photographs, 32x32 colour, 10 classes (Krizhevsky 2009), through TFDS.",
    "spoken_digit": "2,250 + 250 spoken digits of 5 speakers as log-mel spectrograms, 64x64, through TFDS.",
}

LICENCES = {
    "mnist_mini": "CC BY-SA 3.0",
    "mnist": "CC BY-SA 3.0",
    "fashion_mnist": "MIT",
    "cifar10": "none stated by its authors; in use for research",
    "spoken_digit": "CC BY-SA 4.0",
}


def list_datasets() -> dict[str, str]:
    """Names that `load` knows by heart, each with one line of description.

    `load` also takes every other TensorFlow Datasets name with an `image` feature, files, folders and arrays.
    """
    return dict(DESCRIPTIONS)
