"""One model type a file: the paper, its spec, its objective."""

from keras_ae.models import ae, denoising_ae, neighbour_ae, sparse_ae, vae
