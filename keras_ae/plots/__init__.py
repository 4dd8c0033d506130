"""Arrays in, Matplotlib figures out: reconstructions, samples, spectrograms, latent spaces, curves, heat maps.

Every function returns a `Picture`, a Matplotlib `Figure` made without pyplot: it works without a screen, leaves no
figure open behind it, and a notebook shows it when it is the last value of a cell (`display(picture)` elsewhere).

Arrays are drawn by their shape, (n, ...) with the examples first:

| one example | drawn as |
|---|---|
| (height, width, 1) | grey image |
| (height, width, 3) | RGB image, clipped to the data range |
| (height, width, channels) | grey image, the mean over the channels |
| (depth, height, width, channels) | image, the slice in the middle of the depth |
| (steps, channels), to 8 channels | one line a channel |
| (steps, channels), more | grey image, time to the right and channel 0 at the bottom |
| (values,) | steps, one a value |
"""

from keras_ae.plots.anomalies import contribution_bars, heat_maps, series_scores
from keras_ae.plots.cells import value_range
from keras_ae.plots.curves import history
from keras_ae.plots.galleries import compared, interpolations, latent_grid, reconstructions, samples, samples_by_class
from keras_ae.plots.labels import label_curves
from keras_ae.plots.latents import Plane, latent_scatter, principal_plane
from keras_ae.plots.maps import latent_maps
from keras_ae.plots.picture import Picture, animate, save
from keras_ae.plots.sounds import spectrograms

__all__ = [
    "Picture",
    "Plane",
    "animate",
    "compared",
    "contribution_bars",
    "heat_maps",
    "history",
    "interpolations",
    "label_curves",
    "latent_grid",
    "latent_maps",
    "latent_scatter",
    "principal_plane",
    "reconstructions",
    "samples",
    "samples_by_class",
    "save",
    "series_scores",
    "spectrograms",
    "value_range",
]
