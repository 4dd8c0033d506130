"""One model type a file: the paper, its objective, its spec.

The files are found, in folders too, and so are the rows that they declare: nothing here lists them.
"""

from keras_ae.registry import discover

_ROWS = discover(__name__)
globals().update(_ROWS)
__all__ = list(_ROWS)
