import csv

import matplotlib.pyplot
import numpy as np
import pytest
from PIL import Image
from sklearn.decomposition import PCA

from keras_ae import plots

RNG = np.random.default_rng(0)
IMAGES = RNG.uniform(size=(12, 8, 8, 1)).astype("float32")
LATENTS = RNG.normal(size=(60, 5)) * [1, 5, 2, 0.1, 3]
KINDS = {
    "grey": (6, 28, 28, 1),
    "rgb": (6, 16, 12, 3),
    "many channels": (6, 8, 8, 5),
    "volume": (6, 4, 8, 8, 1),
    "series": (6, 50, 2),
    "spectrogram": (6, 30, 20),
    "vector": (6, 12),
    "large": (6, 300, 200, 1),
}


def read(path):
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def pixels(figure, tmp_path):
    return read(plots.save(figure, tmp_path / "picture.png"))


def rgb(colour):
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255


def assert_nothing_is_cut_off(figure):
    figure.draw_without_rendering()
    box, (width, height) = figure.get_tightbbox(), figure.get_size_inches()
    assert box.x0 >= 0 and box.y0 >= 0 and box.x1 <= width and box.y1 <= height


@pytest.mark.parametrize("shape", KINDS.values(), ids=KINDS.keys())
def test_every_kind_of_data_fits_its_picture(shape):
    x = RNG.uniform(size=shape)
    values = [0.0, 1.0, 2.0]
    for figure in (
        plots.reconstructions(x, 0.5 * x, inputs=x + 1, n=4, title="epoch 1"),
        plots.compared({"clean": x, "a rather long label of a method": x + 1, "denoised": 0.5 * x}, title="methods"),
        plots.samples(x, columns=4, title="A heading that is much wider than the few examples below it are"),
        plots.interpolations(np.stack([x, x]), title="walks"),
        plots.latent_grid(x, values, values[:2], title="grid"),
    ):
        assert_nothing_is_cut_off(figure)


def test_images_are_drawn_pixel_by_pixel(tmp_path):
    page = pixels(plots.samples(IMAGES[:2], columns=1), tmp_path)
    blocks = np.round(255 * IMAGES[0, :, :, 0]).astype("uint8").repeat(10, 0).repeat(10, 1)
    np.testing.assert_allclose(page[12:92, 12:92, 0], blocks, atol=1)
    assert page.shape == (12 + 80 + 6 + 80 + 12, 12 + 80 + 12, 3)


def test_rows_of_reconstructions_share_the_range_of_the_originals(tmp_path):
    x = np.linspace(0, 8, 64).reshape(1, 8, 8, 1)
    figure = plots.reconstructions(x, np.full_like(x, 4.0), inputs=np.full_like(x, 99.0))
    page = pixels(figure, tmp_path)
    column = page[:, -20, 0]  # Through the last pixels of the three rows.
    assert column[12:92].max() == 255 and set(column[98:178]) == {255} and set(column[184:264]) == {127}
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [
        "original",
        "corrupted",
        "reconstruction",
    ]


def test_bytes_and_floats_look_the_same(tmp_path):
    as_bytes = np.round(255 * IMAGES).astype("uint8")
    np.testing.assert_array_equal(
        pixels(plots.samples(as_bytes), tmp_path), pixels(plots.samples(as_bytes / 255), tmp_path)
    )


def test_volumes_show_their_middle_slice_and_channels_their_mean(tmp_path):
    volume, layers = RNG.uniform(size=(2, 5, 8, 8, 1)), RNG.uniform(size=(2, 8, 8, 5))
    for x, image in ((volume, volume[:, 2]), (layers, layers.mean(-1, keepdims=True))):
        np.testing.assert_array_equal(pixels(plots.samples(x), tmp_path), pixels(plots.samples(image), tmp_path))


def test_value_range_is_that_of_pixels_where_they_fit():
    assert plots.value_range(IMAGES) == (0, 1)
    assert plots.value_range(1.2 * IMAGES - 0.1) == (0, 1)
    assert plots.value_range(np.array([[[[-3.0]], [[4.0]]]])) == (-3, 4)
    assert plots.value_range(np.array([[-3.0, 4.0]])) == (-3, 4)


