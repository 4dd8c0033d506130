"""A score of where the feature maps of an image lie among those of normal images, and images of one contrast."""

import numpy as np

from keras_ae.anomaly.base import Score, as_floats
from keras_ae.anomaly.neighbours import NEIGHBOURS
from keras_ae.checks import checked_least
from keras_ae.feeding import rows_of, x_of

_AT_ONCE = 512  # Images whose neighbours are held at a time.


class FeatureKNN(Score):
    """The mean squared distance of an image's feature maps to the nearest ones of normal images; convolutions only.

    The outputs of the encoder's convolutions, each averaged over the cells of a grid and scaled so that layers count
    alike, are one vector an image. Nearest neighbours of deep features are those of Bergman, Cohen & Hoshen 2020, of
    several layers those of Cohen & Hoshen 2020 (SPADE); their network is a classifier trained on ImageNet, this one has
    seen normal images alone. Early layers know edges and colours that a narrow code has lost, and the average over a
    cell forgives where exactly they are.

    A sample that was kept is not its own neighbour. Contributions are the squared distances of the cells, spread evenly
    over the values in each; they sum to the score.

    Args:
        model: a trained `Autoencoder` of images with convolutions in its encoder.
        grid: cells on a side; a map of a smaller side stays as it is.
        neighbours: how many nearest images; fewer where fewer were fitted.
        kept: images to keep at most, drawn at random from `seed`; a score takes time in proportion.
        seed: fixes which images are kept.

    Raises:
        ValueError: fewer than 1 of grid, neighbours or kept; when it is fitted, an encoder without convolutions of
            images.
    """

    def __init__(self, model, *, grid: int = 7, neighbours: int = NEIGHBOURS, kept: int = 5000, seed: int = 0):
        super().__init__(model)
        for name, value in (("grid", grid), ("neighbours", neighbours), ("kept", kept)):
            checked_least(name, value)
        self.grid, self.neighbours, self.kept, self.seed = grid, neighbours, kept, seed

    def _fit(self, x):
        count = len(x_of(x))
        if count < 2:
            raise ValueError(f"{type(self).__name__} needs at least 2 samples, got {count}.")
        x = rows_of(x, np.random.default_rng(self.seed).permutation(count)[: self.kept])
        count = min(self.kept, count)
        self.count = min(self.neighbours, count - 1)
        maps = self.model.feature_maps(x, grid=self.grid)
        # The length of a layer's vector, so that a layer of many maps counts no more than others.
        self.units = {name: max(np.sqrt(np.square(each).sum() / count), 1e-12) for name, each in maps.items()}
        self.mean = 0.0
        flat = self._flat(maps)
        self.mean = flat.mean(axis=0)
        self.normal = flat - self.mean
        self.lengths = np.square(self.normal).sum(axis=1)
        # A kept image is at 0 from itself but for rounding, its second neighbour is another image.
        self.itself = 1e-3 * np.mean([self._nearest(piece)[0][:, 1].mean() for piece in self._pieces(self.normal)])

    def _flat(self, maps: dict[str, np.ndarray]) -> np.ndarray:
        """Return all maps of an image as one vector, less the mean of normal images: (n, values)."""
        flat = [each.reshape(len(each), -1) / self.units[name] for name, each in maps.items()]
        return np.concatenate(flat, axis=1, dtype="float32") - self.mean

    def _pieces(self, features: np.ndarray) -> list[np.ndarray]:
        return [features[start : start + _AT_ONCE] for start in range(0, len(features), _AT_ONCE)]

    def _nearest(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return squared distances to the nearest kept images and which they are, the nearest first: (n, count + 1).

        One product of matrices in float32: scikit-learn's takes float64, several times the time for so many values.
        """
        squares = np.square(features).sum(axis=1)[:, None] + self.lengths - 2 * features @ self.normal.T
        which = np.argpartition(squares, self.count, axis=1)[:, : self.count + 1]
        which = np.take_along_axis(which, np.take_along_axis(squares, which, axis=1).argsort(axis=1), axis=1)
        return np.maximum(np.take_along_axis(squares, which, axis=1), 0), which

    def _others(self, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return what `_nearest` does without the image itself, where it was kept: (n, count)."""
        squares, which = self._nearest(features)
        columns = (squares[:, :1] <= self.itself) + np.arange(self.count)
        return np.take_along_axis(squares, columns, axis=1), np.take_along_axis(which, columns, axis=1)

    def _score(self, x):
        features = self._flat(self.model.feature_maps(x, grid=self.grid))
        return np.concatenate([self._others(piece)[0].mean(axis=1) for piece in self._pieces(features)])

    def _contributions(self, x):
        maps = self.model.feature_maps(x, grid=self.grid)
        x = x_of(x)
        found = np.zeros(x.shape)
        for row, feature in enumerate(self._flat(maps)):
            _, which = self._others(feature[None])
            squares, start = np.square(self.normal[which[0]] - feature).mean(axis=0), 0
            for each in maps.values():
                cells = squares[start : start + each[0].size].reshape(each.shape[1:]).sum(axis=-1)
                found[row] += _spread(cells, x.shape[1:])
                start += each[0].size
        return found


def contrast_normalised(x: np.ndarray, *, least: float = 0.02) -> np.ndarray:
    """Return images of mean 0 and standard deviation 1 each: (n, h, w, c) -> the same shape, float32.

    Global contrast normalisation (Coates, Ng & Lee 2011): how bright an image is and how strong its contrast is are
    what plain distances see first, and seldom what makes it strange. They need a likelihood without bounds, such as
    "gaussian".

    Args:
        x: images, floats in [0, 1] or uint8.
        least: the standard deviation, in units of [0, 1], that images of less contrast are taken to have.

    Raises:
        ValueError: no images, (n, h, w, c), or a `least` that is not positive.
    """
    x = np.asarray(x)
    if x.ndim != 4 or not x.size:
        raise ValueError(f"x must hold images, (n, h, w, c), at least one, got shape {x.shape}.")
    if not least > 0:
        raise ValueError(f"least must be positive, got {least!r}.")
    x = as_floats(x).astype("float32")
    centred = x - x.mean(axis=(1, 2, 3), keepdims=True)
    return centred / np.maximum(x.std(axis=(1, 2, 3), keepdims=True), least)


def _spread(cells: np.ndarray, shape: tuple[int, int, int]) -> np.ndarray:
    """Return each cell's value in equal shares for the values of the image that lie in it: (rows, columns) -> shape."""
    height, width, channels = shape
    image = _cell_shares(cells.shape[0], height).T @ cells @ _cell_shares(cells.shape[1], width)
    return np.repeat(image[..., None] / channels, channels, axis=-1)


def _cell_shares(cells: int, side: int) -> np.ndarray:
    """Return the share that each pixel of a side has in each of equally wide cells: (cells, side), rows sum to 1."""
    edges, pixels = np.linspace(0, side, cells + 1), np.arange(side)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return np.maximum(overlap, 0) * cells / side
