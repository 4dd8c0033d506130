"""Autoencoders as scikit-learn estimators: rows in, codes, denoised rows or anomalies out. Extra "sklearn".

from keras_ae.estimators import AutoencoderOutlierDetector

detector = AutoencoderOutlierDetector(contamination=0.05, random_state=0).fit(X_train)
detector.predict(X)  # +1 normal, -1 anomaly
detector.contributions(X)  # which column

They work in `Pipeline`, `GridSearchCV`, `clone`, `joblib.dump` and `set_output` as any other. The adapter for PyOD is
in `keras_ae.estimators.pyod`.
"""

from keras_ae.estimators.denoiser import Denoiser
from keras_ae.estimators.outliers import AutoencoderOutlierDetector
from keras_ae.estimators.tables import table_spec
from keras_ae.estimators.transformer import AutoencoderTransformer

__all__ = ["AutoencoderOutlierDetector", "AutoencoderTransformer", "Denoiser", "table_spec"]
