"""Saving and loading of autoencoders: whole files, on any backend, nothing half-loaded."""

import json
import os
from functools import partial
from math import prod

import h5py
import keras
import numpy as np
from keras import ops

from keras_ae import digests, sharding
from keras_ae.files import replacing, reserve
from keras_ae.spec import Spec


class SavesWhole:
    """A `keras.Model` whose file is whole, ends in a digest, and has the one ending that Keras reads back."""

    def alone(self, action):
        """Return `action()`; under a strategy other processes need not take part."""
        return action()

    def save(self, filepath, overwrite: bool = True, **options) -> None:
        """Save model, optimiser and random state as one `.keras` file; a failure leaves an older file as it was.

        Raises:
            ValueError: another ending than `.keras`.
            FileExistsError: the file exists and `overwrite` is False.
        """
        if str(filepath).startswith("hf://") or options.get("zipped") is False:  # A folder, which Keras writes.
            self.alone(partial(super().save, filepath, overwrite=overwrite, **options))
            return
        _check_ending("save", filepath, ".keras", "save_weights writes weights alone, as .weights.h5")
        _check_overwrite(filepath, overwrite)
        with replacing(filepath) as temporary:
            self.alone(partial(super().save, temporary, **options))
            digests.sign(temporary)


class Saving(SavesWhole):
    """What an `Autoencoder` writes and reads. Nothing is pickled; files load with `safe_mode=True`."""

    def get_config(self) -> dict:
        """Return what rebuilds the model: spec, seed, name and dtype policy."""
        return {
            "spec": self.spec.to_dict(),
            "seed": self.seed,
            "name": self.name,
            "dtype": self.policy.name,
            "trainable": self.trainable,
        }

    @classmethod
    def from_config(cls, config: dict, custom_objects=None):
        """Rebuild a model from `get_config`."""
        return cls(**{**config, "spec": Spec.from_dict(config["spec"])})

    def get_compile_config(self) -> dict:
        """Return how the model is compiled, and whether its optimiser has any state yet."""
        config = super().get_compile_config()
        if config and "optimizer" not in config:
            # Keras 3.15: keras.saving.save_model(model, "x.h5") takes it out for good; tests/test_damaged_files.py.
            config["optimizer"] = keras.saving.serialize_keras_object(self.optimizer)
        return config and config | {"optimizer_built": self.optimizer.built}

    def compile_from_config(self, config: dict) -> None:
        """Compile as the saved model was; what names a backend is left out, so that files travel between them."""
        left_out = ("jit_compile", "loss", "loss_weights", "optimizer_built")
        built = config.get("optimizer_built", True)
        config = {name: value for name, value in config.items() if name not in left_out}
        config["optimizer"] = _of_any_backend(config["optimizer"])
        self.compile(**keras.saving.deserialize_keras_object(config))
        if built:
            self.optimizer.build(self.trainable_variables)

    def save_weights(self, filepath, overwrite: bool = True, max_shard_size=None) -> None:
        """Save weights, optimiser and random state as `.weights.h5`; a failure leaves an older file as it was.

        Args:
            filepath: a name that ends in `.weights.h5`, or with `max_shard_size` in `.weights.json`.
            overwrite: whether an older file may be replaced.
            max_shard_size: GB that one of several files takes at most, which then lie beside `filepath`.

        Raises:
            ValueError: another ending.
            FileExistsError: the file exists and `overwrite` is False.
        """
        if max_shard_size is None:
            _check_ending("save_weights", filepath, ".weights.h5", "save writes whole models, as .keras")
        else:
            _check_ending("save_weights with max_shard_size", filepath, ".weights.json", "the parts lie beside it")
        _check_overwrite(filepath, overwrite)
        if max_shard_size is not None:
            with sharding.replacing_all(filepath) as temporary:
                self.alone(partial(super().save_weights, temporary, max_shard_size=max_shard_size))
            return
        with replacing(filepath) as temporary:
            reserve(temporary, self._bytes_in_file())
            self.alone(partial(super().save_weights, temporary))
            digests.sign(temporary)

    def _bytes_in_file(self) -> int:
        """Return at least as many bytes as a weights file takes: the values, and a page of HDF5's for each array."""
        variables = [*self.variables, *(self.optimizer.variables if self.compiled else ())]
        return sum(prod(v.shape) * (8 if "64" in v.dtype else 4) + 4096 for v in variables) + (1 << 16)

    def load_weights(self, filepath, **options) -> None:
        """Load weights from `.weights.h5`, written on any backend; after a failure the model is as it was.

        The optimiser's state is loaded where the file has one and the optimiser is built, as Keras' BackupAndRestore
        builds it; a model fresh from `build` starts its optimiser anew.

        Raises:
            FileNotFoundError: there is no such file.
            OSError: the file is damaged, truncated or no HDF5.
            ValueError: another ending; or weights of another spec: the message names the first difference.
        """
        if not str(filepath).endswith((".weights.h5", ".weights.json", ".keras")):
            raise ValueError(f"load_weights takes .weights.h5, .weights.json (of parts) or .keras, not {filepath}.")
        if not os.path.exists(filepath):
            raise FileNotFoundError(f"There is no weights file {filepath}.")
        (sharding.check if str(filepath).endswith(".weights.json") else digests.check)(filepath)
        resumes = self.compiled and self.optimizer.built
        if str(filepath).endswith(".weights.h5"):
            resumes = self._check_spec_of(filepath) and resumes
        variables = [*self.variables, *self.optimizer.variables] if resumes else self.variables
        if self.compiled and not resumes:
            options["objects_to_skip"] = [*options.get("objects_to_skip", ()), self.optimizer]
        before = [np.array(ops.convert_to_numpy(variable)) for variable in variables]
        try:
            super().load_weights(filepath, **options)
        except Exception as error:
            for variable, value in zip(variables, before, strict=True):
                variable.assign(value)
            reason = " ".join(str(error).split()).rstrip(".")
            message = (
                f"The weights in {filepath} do not fit, and the model is as it was ({type(error).__name__}: {reason})."
            )
            raise ValueError(message) from error

    def _check_spec_of(self, filepath) -> bool:
        """Refuse the weights of another spec; return whether an optimiser's state is with them."""
        try:
            with h5py.File(filepath) as file:
                stored = file["vars"]["spec"][()] if "spec" in file.get("vars", {}) else None
                with_optimizer = "optimizer" in file
            spec = None if stored is None else Spec.from_json(stored.tobytes().decode())
        except Exception as error:
            raise digests.damaged(filepath, error) from error
        if spec is None:
            return with_optimizer
        theirs, ours = architecture(spec), architecture(self.spec)
        for part, own in ours.items():
            if theirs[part] != own:
                raise ValueError(
                    f"The weights in {filepath} are of another spec: {part} is {theirs[part]} there and {own} here. "
                    "Build the model from the spec.json that belongs to them."
                )
        return with_optimizer

    def save_own_variables(self, store) -> None:
        """Keep the spec, which says what the weights are for, where schedules are, and every random generator."""
        store["spec"] = np.frombuffer(json.dumps(self.spec.to_dict()).encode(), dtype="uint8")
        if states := self._random_states():
            store["random_states"] = np.stack([ops.convert_to_numpy(state) for state in states]).astype("int64")
        if moving := self._moving_weights():
            store["scheduled"] = np.stack([ops.convert_to_numpy(variable) for variable in moving])

    def load_own_variables(self, store) -> None:
        """Put random generators and schedules back where they were: a resumed run draws what it would have drawn."""
        states = self._random_states()
        if "random_states" in store.keys() and len(store["random_states"]) == len(states):  # noqa: SIM118
            for state, value in zip(states, np.array(store["random_states"]), strict=True):
                state.assign(value.astype(state.dtype))
        moving = self._moving_weights()
        if "scheduled" in store.keys() and len(store["scheduled"]) == len(moving):  # noqa: SIM118
            for variable, value in zip(moving, np.array(store["scheduled"]), strict=True):
                variable.assign(value)

    def _moving_weights(self) -> list:
        """Return the weights of the loss that follow a schedule; plain numbers are the spec's alone."""
        return [self.scheduled[name] for name in self.spec.schedules]

    def _random_states(self) -> list:
        return [variable for variable in self.non_trainable_variables if variable.name == "seed_generator_state"]