def test_a_series_reaches_the_top_and_the_bottom_of_its_cell():
    lines = plots.samples(np.array([[[0.0], [1.0]], [[1.0], [3.0]]])).axes[0].collections[1].get_segments()
    height, pad = 60, 0.06 * 60
    np.testing.assert_allclose([lines[0][0, 1], lines[1][-1, 1]], [height - pad, pad])


def test_latent_grid_puts_the_first_row_at_the_bottom(tmp_path):
    images = np.stack([np.full((8, 8, 1), value) for value in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)])
    figure = plots.latent_grid(images, [-1.0, -1e-9, 1.0], [-2.0, 2.0])
    # An unequal number of rows and columns shows a transposed grid.
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["-1.00", "0.00", "1.00"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["2.00", "-2.00"]
    page, (left, bottom, width, height) = pixels(figure, tmp_path), figure.axes[0].get_position().bounds
    first = page[int(page.shape[0] * (1 - bottom)) - 10, int(page.shape[1] * left) + 10]
    last = page[int(page.shape[0] * (1 - bottom - height)) + 10, int(page.shape[1] * (left + width)) - 10]
    assert first.tolist() == [0, 0, 0] and last.tolist() == [255, 255, 255]


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (lambda: plots.samples(IMAGES[:0]), "at least one example"),
        (lambda: plots.samples(np.full((2, 4, 4, 1), np.nan)), "NaN or infinite"),
        (lambda: plots.samples(IMAGES, columns=0), "columns must be at least 1"),
        (lambda: plots.reconstructions(IMAGES, IMAGES[:5]), "same shape"),
        (lambda: plots.reconstructions(IMAGES, IMAGES, n=0), "n must be at least 1"),
        (lambda: plots.interpolations(IMAGES[:, :1]), "2 steps or more"),
        (lambda: plots.latent_grid(IMAGES, [0.0], [0.0]), "one example a point"),
        (lambda: plots.latent_scatter(LATENTS[0]), "latent_dim"),
        (lambda: plots.latent_scatter(LATENTS * np.nan), "NaN or infinite"),
        (lambda: plots.latent_scatter(LATENTS, np.zeros(3)), "labels must have shape"),
        (lambda: plots.latent_scatter(LATENTS, np.full(60, np.nan)), "no colour"),
        (lambda: plots.latent_scatter(LATENTS, np.arange(60).astype(str)), "60 classes"),
        (lambda: plots.latent_scatter(LATENTS[:, :3], plane=plots.principal_plane(LATENTS)), "latent_dim 5"),
        (lambda: plots.principal_plane(LATENTS[:1]), "2 examples"),
        (lambda: plots.principal_plane(LATENTS[:, :3], plots.principal_plane(LATENTS)), "latent_dim 5"),
        (lambda: plots.history({}), "at least one epoch"),
        (lambda: plots.history({"loss": [1.0], "kl": [1.0, 2.0]}), "one value an epoch"),
        (lambda: plots.history({"loss": [1.0]}, terms=["kl"]), "the terms are"),
    ],
)
def test_what_cannot_be_drawn_is_refused_in_words(draw, words):
    with pytest.raises(ValueError, match=words):
        draw()


def test_principal_plane_is_that_of_sklearn():
    plane, pca = plots.principal_plane(LATENTS), PCA(2).fit(LATENTS)
    np.testing.assert_allclose(np.abs(np.sum(plane.axes * pca.components_, axis=1)), 1)
    np.testing.assert_allclose(plane.explained, pca.explained_variance_ratio_)
    np.testing.assert_allclose(np.abs(plane.project(LATENTS)), np.abs(pca.transform(LATENTS)))
    assert plane.labels()[0] == f"PC 1 ({pca.explained_variance_ratio_[0]:.0%} of variance)".replace("%", " %")


