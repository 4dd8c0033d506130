"""Export: files that run without Keras, and that have been run before they get their name."""

import os
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import keras
import numpy as np

from keras_ae.builder import fresh
from keras_ae.feeding import rows_of
from keras_ae.spec import Spec
from keras_ae.train_step import exported

ENDINGS = {"tf_saved_model": "", "onnx": ".onnx", "litert": ".tflite", "openvino": ".xml"}
APART = ("openvino",)  # Its library may end the process, where a model does not convert.
BATCHES = (1, 7, 64)
TOLERANCE = 1e-4


class Exporting:
    """What an `Autoencoder` is exported with."""

    def export(
        self, filepath, format: str = "tf_saved_model", *, part: str | None = None, alone: bool = False, **options
    ):
        """Write the reconstruction, or a part, as a file that runs without Keras; nothing in it is drawn.

        The file is run by the runtime of its format, where that is installed, on batches of 1, 7 and 64, and gets its
        name when its outputs equal the model's, by 1e-4 of their range; else one notice says that it was not run. It is
        computed in float32. An older file stays until then. Files are written by TensorFlow; where Keras runs on
        another backend, and for "openvino" always, in a process of its own that has the weights.

        Args:
            filepath: a folder for "tf_saved_model", else a file: `.onnx`, `.tflite` for "litert", or `.xml` for
                "openvino", beside which lies a `.bin`.
            format: "tf_saved_model", "onnx", "litert" or "openvino".
            part: None for x -> `x_hat`; "encoder" for x -> `z_mean` and `z_log_var`, or `z`, beside which stand the
                `indices` of a discrete code; "decoder" for z -> `x_hat`. x is float32, images in [0, 1]. Outputs have
                these names; LiteRT's are in alphabetic order.
                What the spec has as `inputs` beside x or z is an input of the file by its name, labels as int32.
            alone: this process does nothing else; used where a format's writer is given a process of its own.
            **options: of `keras.Model.export`, for the format.

        Raises:
            ValueError: an unknown part or format, another ending; a file whose outputs are not the model's.
            ImportError: the packages of the format are missing.
        """
        if part not in (None, "encoder", "decoder"):
            raise ValueError(f'part must be None, "encoder" or "decoder", got {part!r}.')
        _check_target(filepath, format)
        target = Path(filepath).absolute()
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as folder:
            temporary = Path(folder) / target.name
            if keras.backend.backend() != "tensorflow" or (format in APART and not alone):
                self._export_apart(temporary, format, part, options)
            else:
                self._export_here(temporary, format, part, options)
            _move(temporary, target)

    def _export_here(self, temporary: Path, format: str, part: str | None, options: dict) -> None:
        model, inputs = self._twin().named_part(part), self._example(part)
        expected = {name: keras.ops.convert_to_numpy(value) for name, value in model(inputs).items()}
        try:
            exported.write(model, format, temporary, sorted(expected), **options)
            _check(format, temporary, inputs, expected)
        except ImportError:
            raise
        except Exception as error:
            said = " ".join(str(error).split())[:300] or type(error).__name__
            raise ValueError(
                f'{type(self).__name__} cannot be exported as "{format}"; nothing was written. '
                f'format="tf_saved_model" takes every layer. What the writer says: {said}'
            ) from error

    def named_part(self, part: str | None) -> keras.Model:
        """The model, or its encoder or decoder, with outputs by name."""
        if part == "encoder":
            return keras.Model(self.encoder.input, self.latent.exported(self.encoder.output), name="encoder")
        whole = self if part is None else self.decoder
        entry = fresh(whole.input)
        return keras.Model(entry, {"x_hat": whole(entry)}, name=part or self.name)

    def _twin(self):
        """The same model in float32, so that an export changes nothing of this one."""
        twin = type(self)(self.spec, seed=0, dtype="float32", draw=False)
        for variable, other in zip(twin.variables, self.variables, strict=True):
            variable.assign(keras.ops.convert_to_numpy(other).astype(variable.dtype))
        return twin

    def _example(self, part: str | None) -> np.ndarray | dict:
        """A batch to try a part on: an array, or a dict where the part takes inputs beside x or z."""
        first, shape = ("z", self.spec.code_shape) if part == "decoder" else ("x", self.spec.input_shape)
        rng = np.random.default_rng(0)
        draw = rng.standard_normal if part == "decoder" else rng.random
        values = draw((max(BATCHES), *(side or 32 for side in shape)), dtype="float32")
        takers = {"encoder": ("encoder",), "decoder": ("decoder", "likelihood")}
        rows = self.spec.inputs if part is None else self.spec.beside(*takers[part])
        beside = {row.name: row.drawn(max(BATCHES), rng) for row in rows}
        return {first: values} | beside if beside else values

    def _export_apart(self, temporary: Path, format: str, part: str | None, options: dict) -> None:
        """Let TensorFlow export in a process of its own, from files of the spec, the weights and the outputs."""
        if not type(self).__module__.startswith("keras_ae."):
            raise ValueError(
                f"export(format={format!r}) is done here by TensorFlow in a process of its own, which does not know "
                f"{type(self).__name__}. Load its weights under KERAS_BACKEND=tensorflow, and export there, as "
                '"tf_saved_model", "onnx" or "litert".'
            )
        if options:
            raise ValueError(
                f"export({', '.join(options)}): options need KERAS_BACKEND=tensorflow here. Leave them out."
            )
        if not exported.has_runtime("tf_saved_model"):
            raise ImportError("export: TensorFlow writes the files, and is not installed: pip install tensorflow.")
        twin = self._twin()
        outputs = twin.named_part(part)(self._example(part))
        with tempfile.TemporaryDirectory() as folder:
            spec, weights, values = (Path(folder) / name for name in ("spec.json", "model.weights.h5", "outputs.npz"))
            twin.save_weights(weights)
            spec.write_text(self.spec.to_json())
            np.savez(values, **{name: keras.ops.convert_to_numpy(value) for name, value in outputs.items()})
            finished = subprocess.run(
                [sys.executable, "-c", "from keras_ae.exporting import main; main()"]
                + [str(each) for each in (spec, weights, temporary, format, part or "", values)],
                env=os.environ | {"KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"},
                capture_output=True,
                text=True,
            )
        if finished.returncode < 0:
            raise ValueError(
                f'{type(self).__name__} cannot be exported as "{format}"; nothing was written. '
                'format="tf_saved_model" takes every layer. The writer of the format ended its process.'
            )
        if finished.returncode:
            said = [line for line in finished.stderr.splitlines() if ": " in line] or ["ValueError: no reason given"]
            kind, _, sentence = said[-1].partition(": ")
            raise (ImportError if kind in ("ImportError", "ModuleNotFoundError") else ValueError)(sentence)


