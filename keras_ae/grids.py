"""The cells of a grid over an image, of sides that need be no whole number of pixels."""

import numpy as np


def cell_shares(cells: int, side: int) -> np.ndarray:
    """Return the share that each pixel has in a cell along one side: (cells, side), float32, rows sum to 1.

    Cells are equally wide; a pixel on the edge of two belongs to both in part. `cell_shares(3, 28) @ x` are the means
    of x, (28, ...), over the cells.
    """
    edges, pixels = np.linspace(0, side, cells + 1), np.arange(side)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return (np.maximum(overlap, 0) * cells / side).astype("float32")
