"""How good speech sounds, by the measures of other packages."""

import warnings

import numpy as np

from keras_ae import spectra
from keras_ae.audio.signals import checked_pairs, is_single
from keras_ae.extras import optional


def stoi(clean, estimate, *, extended: bool = False) -> np.ndarray | float:
    """Return the short-time objective intelligibility, (n,), or a float for one waveform; 1 is the best.

    Taal et al. 2011, by the package `pystoi` (extra "audio"). Frames of silence are left out, and 0.4 s of sound are
    the least; a number over less than some seconds says little, so join short recordings.

    Args:
        clean: (samples,), (n, samples), or a sequence of waveforms at 8 kHz.
        estimate: as many, of the same lengths.
        extended: the extended measure (Jensen & Taal 2016), for noise that changes.

    Raises:
        ValueError, TypeError: waveforms that cannot be used, silent clean ones and ones that are too short as well.
        ImportError: `pystoi` is not installed.
    """
    package = optional("pystoi", "pystoi", "audio")

    def measured(s, e):
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            try:
                return package.stoi(s, e, spectra.RATE, extended)
            except RuntimeWarning as warning:
                raise ValueError("STOI needs 0.4 s of sound or more. Join short recordings.") from warning

    return _each(measured, clean, estimate)


def pesq(clean, estimate) -> np.ndarray | float:
    """Return the perceptual evaluation of speech quality, (n,), or a float for one waveform; 1.0 is bad, 4.5 the best.

    ITU-T P.862 for telephone bands (P.862.1's scale of opinions), by the package `pesq` (extra "pesq", which needs a C
    compiler).

    Args:
        clean: (samples,), (n, samples), or a sequence of waveforms at 8 kHz.
        estimate: as many, of the same lengths.

    Raises:
        ValueError, TypeError: waveforms that cannot be used, silent clean ones and ones without an utterance as well.
        ImportError: `pesq` is not installed.
    """
    package = optional("pesq", "pesq", "pesq")

    def measured(s, e):
        try:
            return package.pesq(spectra.RATE, s, e, "nb")
        except (package.NoUtterancesError, package.BufferTooShortError) as error:
            raise ValueError("PESQ found no utterance. Join short recordings.") from error

    return _each(measured, clean, estimate)


def _each(measured, clean, estimate) -> np.ndarray | float:
    values = np.array([measured(s, e) for s, e in checked_pairs(clean, estimate)])
    return float(values[0]) if is_single(clean) else values
