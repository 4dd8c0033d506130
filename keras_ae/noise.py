"""Standard normal noise that belongs to a sample: a function of its values and a seed, wherever it stands.

A row that is scored alone gets the score that it gets among others, in any order and in batches of any size. The values
are hashed to 64 bits (multilinear hashing of mixed words, Lemire & Kaser 2014), which key a counter-based generator,
SplitMix64 (Steele, Lea & Flood 2014); pairs of its numbers become normal ones by Box & Muller 1958. All is whole
numbers until the last step, and NumPy, so that it is the same on every backend. Rows that are alike get the same noise.
"""

import numpy as np

_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_FIRST, _SECOND = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
_BYTES = 1 << 18  # Of rows that are hashed, or of numbers that are drawn, at once: few enough for a cache.


class SampleNoise:
    """Noise of the samples x.

    Args:
        x: samples, (n, *shape), floats, or uint8 that stand for x / 255.
        seed: of the noise; each has its own.
    """

    def __init__(self, x: np.ndarray, seed: int):
        # Seeds are mixed before they meet the hash, or seed 1 of one row could be seed 2 of another.
        own = np.random.SeedSequence(seed).generate_state(1, dtype="uint64")
        self.keys = _mixed(_hashes(x) ^ own)

    def normal(self, rows: slice, first: int, count: int, size: int) -> np.ndarray:
        """Return draws `first` to `first + count` of some rows: (rows, count, size), float32."""
        pairs = -(-size // 2)
        counters = _GAMMA * np.arange(first * pairs + 1, (first + count) * pairs + 1, dtype="uint64")
        keys = self.keys[rows, None]
        noise = np.empty((len(keys), count * pairs, 2), "float32")
        at_once = max(1, _BYTES // (8 * len(counters)))
        for start in range(0, len(keys), at_once):
            bits = _mixed(keys[start : start + at_once] + counters)
            # Shares in (0, 1], whose logarithm is finite, and of a turn.
            share = ((bits >> np.uint64(32)).astype("float32") + np.float32(1)) * np.float32(2**-32)
            turn = (bits & np.uint64(0xFFFFFFFF)).astype("float32") * np.float32(2 * np.pi * 2**-32)
            length = np.sqrt(np.float32(-2) * np.log(share))
            np.multiply(length, np.cos(turn), out=noise[start : start + at_once, :, 0])
            np.multiply(length, np.sin(turn), out=noise[start : start + at_once, :, 1])
        return noise.reshape(len(keys), count, 2 * pairs)[:, :, :size]


class PlaceNoise:
    """Noise of a NumPy generator, drawn along the samples in the order in which it is asked for.

    Args:
        generator: moves on with every draw.
    """

    def __init__(self, generator: np.random.Generator):
        self.generator = generator

    def normal(self, rows: slice, first: int, count: int, size: int) -> np.ndarray:
        """Return the next draws: (rows, count, size), float32."""
        return self.generator.standard_normal((rows.stop - rows.start, count, size), dtype="float32")


def noise_for(x: np.ndarray, seed: int | np.random.Generator) -> SampleNoise | PlaceNoise:
    """Return the noise of samples by a seed, or along them by a generator."""
    return PlaceNoise(seed) if isinstance(seed, np.random.Generator) else SampleNoise(x, seed)


def seed_at(seed: int, start: int) -> int:
    """Return the seed of a batch that begins at sample `start`, unlike those of other seeds and other batches."""
    return int(np.random.SeedSequence([seed, start]).generate_state(1)[0] >> 1)


def _mixed(bits: np.ndarray) -> np.ndarray:
    """Return the output of SplitMix64 at these states: uint64 -> uint64."""
    bits = (bits ^ (bits >> np.uint64(30))) * _FIRST
    bits = (bits ^ (bits >> np.uint64(27))) * _SECOND
    return bits ^ (bits >> np.uint64(31))


def _hashes(x: np.ndarray) -> np.ndarray:
    """Return 64 bits for the values of each sample as float32: (n, *shape) -> (n,) uint64."""
    rows = x.reshape(len(x), -1)
    words = -(-rows.shape[1] // 2)
    factors = _mixed(_GAMMA * np.arange(1, words + 1, dtype="uint64")) | np.uint64(1)
    hashes, at_once = np.empty(len(rows), "uint64"), max(1, _BYTES // (8 * words))
    buffer = np.zeros((min(at_once, len(rows)), 2 * words), "float32")
    for start in range(0, len(rows), at_once):
        piece = rows[start : start + at_once]
        values = buffer[: len(piece)]
        if piece.dtype == np.uint8:
            np.divide(piece, np.float32(255), out=values[:, : piece.shape[1]])
        else:
            np.add(piece, np.float32(0), out=values[:, : piece.shape[1]])  # Of two zeros, -0 and 0, one.
        bits = values.view("uint64")
        bits ^= bits >> np.uint64(32)
        bits *= _FIRST
        bits ^= bits >> np.uint64(32)
        hashes[start : start + at_once] = bits @ factors
    return hashes
