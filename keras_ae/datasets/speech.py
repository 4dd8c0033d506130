"""Spoken digits of TensorFlow Datasets: recordings, and the log-mel spectrograms that models take."""

import os

import numpy as np

from keras_ae import spectra
from keras_ae.datasets.stores import ArrayStore
from keras_ae.datasets.tfds import prepared_builder

TEST_RECORDINGS = 5  # Of each digit and speaker those numbered 0 to 4: the test split of the set's authors.
PREPROCESSING = (
    f"recordings scaled to a peak of 1, padded with silence or cut to {spectra.SAMPLES / spectra.RATE:g} s; log-mel "
    f"spectrograms of {spectra.BANDS} HTK bands to {spectra.RATE // 2} Hz by {spectra.FRAMES} frames (Hann windows of "
    f"{1000 * spectra.WINDOW // spectra.RATE} ms every {1000 * spectra.HOP // spectra.RATE} ms), "
    f"{spectra.FLOOR_DB:g} to 0 dB below a full-scale sine as 0 to 1"
)


class SpeechStore(ArrayStore):
    """Log-mel spectrograms in memory, and beside them the recordings they were made of.

    Args:
        waveforms: recordings at 8 kHz of a peak of 1, each (samples,) float32.
        y: labels (n,).
        name: what messages call the samples.
        speakers: who speaks, (n,), or None.
    """

    def __init__(self, waveforms: list[np.ndarray], y: np.ndarray, *, name: str, speakers: np.ndarray | None = None):
        x = np.stack([spectra.log_mel(_fitted(waveform)) for waveform in waveforms])
        super().__init__(x, y, scale=1, image_size=None, stream=False, name=name)
        self.waveforms, self.speakers = waveforms, speakers

    def value_range(self) -> tuple[float, float]:
        """(Least, largest) possible value."""
        return (0.0, 1.0)


def _fitted(waveform: np.ndarray) -> np.ndarray:
    """Pad a recording with silence, or cut it, to the length of a sample."""
    kept = waveform[: spectra.SAMPLES]
    return np.pad(kept, (0, spectra.SAMPLES - len(kept)))


def load_spoken_digits(source: str, *, data_dir: str | os.PathLike | None, download: bool) -> tuple[dict, dict, dict]:
    """Open "spoken_digit"; arguments, results and errors are those of `load_tfds`.

    Test are the recordings 0 to 4 of each digit and speaker, train the others.
    """
    builder = prepared_builder(source, data_dir, download)
    import tensorflow_datasets as tfds

    waveforms, labels, speakers, numbers = [], [], [], []
    for example in tfds.as_numpy(builder.as_dataset(split="train", shuffle_files=False)):
        waveform = example["audio"].astype("float32")
        waveforms.append(waveform / np.abs(waveform).max())
        labels.append(example["label"])
        _, speaker, number = example["audio/filename"].decode().removesuffix(".wav").split("_")
        speakers.append(speaker)
        numbers.append(int(number))
    in_test = np.array(numbers) < TEST_RECORDINGS
    parts = {}
    for part, wanted in (("train", ~in_test), ("test", in_test)):
        chosen = [waveforms[place] for place in np.flatnonzero(wanted)]
        said_by = np.array(speakers)[wanted]
        parts[part] = SpeechStore(chosen, np.array(labels)[wanted], name=f"x of {part} in {source}", speakers=said_by)
    facts = {
        "source": f"TensorFlow Datasets {builder.info.full_name}",
        "version": str(builder.version),
        "description": "Free Spoken Digit Dataset (Jackson 2016): 5 speakers say each digit 50 times, 8 kHz.",
        "homepage": builder.info.homepage or None,
        "preprocessing": PREPROCESSING,
    }
    split = {
        "train": "recordings 5 to 49 of each digit and speaker",
        "test": "recordings 0 to 4 of each digit and speaker; the speakers are those of train",
    }
    return parts, split, facts
