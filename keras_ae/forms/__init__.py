"""The forms in which samples come, as arrays: lists, frames, tensors, sparse matrices, data sets in files.

What is an array stays as it is. Streams of batches are in `streams.py`.
"""

import os

import numpy as np

from keras_ae.forms.frames import column_to_array, frame_to_array, is_frame, is_series
from keras_ae.forms.lazy_rows import FileRows, LazyRows, SparseRows

FORMS = (
    "an array (n, ...), a list of samples, a pandas or polars frame, a SciPy sparse matrix, an h5py data set, a tensor;"
    " or a stream of batches: tf.data.Dataset, keras.utils.PyDataset, PyTorch DataLoader or generator"
)


def as_rows(data, name: str = "x") -> np.ndarray | LazyRows:
    """Samples in any form but a stream, as an array (n, ...), or as `LazyRows` where an array would be too large.

    Args:
        data: see `FORMS`; missing values of a frame become NaN.
        name: the argument's name in messages.

    Raises:
        TypeError: a form that is not known, or what holds no numbers.
        ValueError: a list of samples that differ in shape, a masked array with masked values.
    """
    if isinstance(data, np.ma.MaskedArray):
        return _unmasked(data, name)
    if isinstance(data, np.ndarray):
        return _narrowed(data)
    if isinstance(data, LazyRows):
        return data
    if type(data).__name__ == "LazyFrame":
        raise TypeError(f"{name} is a LazyFrame of polars, which has no values yet. Give {name}.collect().")
    if is_frame(data):
        return frame_to_array(data, name)
    if is_series(data):
        return column_to_array(data, name, getattr(data, "name", None))
    if isinstance(data, list | tuple):
        return _stacked(data, name)
    if isinstance(data, str | bytes | os.PathLike):
        raise TypeError(f"{name} is {data!r}. Read it first: keras_ae.datasets.load(...) takes folders and files.")
    if data is None:
        raise ValueError(f"{name} is None. Give {FORMS}.")
    if hasattr(data, "tocsr") and hasattr(data, "nnz"):
        return SparseRows(data.tocsr())
    array = _tensor_to_array(data, name)
    if array is not None:
        return array
    if _is_file_data(data):
        return FileRows(data)
    if hasattr(data, "__array__"):
        return np.asarray(data)
    if isinstance(data, int | float | complex):
        return np.asarray(data)
    raise TypeError(f"{name} is a {type(data).__module__}.{type(data).__qualname__}. Give {FORMS}.")


def as_array(data, name: str = "x") -> np.ndarray:
    """As `as_rows`, all in memory."""
    rows = as_rows(data, name)
    return rows[:] if isinstance(rows, LazyRows) else rows


def _unmasked(data: np.ma.MaskedArray, name: str) -> np.ndarray:
    if np.ma.is_masked(data):
        raise ValueError(
            f"{name} is a masked array with {int(data.mask.sum())} masked values. Fill them, and give what is there as "
            "sample_weight: 1 where a value is to count and 0 where it is not."
        )
    return data.data


def _stacked(samples, name: str) -> np.ndarray:
    """A list of samples, or nested lists of numbers, as one array."""
    if not len(samples):
        raise ValueError(f"{name} is empty. Give it at least one sample.")
    if all(isinstance(sample, int | float | bool | np.number | str) for sample in samples):
        return np.asarray(samples)
    arrays = [as_array(sample, f"{name}[{row}]") for row, sample in enumerate(samples)]
    for row, array in enumerate(arrays):
        if array.shape != arrays[0].shape:
            raise ValueError(
                f"{name} is a list of samples that differ in shape: {arrays[0].shape} in row 0, {array.shape} in row "
                f"{row}. Give samples of one shape; pairs are given as two arguments, fit(x, y)."
            )
    return np.stack(arrays)


def _tensor_to_array(data, name: str) -> np.ndarray | None:
    """A tensor of TensorFlow, JAX or PyTorch as an array; None for all else."""
    module = type(data).__module__.partition(".")[0]
    if module == "torch" and hasattr(data, "detach"):
        if data.layout.__repr__() != "torch.strided":
            raise TypeError(f"{name} is a sparse tensor of PyTorch. Give {name}.to_dense(), or a SciPy sparse matrix.")
        data = data.detach().cpu()
        return (data.float() if str(data.dtype) == "torch.bfloat16" else data).numpy()
    if type(data).__name__ in ("SparseTensor", "RaggedTensor"):
        raise TypeError(
            f"{name} is a {type(data).__name__} of TensorFlow. Give tf.sparse.to_dense({name}) or {name}.to_tensor(), "
            "or a SciPy sparse matrix."
        )
    if module == "tensorflow" and hasattr(data, "dtype") and not hasattr(data, "element_spec"):
        if not hasattr(data, "numpy"):
            raise TypeError(f"{name} is a symbolic tensor of TensorFlow, which has no values. Give an array.")
        return _narrowed(data.numpy())
    if module in ("jax", "jaxlib") and hasattr(data, "__array__"):
        return _narrowed(np.asarray(data))
    return None


def _narrowed(array: np.ndarray) -> np.ndarray:
    """bfloat16 and the like, which NumPy does not count as numbers, and floats of 16 bytes as float32."""
    is_small_float = array.dtype.kind == "V" and "float" in array.dtype.name
    return array.astype("float32") if is_small_float or array.dtype == np.longdouble else array


def _is_file_data(data) -> bool:
    """Whether `data` gives rows as h5py and zarr do: slices of its first axis as arrays."""
    module = type(data).__module__.partition(".")[0]
    return module in ("h5py", "zarr") and all(hasattr(data, name) for name in ("shape", "dtype", "__getitem__"))
