"""Pictures while a model trains: the latent space and reconstructions."""

import os
import re
import warnings
from abc import ABC, abstractmethod
from pathlib import Path
from statistics import NormalDist
from typing import TYPE_CHECKING

import keras
import numpy as np

from keras_ae.checks import checked_examples, checked_least, checked_whole
from keras_ae.feeding import rows_of, with_x, x_of
from keras_ae.intake import checked_batch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# `plots` is imported where something is drawn: it brings Matplotlib, and `import keras_ae` must not wait for that.


class _Visualizer(keras.callbacks.Callback, ABC):
    """Draws every few epochs into numbered PNG files, and joins each kind into a GIF at the end of training."""

    def __init__(self, x: np.ndarray | dict | None, *, folder: str | os.PathLike, every: int, gif: bool):
        super().__init__()
        self.x = None if x is None else checked_examples(x)
        self.folder = Path(folder)
        self.every = checked_least("every", every)
        self.gif = gif
        self._done_before = None
        self._drawn = {}

    @abstractmethod
    def draw(self, epoch: int) -> None:
        """Draw and save the pictures of an epoch, counted from 1."""

    def on_train_begin(self, logs: dict | None = None) -> None:
        """Forget the pictures of an earlier `fit`."""
        self._done_before = None
        self._drawn = {}

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        """Note how many epochs an earlier run has done: the first `epoch`, however the run was resumed."""
        if self._done_before is None:
            self._done_before = epoch

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        """Draw when it is time to."""
        if (epoch + 1) % self.every == 0:
            self.draw(epoch + 1)

    def on_train_end(self, logs: dict | None = None) -> None:
        """Join the pictures of each kind, those of the run that this one resumes included."""
        if not self.gif:
            return
        from keras_ae import plots

        for kind, drawn in self._drawn.items():
            plots.animate([*self._earlier(kind), *drawn], self.folder / f"{kind}.gif")

    def _save(self, figure: "Figure", kind: str, epoch: int) -> None:
        from keras_ae import plots

        path = plots.save(figure, self.folder / f"{kind}-{epoch:04d}.png")
        self._drawn.setdefault(kind, []).append(path)

    def _earlier(self, kind: str) -> list[Path]:
        # By number, not all there is: the folder may hold later epochs of a run that was thrown away.
        numbered = ((re.fullmatch(rf"{kind}-(\d+)\.png", path.name), path) for path in self.folder.iterdir())
        found = sorted((int(match[1]), path) for match, path in numbered if match)
        return [path for epoch, path in found if epoch <= self._done_before]

    def _is_finite(self, values: np.ndarray, epoch: int) -> bool:
        """Whether there is something to draw. A picture is not worth ending a long training for."""
        if np.isfinite(values).all():
            return True
        warnings.warn(
            f"{type(self).__name__} drew nothing at epoch {epoch}: the model gives NaN or infinite values. "
            "Training has diverged; lower the learning rate or set clipnorm.",
            stacklevel=2,
        )
        return False


class LatentVisualizer(_Visualizer):
    """The latent space during training: `latents-0001.png`, ... and `latents.gif` of them at the end.

    Two latent dimensions are drawn as they are, more of them in the plane of their largest variance, held steady from
    picture to picture; the axes only ever grow. For two dimensions there is also `latent-grid-0001.png`, what the
    plane decodes to: at normal quantiles for a Gaussian posterior, else over the range of the data's latents; where
    inputs stand beside x, those of the first example hold for all of the grid. When training is resumed
    (`initial_epoch`), the pictures of the epochs before join the GIF.

    Args:
        x: examples to encode, (n, ...), or a dict of them and of inputs beside them; some thousand are enough.
        labels: their classes or a quantity, (n,), to colour them by.
        folder: where the files go; made if missing.
        every: epochs from one picture to the next.
        grid: decoded points along each side of the grid.
        gif: whether to join the pictures at the end of training.

    Raises:
        ValueError: `x` is empty or not finite, `labels` are not one an example, `every` < 1 or `grid` < 2.
    """

    def __init__(
        self,
        x: np.ndarray | dict,
        labels: np.ndarray | None = None,
        *,
        folder: str | os.PathLike,
        every: int = 1,
        grid: int = 15,
        gif: bool = True,
    ):
        super().__init__(x, folder=folder, every=every, gif=gif)
        self.labels = None if labels is None else np.asarray(labels)
        count = len(x_of(self.x))
        if self.labels is not None and self.labels.shape != (count,):
            raise ValueError(f"labels must be one an example, ({count},), not {self.labels.shape}.")
        self.grid = checked_least("grid", grid, least=2)
        self._plane = None
        self._limits = None

    def draw(self, epoch: int) -> None:
        """Draw and save the pictures of an epoch, counted from 1."""
        from keras_ae import plots

        z = self.model.encode(self.x)
        z = z.reshape(len(z), -1)
        if not self._is_finite(z, epoch):
            return
        if z.shape[1] > 2:
            self._plane = plots.principal_plane(z, self._plane)
        has_prior = self.model.can_sample
        if self._limits is None and has_prior:
            self._limits = ((-3.0, 3.0),) * min(z.shape[1], 2)  # Where the prior lies: the posterior will fill it.
        self._limits = _grown(self._limits, z if self._plane is None else self._plane.project(z))
        title = f"epoch {epoch}"
        figure = plots.latent_scatter(z, self.labels, title=title, plane=self._plane, limits=self._limits)
        self._save(figure, "latents", epoch)
        if z.shape[1] == 2:
            values_x, values_y = self._grid_values(z, has_prior)
            points = np.stack(np.meshgrid(values_x, values_y), axis=-1).reshape(-1, 2).astype("float32")
            takers = self.model.spec.beside("decoder", "likelihood")
            batch = checked_batch(rows_of(self.x, slice(1)), self.model.spec) if takers else {}
            beside = {row.name: batch[row.name][0] for row in takers}
            codes = points.reshape(-1, *self.model.spec.code_shape)
            images = np.asarray(self.model.decode(codes, **beside))
            if self._is_finite(images, epoch):
                data_range = plots.value_range(x_of(self.x))
                figure = plots.latent_grid(images, values_x, values_y, title=title, data_range=data_range)
                self._save(figure, "latent-grid", epoch)

    def _grid_values(self, z: np.ndarray, variational: bool) -> tuple[np.ndarray, np.ndarray]:
        """Values of z 1 and of z 2, `grid` of each."""
        if variational:
            quantiles = np.array([NormalDist().inv_cdf(p) for p in np.linspace(0.05, 0.95, self.grid)])
            return quantiles, quantiles
        # Without the outermost percents: a single outlier would leave the grid mostly empty.
        low, high = np.percentile(z, [1, 99], axis=0)
        return tuple(np.linspace(low, high, self.grid).T)


