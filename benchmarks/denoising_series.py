"""Series: RMSE of each method on sensors of a simulated machine."""

import classical
import numpy as np
from denoising_rows import best_setting, shown, table, timed

import keras_ae
from keras_ae import GaussianNoise, corrupted

STEPS, SIGMA, MASSES = 64, 0.5, 4
EPOCHS, TRAINED, SEEN, TESTED = 40, 8000, 400, 1000
OURS = "**denoising_ae**"


def sensors(count: int, seed: int) -> np.ndarray:
    """Return windows of a chain of masses between springs: (count, STEPS, 2 * MASSES) float32, standardised.

    m x_i'' = k (x_(i-1) - 2 x_i + x_(i+1)) - c x_i', both ends held, with m = k = 1 and c = 0.1; a random force of a
    correlation time of 1 drives the first mass. Sensors read all positions and velocities every 0.2.
    """
    from scipy.signal import cont2discrete, dlsim

    springs = np.eye(MASSES, k=1) - 2 * np.eye(MASSES) + np.eye(MASSES, k=-1)
    a = np.block([[np.zeros((MASSES, MASSES)), np.eye(MASSES)], [springs, -0.1 * np.eye(MASSES)]])
    a = np.pad(a, [(0, 1), (0, 1)])  # The last state is the force: f' = -f + white noise.
    a[MASSES, -1], a[-1, -1] = 1, -1
    b = np.eye(2 * MASSES + 1)[:, -1:]
    system = cont2discrete((a, b, np.eye(len(a)), np.zeros_like(b)), 0.2)
    noise = np.random.default_rng(seed).standard_normal((count * STEPS, 1))
    states = dlsim(system, noise)[1][:, :-1]
    return (states / states.std(axis=0)).astype("float32").reshape(count, STEPS, 2 * MASSES)


def of_seed(small: bool, seed: int) -> dict:
    """Return `{"rmse": {method: value}, "settings": {method: text}}`."""
    train, seen, x = (sensors(count, 3 * seed + place) for place, count in enumerate((TRAINED, SEEN, TESTED)))
    noise = GaussianNoise(SIGMA)
    noisy, tried = corrupted(x, noise, seed=seed), corrupted(seen, noise, seed=1000 + seed)
    found, settings = {"noisy": noisy}, {}
    for name, (method, grid) in classical.SERIES.items():
        setting = best_setting(method, grid, seen, tried)
        settings[name] = ", ".join(f"{key} {value}" for key, value in setting.items())
        found[name] = method(noisy, **setting)
    model = keras_ae.build("denoising_ae", input_shape=x.shape[1:], strength=SIGMA, seed=seed)
    model.fit(train, epochs=2 if small else EPOCHS, validation_data=seen, verbose=2)
    found[OURS] = model.reconstruct(noisy)
    rmse = {name: float(np.sqrt(np.mean(np.square(x_hat - x)))) for name, x_hat in found.items()}
    return {"rmse": rmse, "settings": settings}


def section(arguments, kept) -> tuple[list[str], float]:
    """Measure what is not kept; return the lines of the section, and the seconds that it took."""
    numbers = [kept.get(f"series/{seed}", timed, of_seed, arguments.small, seed) for seed in arguments.seeds]
    cells = {
        name: [shown([one["rmse"][name] for one in numbers], 4), numbers[0]["settings"].get(name, "")]
        for name in ("noisy", *classical.SERIES, OURS)
    }
    lines = [
        "## Series",
        "",
        f"RMSE over {TESTED:,} windows of {STEPS} steps by {2 * MASSES} sensors (positions and velocities of {MASSES} "
        f"masses in a chain of springs, simulated, of standard deviation 1), white noise of {SIGMA}. The classical "
        f"methods, which treat each sensor alone, have the settings that are best on {SEEN} validation windows; those "
        "of the first seed are shown. Ours: a dense `denoising_ae` on all sensors together, trained on "
        f"{TRAINED:,} windows for {EPOCHS} epochs.",
        "",
        *table("method", ["RMSE", "settings"], cells),
    ]
    return lines, sum(one["seconds"] for one in numbers)