def test_principal_plane_keeps_signs_and_order():
    plane = plots.principal_plane(LATENTS)
    flipped = plots.Plane(plane.mean, -plane.axes, plane.explained, plane.components)
    np.testing.assert_allclose(plots.principal_plane(LATENTS, flipped).axes, -plane.axes)
    grown = LATENTS * [1, 0.5, 1, 1, 3]  # Now the fifth dimension varies most, the second comes next.
    kept = plots.principal_plane(grown, plane)
    assert kept.components == (2, 1) and kept.labels()[0].startswith("PC 2")
    assert (np.sum(kept.axes * plane.axes, axis=1) > 0.9).all()


def test_equal_latents_have_a_plane_that_explains_nothing():
    assert plots.principal_plane(np.ones((5, 3))).explained.tolist() == [0, 0]


@pytest.mark.parametrize("latent_dim", [1, 2, 5])
@pytest.mark.parametrize(
    "labels",
    [
        None,
        np.arange(60) % 15,
        np.where(np.arange(60) < 9, "Trouser", "T-shirt/top"),
        np.linspace(0, 1, 60),
        np.arange(60),
    ],
    ids=["none", "numbers", "names", "continuous", "counts"],
)
def test_latent_scatter_of_all_kinds_fits_its_picture(latent_dim, labels):
    figure = plots.latent_scatter(LATENTS[:, :latent_dim], labels, title="epoch 10", limits=((-9, 9), (-4, 99)))
    assert_nothing_is_cut_off(figure)
    assert figure.axes[0].get_xlim() == (-9, 9)
    assert latent_dim == 1 or figure.axes[0].get_ylim() == (-4, 99)


def test_latent_scatter_draws_each_point_in_the_colour_of_its_class():
    classes = np.repeat([3, 7], 30)
    axes = plots.latent_scatter(LATENTS[:, :2], classes).axes[0]
    handles, names = axes.get_legend().legend_handles, [text.get_text() for text in axes.get_legend().get_texts()]
    assert names == ["3", "7"]
    points = axes.collections[0]
    for handle, number in zip(handles, (3, 7), strict=True):
        own = np.all(points.get_facecolors()[:, :3] == rgb(handle.get_color()), axis=1)
        drawn = np.asarray(points.get_offsets())[own]
        np.testing.assert_allclose(np.sort(drawn, axis=0), np.sort(LATENTS[classes == number, :2], axis=0))


