"""Ex-post priors: densities fitted to the codes of a trained model, from which it then samples.

    prior = keras_ae.priors.GaussianMixture(components=50).fit(model, x)
    pictures = prior.sample(64, seed=0)

Any `Autoencoder` will do, and a plain autoencoder becomes a generator by one (Ghosh et al. 2020, "From variational to
deterministic autoencoders", section 4). A prior that is learned along with the model is a row of its spec,
`keras_ae.MixturePrior`, and needs nothing from here.

A fitted prior is saved with its model by `joblib.dump(prior, file)` and read by `joblib.load(file)`, on the backend and
with the versions that wrote it. Such files are pickles: load none from a stranger.
"""

from keras_ae.priors.base import Prior
from keras_ae.priors.conditional import ClassConditional
from keras_ae.priors.densities import GaussianMixture, KernelDensity, StandardNormal
from keras_ae.priors.flow import AutoregressiveFlow
from keras_ae.priors.pixelcnn import PixelCNN
from keras_ae.priors.two_stage import TwoStageVAE

__all__ = [
    "AutoregressiveFlow",
    "ClassConditional",
    "GaussianMixture",
    "KernelDensity",
    "PixelCNN",
    "Prior",
    "StandardNormal",
    "TwoStageVAE",
]
