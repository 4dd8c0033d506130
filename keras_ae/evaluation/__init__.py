"""What a trained model is worth on a part of a data set: numbers and pictures."""

from keras_ae.evaluation.measures import evaluate, fixed, measure
from keras_ae.evaluation.pictures import (
    PICTURED,
    colours,
    draw,
    draw_latents,
    draw_reconstructions,
    draw_samples,
    first,
)
from keras_ae.evaluation.versions import versions