def _check_target(filepath, format: str) -> None:
    if format == "torch":
        raise ValueError(
            'format="torch": Keras 3.15 fixes the batch of such files at 1. Export "onnx", which PyTorch\'s users run '
            "with onnxruntime at any batch."
        )
    if format not in ENDINGS:
        raise ValueError(f"format must be one of {', '.join(map(repr, ENDINGS))}, got {format!r}.")
    ending, target = ENDINGS[format], Path(filepath)
    if ending and target.suffix != ending:
        raise ValueError(f"export(format={format!r}) writes {ending}, not {target.name!r}.")
    if not target.absolute().parent.is_dir():
        raise ValueError(f"There is no folder {target.absolute().parent} to export to.")


def _check(format: str, path: Path, inputs: np.ndarray | dict, expected: dict) -> None:
    """Raise where the file gives other outputs than the model."""
    if not exported.has_runtime(format):
        package = exported.RUNTIMES[format]
        warnings.warn(f"The file was not run: {package} is not installed.", stacklevel=3)
        return
    for size in BATCHES:
        found = exported.run(format, path, rows_of(inputs, slice(size)))
        for name, values in expected.items():
            difference = np.abs(found[name] - values[:size]).max()
            if not difference <= TOLERANCE * max(1, np.abs(values).max()):
                raise ValueError(
                    f"at a batch of {size} the file's {name} differs by {difference:.2g} from the model's."
                )


def _move(temporary: Path, target: Path) -> None:
    """Give what was written its name; what had it before goes."""
    if temporary.is_dir():
        older = temporary.with_name("older")  # It goes with the folder that it lies in.
        if target.exists():
            os.replace(target, older)
        os.replace(temporary, target)
        return
    for path in sorted(temporary.parent.glob(f"{temporary.stem}.*")):
        os.replace(path, target.with_name(path.name))


def main() -> None:
    """Export from files: spec, weights, target, format, part, and the outputs that the model gave elsewhere."""
    from keras_ae import registry

    spec, weights, target, format, part, outputs = sys.argv[1:]
    model = registry.build(Spec.from_json(Path(spec).read_text()), seed=0)
    model.load_weights(weights)
    expected = np.load(outputs)
    found = model.named_part(part or None)(model._example(part or None))
    for name, values in expected.items():
        difference = np.abs(keras.ops.convert_to_numpy(found[name]) - values).max()
        if not difference <= TOLERANCE * max(1, np.abs(values).max()):
            raise ValueError(f"TensorFlow's {name} differs by {difference:.2g} from the model's.")
    model.export(target, format, part=part or None, alone=True)


if __name__ == "__main__":
    main()
