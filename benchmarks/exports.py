"""What comes of an export, by format, model and backend: the largest difference at three batches, or the sentence.

    python benchmarks/exports.py [--backends tensorflow jax torch]

Five models, each with the activations "gelu" and "silu", and `conv_vae` of five shapes that no pooling divides, are
exported in every format of `Autoencoder.export`, their weights moved at random from where they start; the files are run
by their own runtimes (TensorFlow, ONNX Runtime, LiteRT, OpenVINO) and compared with `reconstruct`.
Writes `docs/exports.md`.
"""

import argparse
import tempfile
import warnings
from dataclasses import replace
from pathlib import Path

import harness
import numpy as np

SHAPES = ((250, 250, 3), (45, 30, 1), (31, 31, 1), (101, 2), (9, 10, 11, 1))
ENDINGS = {"tf_saved_model": "", "onnx": ".onnx", "litert": ".tflite", "openvino": ".xml", "torch": ".pt2"}


def specs(activation: str) -> dict:
    """Return the models' specs by name."""
    import keras_ae
    from keras_ae import Conv, Dense, Flatten, Gaussian, Norm, Spec

    group = (Conv(8, 4, 2, "linear"), Norm("group", 4), keras_ae.rows.Activation(activation), Flatten())
    found = {
        "ae": keras_ae.spec("ae", input_shape=(14, 14, 1)),
        "conv_ae, 31x31": keras_ae.spec("conv_ae", input_shape=(31, 31, 1)),
        "conv_vae with group norm": Spec((16, 16, 1), (*group, Dense(32, activation)), Gaussian(4)),
        "U-Net": keras_ae.denoising_spec((16, 16, 1), widths=(8, 16)),
        "sparse_ae": keras_ae.spec("sparse_ae", input_shape=(14, 14, 1), latent_dim=64),
    }
    if activation == "silu":
        found |= {f"conv_vae, {'x'.join(map(str, s))}": keras_ae.spec("conv_vae", input_shape=s) for s in SHAPES}
    return {name: replace(spec, encoder=_with(spec.encoder, activation)) for name, spec in found.items()}


def _with(rows: tuple, activation: str) -> tuple:
    """Return the rows with every "silu" replaced."""
    changed = []
    for row in rows:
        if getattr(row, "rows", None):
            row = replace(row, rows=_with(row.rows, activation))
        changed.append(replace(row, activation=activation) if getattr(row, "activation", "") == "silu" else row)
    return tuple(changed)


def measure(_) -> dict:
    """Return what came of every export on the backend of this process."""
    import keras_ae
    from keras_ae.train_step import exported

    warnings.simplefilter("ignore")
    table = {}
    for activation in ("gelu", "silu"):
        for name, spec in specs(activation).items():
            model = keras_ae.build(spec, seed=0)
            rng = np.random.default_rng(1)
            for variable in model.trainable_variables:
                variable.assign(variable.numpy() + 0.05 * rng.standard_normal(variable.shape))
            x = np.random.default_rng(0).random((64, *spec.input_shape), dtype="float32")
            cells = {}
            for kind, ending in ENDINGS.items():
                with tempfile.TemporaryDirectory() as folder:
                    path = Path(folder) / f"model{ending}"
                    try:
                        model.export(path, kind)
                        differences = []
                        for size in (1, 7, 64):
                            (x_hat,) = exported.run(kind, path, x[:size]).values()
                            differences.append(float(np.abs(x_hat - model.reconstruct(x[:size])).max()))
                        cells[kind] = f"{max(differences):.1e}"
                    except (ValueError, ImportError) as error:
                        cells[kind] = str(error).partition(" What the writer says")[0]
            table[f"{name}, {activation}"] = cells
    return {"table": table}


def report(results: list[dict]) -> str:
    """Return the page as Markdown."""
    sentences = harness.Sentences()

    def cell(text: str) -> str:
        if "e-" in text[:8] or text.startswith("0.0e"):
            return text
        return sentences.cell(text)

    lines = [
        "# Exports",
        "",
        "`model.export(path, format, part=...)` writes a file that runs without Keras, runs it by its own runtime on "
        "batches of 1, 7 and 64, and gives it its name when its outputs equal the model's. On JAX and PyTorch "
        "TensorFlow writes it, in a process of its own.",
        "",
        'With `part="encoder"` the outputs are `z_mean` and `z_log_var`, or `z`; with `part="decoder"` and without a '
        "part `x_hat`. LiteRT files have these names in their signature, `interpreter.get_signature_runner()`; the "
        "order of `get_output_details()` says nothing. What a model takes beside x, such as labels, is an input of "
        "the file by its name, labels as int32.",
        "",
        "Written by `python benchmarks/exports.py`: the largest difference from `reconstruct` at batches of 1, 7 and "
        "64, or the number of the sentence that `export` raises. Weights are moved at random from where they "
        "start, where much is 0.",
        "",
        f"| model, activation | backend | {' | '.join(ENDINGS)} |",
        f"|---|---|{'---|' * len(ENDINGS)}",
    ]
    for name in results[0]["table"]:
        for result in results:
            cells = " | ".join(cell(text) for text in result["table"][name].values())
            lines.append(f"| {name} | {result['backend']} | {cells} |")
    return "\n".join(lines) + "\n" + sentences.below(results)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--backends", nargs="*", default=["tensorflow", "jax", "torch"])
    options.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    harness.run(measure, report, options.parse_args(), "../../docs/exports.md")
