"""Pictures of sounds."""

from collections.abc import Mapping

import numpy as np

from keras_ae import spectra
from keras_ae.plots.picture import DPI, Picture

PANEL = (2.8, 2.5)  # Inches.


def spectrograms(
    waveforms: Mapping[str, np.ndarray], *, title: str | None = None, floor_db: float = spectra.FLOOR_DB
) -> Picture:
    """Spectrograms side by side, seconds to the right and kHz upward, in decibels below a full-scale sine.

    Args:
        waveforms: label -> waveform at 8 kHz, (samples,), of a full scale of 1.
        title: a heading.
        floor_db: decibels that are drawn as the darkest colour; 0 is the brightest.

    Raises:
        ValueError: there is no waveform, one is empty, has another shape, NaN or infinite values, or `floor_db` is not
            below 0.
    """
    if not waveforms:
        raise ValueError("waveforms is empty. Give one waveform or more.")
    if not floor_db < 0:
        raise ValueError(f"floor_db must be below 0, not {floor_db}.")
    for name, waveform in waveforms.items():
        if np.ndim(waveform) != 1 or np.size(waveform) == 0 or not np.isfinite(waveform).all():
            raise ValueError(f"{name} must be (samples,), one or more and finite, not of shape {np.shape(waveform)}.")
    size = (PANEL[0] * len(waveforms) + 0.8, PANEL[1] + 0.3 * bool(title))
    picture = Picture(figsize=size, dpi=DPI, layout="constrained")
    panels = picture.subplots(1, len(waveforms), sharey=True, squeeze=False)[0]
    for axes, (name, waveform) in zip(panels, waveforms.items(), strict=True):
        power = np.square(np.abs(spectra.stft(np.asarray(waveform))) * (2 / spectra.window().sum()))
        decibels = 10 * np.log10(np.maximum(power.T, 10 ** (floor_db / 10)))
        extent = (0, len(waveform) / spectra.RATE, 0, spectra.RATE / 2000)
        options = {"origin": "lower", "aspect": "auto", "interpolation": "nearest", "cmap": "magma"}
        drawn = axes.imshow(decibels, extent=extent, vmin=floor_db, vmax=0, **options)
        axes.set(title=name, xlabel="time in s")
    panels[0].set_ylabel("frequency in kHz")
    picture.colorbar(drawn, ax=panels, label="level in dB", shrink=0.9)
    if title:
        picture.suptitle(title)
    return picture
