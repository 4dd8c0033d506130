"""One model type a file: the paper, its spec, its objective."""

from keras_ae.models import denoising_ae
from keras_ae.models.ae import Reconstruction
from keras_ae.models.neighbour_ae import NeighbourEmbedding
from keras_ae.models.sparse_ae import Sparsity
from keras_ae.models.vae import ELBO
