"""Paths between codes."""

import numpy as np


def spherical(start: np.ndarray, stop: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Interpolate along the great circle; codes that are almost parallel are interpolated on the line."""
    lengths = np.linalg.norm(start, axis=-1, keepdims=True) * np.linalg.norm(stop, axis=-1, keepdims=True)
    cosine = (start * stop).sum(axis=-1, keepdims=True) / np.maximum(lengths, 1e-12)
    angle = np.arccos(np.clip(cosine, -1, 1))
    line = (1 - share) * start + share * stop
    safe = np.where(np.sin(angle) < 1e-4, 1, angle)
    arc = (np.sin((1 - share) * safe) * start + np.sin(share * safe) * stop) / np.sin(safe)
    return np.where(np.sin(angle) < 1e-4, line, arc).astype("float32")