def test_history_reads_a_csv_file_a_mapping_and_rows_alike(tmp_path):
    rows = [{"epoch": i, "loss": 3.0 - i, "val_loss": 3.5 - i, "kl": 1.0, "val_kl": "NA"} for i in range(3)]
    with open(tmp_path / "log.csv", "w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    for source in (tmp_path / "log.csv", rows, {key: [row[key] for row in rows] for key in rows[0]}):
        loss, kl = plots.history(source).axes
        assert (loss.get_title("left"), kl.get_title("left"), kl.get_ylabel()) == ("loss", "kl", "nats")
        assert [line.get_label() for line in loss.lines] == ["train", "validation"]
        np.testing.assert_allclose(loss.lines[1].get_data(), ([1, 2, 3], [3.5, 2.5, 1.5]))
        assert len(kl.lines) == 1  # A column of "NA" is no curve.


def test_history_leaves_a_gap_where_the_loss_is_not_finite():
    figure = plots.history({"loss": [1.0, float("inf"), 2.0], "kl": [1, 2, 3]}, terms=["loss"], units={"loss": "nats"})
    (axes,) = figure.axes
    assert np.isnan(axes.lines[0].get_ydata()[1]) and axes.get_ylabel() == "nats"
    assert axes.lines[0].get_xdata().tolist() == [1, 2, 3]
    assert_nothing_is_cut_off(plots.history({"loss": [1.0]}, title="one epoch"))


def test_save_makes_folders_and_leaves_no_other_file(tmp_path):
    figure = plots.samples(IMAGES)
    path = plots.save(figure, tmp_path / "new" / "folder" / "samples.png")
    width, height = figure.get_size_inches() * figure.dpi
    assert read(path).shape == (round(height), round(width), 3)
    assert [file.name for file in path.parent.iterdir()] == ["samples.png"]
    with pytest.raises(ValueError, match="PNG"):
        plots.save(figure, tmp_path / "samples.pdf")


def test_save_that_fails_keeps_the_old_picture(tmp_path, monkeypatch):
    figure, path = plots.samples(IMAGES), tmp_path / "samples.png"
    plots.save(figure, path)
    before = path.read_bytes()

    def full_disk(target, **options):
        target.write_bytes(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(figure, "savefig", full_disk)
    with pytest.raises(OSError, match="No space"):
        plots.save(figure, path)
    assert path.read_bytes() == before and len(list(tmp_path.iterdir())) == 1


def test_animation_has_every_frame_in_order_and_its_time(tmp_path):
    paths = [plots.save(plots.samples(IMAGES[: i + 1]), tmp_path / f"{i}.png") for i in range(4)]
    with Image.open(plots.animate(paths, tmp_path / "all.gif", seconds_per_frame=0.2)) as gif:
        assert gif.n_frames == 4
        assert gif.size == read(paths[3]).shape[1::-1]
        times = []
        for frame in range(4):
            gif.seek(frame)
            times.append(gif.info["duration"])
        assert times == [200, 200, 200, 800]
        last = np.asarray(gif.convert("RGB"), "float64")
    assert np.abs(last - read(paths[3])).mean() < 2


def test_animation_refuses_what_it_cannot_do(tmp_path):
    path = plots.save(plots.samples(IMAGES), tmp_path / "0.png")
    with pytest.raises(ValueError, match="at least one PNG"):
        plots.animate([], tmp_path / "all.gif")
    with pytest.raises(ValueError, match=r"\.gif"):
        plots.animate([path], tmp_path / "all.mp4")
    with pytest.raises(ValueError, match="seconds_per_frame"):
        plots.animate([path], tmp_path / "all.gif", seconds_per_frame=0)


def test_a_picture_shows_itself_in_a_notebook():
    assert plots.samples(IMAGES)._repr_png_().startswith(b"\x89PNG")


def test_pyplot_knows_of_no_figure(tmp_path):
    plots.save(plots.samples(IMAGES), tmp_path / "samples.png")
    assert matplotlib.pyplot.get_fignums() == []


# Rows and sounds


def test_rows_are_compared_in_the_range_of_the_first(tmp_path):
    ours = pixels(
        plots.compared({"original": IMAGES, "corrupted": IMAGES + 2, "reconstruction": 0.5 * IMAGES}), tmp_path
    )
    theirs = pixels(plots.reconstructions(IMAGES, 0.5 * IMAGES, inputs=IMAGES + 2), tmp_path)
    np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ({}, {}, "rows is empty"),
        ({"a": IMAGES, "b": IMAGES[:5]}, {}, r"a has \(12, 8, 8, 1\), b \(5, 8, 8, 1\)"),
        ({"a": IMAGES}, {"n": 0}, "n must be at least 1"),
        ({"a": np.full((2, 8, 8, 1), np.nan)}, {}, "a row holds NaN"),
    ],
)
def test_rows_that_cannot_be_compared_are_refused(rows, options, message):
    with pytest.raises(ValueError, match=message):
        plots.compared(rows, **options)


def test_a_spectrogram_is_bright_where_the_sine_is(tmp_path):
    time = np.arange(16000) / 8000
    sines = {"low": np.sin(2 * np.pi * 500 * time), "high and soft": 0.01 * np.sin(2 * np.pi * 3000 * time)}
    figure = plots.spectrograms(sines, title="sines")
    assert_nothing_is_cut_off(figure)
    low, high, bar = figure.axes
    assert (low.get_xlabel(), low.get_ylabel(), bar.get_ylabel()) == ("time in s", "frequency in kHz", "level in dB")
    for axes, hertz, level in ((low, 500, 0), (high, 3000, -40)):
        (image,) = axes.images
        drawn, (left, right, bottom, top) = image.get_array(), image.get_extent()
        assert (left, right, bottom, top) == (0, 2, 0, 4)
        np.testing.assert_allclose(drawn.max(), level, atol=0.1)
        assert abs(drawn.mean(axis=1).argmax() / (len(drawn) - 1) * 4000 - hertz) < 16
        assert image.get_clim() == (-80, 0)