class ReconstructionVisualizer(_Visualizer):
    """Originals and reconstructions during training: `reconstructions-0001.png`, ...

    A model with a corruption shows the corrupted inputs between them and reconstructs from those; they are the same in
    each picture.

    Args:
        x: examples, (n, ...), or a dict of them and of inputs beside them; the first `n` are drawn.
        folder: where the files go; made if missing.
        every: epochs from one picture to the next.
        n: how many examples.
        gif: whether to join the pictures into `reconstructions.gif` at the end of training.

    Raises:
        ValueError: `x` is empty or not finite, `every` < 1 or `n` < 1.
    """

    def __init__(
        self, x: np.ndarray | dict, *, folder: str | os.PathLike, every: int = 1, n: int = 10, gif: bool = False
    ):
        super().__init__(x, folder=folder, every=every, gif=gif)
        self.x = rows_of(self.x, slice(checked_whole("n", n)))

    def draw(self, epoch: int) -> None:
        """Draw and save the picture of an epoch, counted from 1."""
        from keras_ae import plots

        corrupts, x = self.model.spec.corruption is not None, x_of(self.x)
        inputs = np.asarray(self.model.corrupt(self.x, seed=0)) if corrupts else None
        x_hat = np.asarray(self.model.reconstruct(with_x(self.x, inputs) if corrupts else self.x))
        if self._is_finite(x_hat, epoch):
            figure = plots.reconstructions(x, x_hat, inputs=inputs, n=len(x), title=f"epoch {epoch}")
            self._save(figure, "reconstructions", epoch)


class SampleVisualizer(_Visualizer):
    """Samples during training: `samples-0001.png`, ..., a row for each class where the model takes classes.

    The codes are drawn from the prior by the same noise for each picture.

    Args:
        folder: where the files go; made if missing.
        every: epochs from one picture to the next.
        n: samples in a row; without classes, samples in all, eight in a row.
        seed: fixes the noise.
        gif: whether to join the pictures into `samples.gif` at the end of training.
        **inputs: what the model takes beside classes, by name, as `Autoencoder.sample` does; one value counts for all.
            Classes given are those that get a row.

    Raises:
        ValueError: `every` < 1 or `n` < 1; at the first picture, a model that cannot sample, or missing inputs.
    """

    def __init__(
        self, *, folder: str | os.PathLike, every: int = 1, n: int = 8, seed: int = 0, gif: bool = False, **inputs
    ):
        super().__init__(None, folder=folder, every=every, gif=gif)
        self.n, self.seed, self.inputs = checked_whole("n", n), seed, inputs

    def draw(self, epoch: int) -> None:
        """Draw and save the picture of an epoch, counted from 1."""
        from keras_ae import plots

        rows = self.model.sample_each(self.n, self.seed, **self.inputs)
        if self._is_finite(np.stack(list(rows.values())), epoch):
            self._save(plots.samples_by_class(rows, title=f"epoch {epoch}"), "samples", epoch)


def _grown(limits: tuple | None, points: np.ndarray) -> tuple[tuple[float, float], ...]:
    """Limits that hold all points and the limits before; grown with room to spare, so that they seldom change."""
    grown = []
    for axis, values in enumerate(points.T):
        low, high = float(values.min()), float(values.max())
        room = 0.1 * (high - low) or 1.0  # Equal latents, of a model that has just been made, need some width too.
        before = (np.inf, -np.inf) if limits is None else limits[axis]
        grown.append((before[0] if low >= before[0] else low - room, before[1] if high <= before[1] else high + room))
    return tuple(grown)
