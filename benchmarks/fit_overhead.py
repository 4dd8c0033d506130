"""`fit` against a bare hand-written loop of the same network, on each backend that is installed.

    python benchmarks/fit_overhead.py [--repeats 7] [--images 20000] [--batch 128] [--backends tensorflow jax torch]

Both train the same `conv_vae` (28x28x1, latent_dim 16) with Adam on the same arrays: `fit(x)` as a user calls it, with
its checks, shuffling, metrics and callbacks; and the loop of `loops.py` with Keras' Adam, as one writes it by hand. One
epoch of each in turn, the first one (compilation) left out; medians over the repeats and the spread between them.
Writes `results/fit_overhead.md`; `speed.py` has more networks, batch sizes and peers.
"""

import statistics

import harness

FLOOR = 0.9


def measure(arguments) -> dict:
    """Return images per second of both, epoch by epoch, on the backend of this process."""
    import keras
    import loops

    import keras_ae

    keras.utils.set_random_seed(0)
    x = harness.images(arguments.images)
    ours, theirs = keras_ae.build("conv_vae", seed=0), keras_ae.build("conv_vae", seed=0)
    optimizer = keras.optimizers.Adam()
    optimizer.build(theirs.trainable_variables)

    def fit():
        return float(ours.fit(x, batch_size=arguments.batch, epochs=1, verbose=0).history["loss"][0])

    bare = loops.bare(theirs, optimizer, x, arguments.batch)
    return harness.rates({"fit": fit, "bare": bare}, len(x), arguments.repeats)


def report(results: list[dict], arguments) -> str:
    """Return the table as Markdown."""
    lines = [
        "# fit against a bare loop",
        "",
        f"{harness.where(arguments)} The ratio is the median over rounds, each an epoch of both; its floor is {FLOOR}.",
        "",
        "| backend | fit | bare loop | ratio | loss of the last epoch, fit / bare | versions |",
        "|---|---|---|---|---|---|",
    ]
    for result in results:
        fit, bare = result["rates"]["fit"], result["rates"]["bare"]
        ratio = statistics.median(ours / theirs for ours, theirs in zip(fit, bare, strict=True))
        losses = f"{result['losses']['fit']:.1f} / {result['losses']['bare']:.1f}"
        cells = (result["backend"], harness.shown(fit), harness.shown(bare), f"{ratio:.3f}", losses)
        lines.append(f"| {' | '.join(cells)} | {harness.named(result['versions'])} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    options = harness.parser(__doc__.splitlines()[0]).parse_args()
    harness.run(measure, lambda results: report(results, options), options, "fit_overhead.md")
