"""Callbacks of our own. Those of Keras (ModelCheckpoint, BackupAndRestore, CSVLogger, ...) work as they are.

The ones that look at a model leave it as it is: no weight and no random generator changes.
"""

from keras_ae.callbacks.anneal import Anneal
from keras_ae.callbacks.collapse import CollapseMonitor
from keras_ae.callbacks.pictures import LatentVisualizer, ReconstructionVisualizer, SampleVisualizer

__all__ = ["Anneal", "CollapseMonitor", "LatentVisualizer", "ReconstructionVisualizer", "SampleVisualizer"]