@pytest.mark.parametrize(
    ("waveforms", "options", "message"),
    [
        ({}, {}, "waveforms is empty"),
        ({"a": np.zeros((2, 100))}, {}, r"a must be \(samples,\).*shape \(2, 100\)"),
        ({"a": np.zeros(0)}, {}, r"a must be \(samples,\), one or more"),
        ({"a": np.array([np.inf])}, {}, "a must be .* finite"),
        ({"a": np.zeros(100)}, {"floor_db": 0}, "floor_db must be below 0, not 0"),
    ],
)
def test_what_is_no_sound_is_refused(waveforms, options, message):
    with pytest.raises(ValueError, match=message):
        plots.spectrograms(waveforms, **options)


def test_maps_stand_side_by_side_and_colour_labels_alike():
    rng = np.random.default_rng(0)
    labels = np.array(["cat", "dog"])[rng.integers(2, size=30)]
    maps = {"one": rng.normal(size=(30, 2)), "other": rng.normal(size=(30, 2))}
    picture = plots.latent_maps(maps, labels, title="two maps")
    assert [axes.get_title() for axes in picture.axes] == ["one", "other"]
    of_one, of_other = (axes.collections[0] for axes in picture.axes)
    np.testing.assert_array_equal(of_one.get_offsets(), maps["one"])
    np.testing.assert_array_equal(of_one.get_facecolors(), of_other.get_facecolors())
    assert len(np.unique(of_one.get_facecolors()[labels == "cat"], axis=0)) == 1
    assert [text.get_text() for text in picture.legends[0].get_texts()] == ["cat", "dog"]


@pytest.mark.parametrize(
    ("maps", "labels", "message"),
    [
        ({}, [0], "at least one method"),
        ({"one": np.zeros((3, 2))}, [0, 1], r"codes of 'one' must be \(2, 2\)"),
        ({"one": np.zeros((2, 3))}, [0, 1], r"codes of 'one' must be \(2, 2\)"),
        ({"one": np.full((2, 2), np.nan)}, [0, 1], "NaN"),
        ({"one": np.zeros((11, 2))}, np.arange(11), "at most 10 classes"),
        ({"one": np.zeros((2, 2))}, [0.5, 1], "at most 10 classes"),
    ],
)
def test_maps_that_cannot_be_drawn_are_refused(maps, labels, message):
    with pytest.raises(ValueError, match=message):
        plots.latent_maps(maps, labels)


def test_curves_over_labels_have_a_panel_a_data_set_and_a_colour_a_method():
    panels = {"one": {"raw": [0.5, 0.7], "code": [0.6, 0.8]}, "other": {"code": [0.1, 0.2, 0.3]}}
    picture = plots.label_curves(panels, {"one": [10, 100], "other": [1, 10, 5400]}, title="labels")
    first, second = picture.axes
    assert [axes.get_title() for axes in picture.axes] == ["one", "other"]
    np.testing.assert_array_equal(first.lines[1].get_xydata(), [[10, 0.6], [100, 0.8]])
    assert first.lines[1].get_color() == second.lines[0].get_color() != first.lines[0].get_color()
    assert [text.get_text() for text in second.get_xticklabels()] == ["1", "10", "5,400"]
    assert [text.get_text() for text in picture.legends[0].get_texts()] == ["raw", "code"]


@pytest.mark.parametrize(
    ("panels", "message"),
    [
        ({}, "at least one data set"),
        ({"one": {"raw": [0.5]}}, "'raw' on 'one' has 1 accuracies for 2 counts"),
        ({"one": {str(i): [0.5, 0.6] for i in range(11)}}, "There are 11 methods"),
    ],
)
def test_curves_that_cannot_be_drawn_are_refused(panels, message):
    with pytest.raises(ValueError, match=message):
        plots.label_curves(panels, {"one": [10, 100]})