def load_model(filepath, **options) -> keras.Model:
    """Return the model of a `.keras` file, as `keras.saving.load_model` does, after a check that the file is whole.

    Keras' own function finds damage, too, but tells of it in words of the zip file, and does not always name the file.

    Args:
        filepath: what `save` wrote.
        **options: `custom_objects`, `compile`, `safe_mode`.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: the file is damaged, truncated or no model.
        ValueError: another ending than `.keras`.
    """
    _check_ending("load_model", filepath, ".keras", "load_weights reads weights into a model that was built")
    if "://" not in str(filepath) and not os.path.isfile(filepath):
        raise FileNotFoundError(f"There is no model file {filepath}.")
    is_whole = digests.check(filepath)
    try:
        return keras.saving.load_model(filepath, **options)
    except Exception as error:
        if is_whole:
            raise
        raise digests.damaged(filepath, f"{type(error).__name__}: {error}") from error


def _of_any_backend(optimizer: dict) -> dict:
    """The config of an optimiser, and of those within it: on PyTorch Keras writes a module that others do not have."""
    config, module = dict(optimizer["config"]), optimizer["module"] or ""
    if isinstance(config.get("inner_optimizer"), dict):
        config["inner_optimizer"] = _of_any_backend(config["inner_optimizer"])
    if isinstance(config.get("optimizers"), list | tuple):
        config["optimizers"] = [_of_any_backend(each) for each in config["optimizers"]]
    is_of_keras = module.startswith("keras.") and hasattr(keras.optimizers, optimizer["class_name"])
    exported = {"module": "keras.optimizers", "registered_name": None} if is_of_keras else {}
    return {**optimizer, "config": config, **exported}


def _check_ending(what: str, filepath, ending: str, other: str) -> None:
    if not str(filepath).endswith(ending):
        raise ValueError(f"{what} takes a name that ends in {ending}, not {filepath}; {other}.")


def _check_overwrite(filepath, overwrite: bool) -> None:
    if not overwrite and os.path.exists(filepath):
        raise FileExistsError(f"{filepath} exists. Pass overwrite=True to replace it, or choose another name.")


def architecture(spec: Spec) -> dict[str, str]:
    """Return what weights depend on, in words: dropout and the weights of the objective may differ."""

    def shown(rows) -> str:
        return ", ".join(str(row) for row in rows if not row.in_training_only)

    return {
        "input_shape": str(spec.input_shape),
        "encoder": shown(spec.encoder),
        "code": spec.code.architecture(spec.code_shape),
        "prior": str(spec.code.prior or "none learned"),
        "decoder": shown(spec.decoder_rows) + (", tied" if spec.tied else ""),
        "likelihood": f"{type(spec.likelihood).__name__} with {len(spec.likelihood.heads)} head(s)",
    }
