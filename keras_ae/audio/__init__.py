"""Speech at 8 kHz: waveforms in, and out come noise, decibels, spectrograms, denoised waveforms and WAV files.

data = keras_ae.datasets.load("spoken_digit")
clean = keras_ae.audio.waveforms(data.test)
noisy = keras_ae.audio.add_noise(clean, snr_db=5)
denoised = keras_ae.audio.denoise(model, noisy)
keras_ae.audio.si_sdr(clean, denoised).mean()
"""

from keras_ae.audio.denoising import denoise
from keras_ae.audio.inversion import griffin_lim
from keras_ae.audio.masks import MaskBatches, mask_spec
from keras_ae.audio.measuring import measure_speech, write_examples
from keras_ae.audio.quality import pesq, stoi
from keras_ae.audio.signals import KINDS, add_noise, log_mel, si_sdr, speakers, waveforms, write_wav

__all__ = [
    "KINDS",
    "MaskBatches",
    "add_noise",
    "denoise",
    "griffin_lim",
    "log_mel",
    "mask_spec",
    "measure_speech",
    "pesq",
    "si_sdr",
    "speakers",
    "stoi",
    "waveforms",
    "write_examples",
    "write_wav",
]
