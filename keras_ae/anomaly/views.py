"""A score of several views of a sample: all of its values, and random halves of them."""

import numpy as np

from keras_ae.anomaly.base import Score, as_floats
from keras_ae.anomaly.neighbours import KEPT, NEIGHBOURS, Neighbours
from keras_ae.checks import checked_least
from keras_ae.feeding import with_x, x_of


class LatentViews(Score):
    """How far a sample is from normal data by latent kNN: seen whole, and with half of its values hidden several times.

    Views of random halves are feature bagging (Lazarevic & Kumar 2005): an anomaly in few values may be lost in the
    distance over many. We differ: all views are of one network, to which a hidden value is the mean of normal data. Two
    distances are taken in each view: of the code, and of the code beside the residual, which is what the model gets
    wrong about the sample, the hidden values included.

    A distance counts as its `surprise`. Both kinds of distance count alike, and the whole sample as much as all halves
    together.

    Args:
        model: a trained `Autoencoder`, best a denoising one.
        neighbours: as in `LatentKNN`. A share is for data that hold anomalies: those that are alike are rebuilt alike
            and would excuse each other, so that `local` and `residual` are then 0 where they are not given.
        local: as in `Neighbours`; None means 0.5, the geometric mean of a distance and of how many times as far that is
            as the neighbours are from theirs.
        residual: length of the residual, its values in units of their root mean square, beside a code of length 1; 0
            leaves it out; None means 0.5.
        views: how many halves, at least 0.
        seed: fixes which values are hidden, and which 5,000 vectors are kept where there are more; all codes of whole
            samples are kept, unless `neighbours` is a share.

    Raises:
        ValueError: fewer than 1 neighbour, a `local` outside [0, 1], a negative `residual` or number of views.
    """

    def __init__(
        self,
        model,
        *,
        neighbours: int | float = NEIGHBOURS,
        local: float | None = None,
        residual: float | None = None,
        views: int = 4,
        seed: int = 0,
    ):
        super().__init__(model)
        suited = 0.5 if neighbours >= 1 else 0.0
        local, residual = (suited if each is None else each for each in (local, residual))
        checked_least("residual", residual, least=0)
        checked_least("views", views, least=0)
        kinds = (None, KEPT) if residual else (None,)
        self.nearest = [
            [Neighbours(neighbours, local=local, kept=KEPT if view else kept, seed=seed) for kept in kinds]
            for view in range(1 + views)
        ]
        self.residual, self.views, self.seed = residual, views, seed

    def _fit(self, x):
        super()._fit(x)
        rng, values = np.random.default_rng(self.seed), self.mean.size
        halves = [(rng.permutation(values) < values // 2).reshape(self.mean.shape) for _ in range(self.views)]
        self.hidden = [np.zeros(self.mean.shape, bool), *halves]
        self.units, self.normal = [], []
        for view, nearest in enumerate(self.nearest):
            seen = self._seen(x, view)
            self.units.append([_unit(seen[0] - seen[0].mean(axis=0)), *map(_unit_of_values, seen[1:])])
            vectors = self._vectors(seen, view)
            self.normal.append([np.sort(near.fit(each).own) for near, each in zip(nearest, vectors, strict=True)])

    def _seen(self, x: np.ndarray | dict, view: int) -> list[np.ndarray]:
        """Return codes, (n, latent_dim), and where they count residuals, (n, values), without what the view hides."""
        batch, x = x, as_floats(x_of(x))
        seen = with_x(batch, np.where(self.hidden[view], self.mean, x))
        residuals = [(x - self.model.reconstruct(seen)).reshape(len(x), -1)] if self.residual else []
        return [self.codes(seen), *residuals]

    def _vectors(self, seen: list[np.ndarray], view: int) -> list[np.ndarray]:
        """Return the codes, and where residuals count the codes beside them."""
        codes, *residuals = seen
        beside = [self.residual * each / unit for each, unit in zip(residuals, self.units[view][1:], strict=True)]
        return [codes, *(np.concatenate([codes / self.units[view][0], each], axis=1) for each in beside)]

    def _score(self, x):
        whole, *halves = [self._surprise(x, view) for view in range(1 + self.views)]
        return (whole + np.mean(halves, axis=0)) / 2 if halves else whole

    def _surprise(self, x: np.ndarray | dict, view: int) -> np.ndarray:
        vectors = self._vectors(self._seen(x, view), view)
        parts = zip(self.nearest[view], self.normal[view], vectors, strict=True)
        return np.mean([surprise(near.distances(each), normal) for near, normal, each in parts], axis=0)


def _unit(vectors: np.ndarray) -> float:
    """Return what makes vectors of length 1 in the root mean square: (n, values) -> a number."""
    return max(float(np.sqrt(np.square(vectors, dtype="float64").sum(axis=1).mean())), 1e-12)


def _unit_of_values(residuals: np.ndarray) -> np.ndarray:
    """Return what makes residuals of length 1 in the root mean square, each value alike: (n, values) -> (values,)."""
    units = np.sqrt(np.square(residuals, dtype="float64").mean(axis=0))
    # A value that is always rebuilt has a unit all the same, or its rounding errors would count.
    units = np.maximum(units, 1e-3 * np.sqrt(np.mean(units**2)) + 1e-12)
    return units * np.sqrt(len(units))


def surprise(scores: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """Return -log of the share of normal data with a higher score, in nats: (n,) -> (n,).

    Of scores that are alike half count as higher. Beyond the greatest normal score the share is taken for half a
    sample's, and log(score / greatest) is added, both less the median, so that of two stranger samples the stranger one
    keeps the greater score. The negative log of a tail adds up over views as if they were independent (Fisher 1932).

    Args:
        scores: scores, higher being more anomalous.
        normal: those of normal data, sorted, (m,).
    """
    lower = (np.searchsorted(normal, scores) + np.searchsorted(normal, scores, side="right")) / 2
    share = np.maximum(1 - lower / len(normal), 0.5 / len(normal))
    middle = np.median(normal)
    spread = normal[-1] - middle
    beyond = (scores - middle) / (spread if spread > 0 else 1.0)
    return np.log(np.maximum(beyond, 1)) - np.log(share)
