"""Several devices and several processes on this machine against one device, on the current backend.

Run as a program, this file is what each process of a strategy does: `python test_distribute.py FOLDER KIND`.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import keras
import numpy as np
import pytest

import keras_ae
from keras_ae.feeding import ArrayBatches, rows_of
from keras_ae.runs import Run, Settings, start
from keras_ae.streams import Watch, watched
from keras_ae.train_step.distribution import Workers, workers
from keras_ae.train_step.shares import Shares

BACKEND = keras.backend.backend()
BATCH = 32
# The strategy of each way to start; "auto" finds its own.
WAYS = {
    "tensorflow": {"mirrored": "mirrored", "multiworker": "auto"},
    "jax": {"devices": "auto", "processes": "auto"},
    "torch": {"torchrun": "auto"},
}[BACKEND]
SEVERAL_PROCESSES = [way for way in WAYS if way not in ("mirrored", "devices")]


def ways(test):
    """A test of every way, whose processes take a minute each."""
    return pytest.mark.slow(pytest.mark.parametrize("way", WAYS)(test))


class Losses(keras.callbacks.Callback):
    """The running mean of the loss after every step."""

    def on_train_begin(self, logs=None):
        self.values = []

    def on_train_batch_end(self, batch, logs=None):
        self.values.append(float(logs["loss"]))


def digits():
    """20 batches, the last one short and of odd size."""
    x = keras_ae.datasets.load("mnist_mini").train.x
    return x[: 20 * BATCH - 19]


def fitted(spec, *, optimizer=None, shuffle=False, weight=None, labels=False, **options):
    """What 20 steps of training, validation and evaluation say; `labels` gives each sample one."""
    x = digits()
    x = {"x": x, "labels": np.arange(len(x)) % 10} if labels else x
    few = rows_of(x, slice(75))
    model = keras_ae.build(spec, seed=0, optimizer=optimizer or keras.optimizers.Adam(1e-3))
    model.compile(model.optimizer, **options)
    losses = Losses()
    data = {"validation_data": few, "sample_weight": weight, "shuffle": shuffle}
    history = model.fit(x, batch_size=BATCH, callbacks=losses, verbose=0, **data).history
    found = {"steps": losses.values, **history}
    found |= {f"evaluate_{name}": value for name, value in evaluated(model, few).items()}
    return found | {"weights": [float(np.abs(weight).mean()) for weight in model.get_weights()]}


def evaluated(model, x):
    return model.evaluate(x, batch_size=BATCH, verbose=0, return_dict=True)


def deterministic():
    """Trainings that draw nothing, and so are the same on any number of devices."""
    weight = np.random.default_rng(0).uniform(size=len(digits())).astype("float32")
    yield "ae", lambda: fitted("ae")
    clipping = {"optimizer": keras.optimizers.Adam(1e-3, clipnorm=0.01)}
    yield "weights, clipping", lambda: fitted("ae", weight=weight, weighted_metrics=["mse"], **clipping)
    sparse = keras_ae.spec("sparse_ae", latent_dim=64, penalty="kl", strength=keras_ae.Ramp(0.0, 0.1, steps=12))
    yield "a term of the whole batch, of a weight that moves", lambda: fitted(sparse)
    rows = (keras_ae.Flatten(), keras_ae.Dense(16, "silu"))
    told = keras_ae.Spec((28, 28, 1), rows, keras_ae.Vector(4), inputs=keras_ae.Labels(10))
    yield "inputs beside x", lambda: fitted(told, labels=True)
    if BACKEND != "tensorflow":
        optimizer = keras.optimizers.Adam(1e-3, gradient_accumulation_steps=4)
        options = {"steps_per_execution": 4} if BACKEND == "jax" else {}
        yield "accumulation", lambda: fitted("ae", optimizer=optimizer, **options)


def drawn():
    """The losses of ten evaluations of a model, each with noise of its own, by the model's name."""
    x = digits()[: 3 * BATCH]
    told = {"x": x, "labels": np.arange(len(x)) % 10}
    models = {"vae": (keras_ae.build("vae", seed=0), x)}
    models["cvae"] = keras_ae.build("cvae", prior="conditional", seed=0), told
    models["cvae"][0].fit(told, batch_size=BATCH, verbose=0)
    models["cvae"][0].set_weights(keras_ae.build("cvae", prior="conditional", seed=0).get_weights())
    return {name: [evaluated(*each)["loss"] for _ in range(10)] for name, each in models.items()}


def seeds_of_replicas():
    """The next seed of each replica of this process."""
    generator = keras_ae.build("vae", seed=0).latent.seed_generator
    if BACKEND != "tensorflow":
        return [keras.ops.convert_to_numpy(generator.next()).tolist()]
    import tensorflow as tf

    strategy = tf.distribute.get_strategy()
    return [seed.numpy().tolist() for seed in strategy.experimental_local_results(strategy.run(generator.next))]


def is_left_alone():
    """Whether the user's array is the same after training and evaluation, where TensorFlow could use its memory."""
    given = digits()[: 4 * BATCH]
    room = np.empty(given.nbytes + 64, "uint8")
    start = -room.ctypes.data % 64  # TensorFlow copies arrays that are not aligned like its own.
    x = room[start : start + given.nbytes].view(given.dtype).reshape(given.shape)
    x[:] = given
    model = keras_ae.build("ae", seed=0)
    model.fit(x, batch_size=BATCH, shuffle=False, validation_data=x, verbose=0)
    evaluated(model, x)
    return bool(np.array_equal(x, given))


def refusals():
    """What each option that a strategy may not allow says."""
    said = {}
    options = {"steps_per_execution": 2, "jit_compile": True, "metrics": ["mse"]}
    for name, value in options.items():
        said[name] = said_by(lambda name=name, value=value: keras_ae.build("ae").compile(**{name: value}))
    optimizer = keras.optimizers.Adam(gradient_accumulation_steps=2)
    said["gradient_accumulation_steps"] = said_by(lambda: keras_ae.build("ae", optimizer=optimizer))
    return said


def said_by(action):
    try:
        action()
    except ValueError as error:
        return str(error)
    return None


def work(folder, kind):
    """What one process does."""
    if kind == "mirrored":
        import tensorflow as tf

        (cpu,) = tf.config.list_physical_devices("CPU")
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    with keras_ae.distribute(kind) as together:
        found = {"workers": vars(together), "seeds": seeds_of_replicas(), "refusals": refusals(), "drawn": drawn()}
        found |= {name: train() for name, train in deterministic()}
        # The order of shuffled arrays is one for all processes: the sum of shares is that of whole batches.
        found["shuffled"] = fitted("ae", shuffle=True)["steps"]
        found["left_alone"] = is_left_alone()
        kept = keras_ae.build("ae")
        kept.fit(digits()[:BATCH], verbose=0)
    found["threads"] = [comm.read_text() for comm in Path("/proc/self/task").glob("*/comm")]
    (Path(folder) / f"{together.index}.json").write_text(json.dumps(found))


def launched(way, program):
    """Start a program in each process of a way to train; the first process is the chief, or `torchrun`."""
    environment = os.environ | {"KERAS_BACKEND": BACKEND, "TF_CPP_MIN_LOG_LEVEL": "3", "OMP_NUM_THREADS": "1"}
    if way == "torchrun":
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2", *program]
        return [process(command, environment)]
    command = [sys.executable, *program]
    if way == "devices":
        flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2"
        return [process(command, environment | {"XLA_FLAGS": flags})]
    if way == "mirrored":
        return [process(command, environment)]
    addresses = free_addresses(2)
    return [process(command, environment | told(way, addresses, index)) for index in range(2)]


def told(way, addresses, index):
    """The variables that tell a process who it is."""
    if way == "multiworker":
        task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        return {"TF_CONFIG": json.dumps(task)}
    names = ("JOB_ADDRESSES", "NUM_PROCESSES", "PROCESS_ID")
    return {f"KERAS_DISTRIBUTION_{name}": str(v) for name, v in zip(names, (addresses[0], 2, index), strict=True)}


def process(command, environment):
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def free_addresses(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    return addresses


def ended(processes, *, well=True):
    """Wait for all; a process that hangs is killed and fails the test."""
    outputs = []
    for each in processes:
        try:
            outputs.append(each.communicate(timeout=120)[0])
        except subprocess.TimeoutExpired:
            for other in processes:
                other.kill()
            raise
    if well:
        assert [each.returncode for each in processes] == [0] * len(processes), "\n".join(outputs)[-4000:]
    return outputs


_found = {}


@pytest.fixture
def found(way, tmp_path_factory):
    """What all processes of that way found, chief first."""
    if way not in _found:
        folder = tmp_path_factory.mktemp(way)
        ended(launched(way, [__file__, str(folder), WAYS[way]]))
        files = sorted(folder.glob("*.json"))
        _found[way] = [json.loads(file.read_text()) for file in files]
    return _found[way]


@pytest.fixture(scope="module")
def alone():
    """What one device finds."""
    return {name: train() for name, train in deterministic()} | {"drawn": drawn()}


@ways
def test_the_same_batches_give_the_losses_of_one_device(way, found, alone):
    for one in found:
        assert one["workers"]["replicas"] == 2
        for name, expected in alone.items():
            if name == "drawn":
                continue
            assert one[name].keys() == expected.keys()
            for key, values in expected.items():
                assert one[name][key] == pytest.approx(values, rel=1e-4), (name, key)
    assert len(alone["ae"]["steps"]) == 20
    assert "val_full_loss" in alone["a term of the whole batch, of a weight that moves"]


@ways
def test_drawn_losses_have_the_mean_of_one_device(way, found, alone):
    for name, one in ((name, one) for one in found for name in alone["drawn"]):
        expected, values = np.array(alone["drawn"][name]), np.array(one["drawn"][name])
        error = np.hypot(values.std(ddof=1), expected.std(ddof=1)) / np.sqrt(len(expected))
        assert abs(values.mean() - expected.mean()) < 5 * error


@ways
def test_all_processes_see_the_same_logs_and_order(way, found):
    for one in found:
        for name in ("ae", "weights, clipping", "shuffled"):
            assert one[name] == found[0][name]
        assert one["shuffled"] != one["ae"]["steps"]


@ways
def test_arrays_are_not_written_to(way, found):
    assert all(one["left_alone"] for one in found)


@ways
@pytest.mark.skipif(BACKEND != "torch", reason="The others leave their threads to themselves.")
@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="Linux lists its threads there.")
def test_no_thread_of_a_trained_model_outlives_the_block(way, found):
    assert not [thread for one in found for thread in one["threads"] if "gloo" in thread]


@ways
def test_each_replica_has_seeds_of_its_own(way, found):
    seeds = [tuple(seed) for one in found for seed in one["seeds"]]
    if BACKEND == "jax":  # It draws for the whole batch at once.
        assert len(set(seeds)) == 1
    else:
        assert len(set(seeds)) == len(seeds) == 2


@ways
def test_what_a_strategy_does_not_allow_is_said_before_training(way, found):
    refused = {
        "tensorflow": {"steps_per_execution", "jit_compile", "gradient_accumulation_steps"},
        "jax": {"metrics"},
        "torch": {"jit_compile"},
    }[BACKEND]
    for one in found:
        assert {name for name, text in one["refusals"].items() if text} == refused
        for name in refused:
            assert one["refusals"][name].startswith(f"{name}=")


def test_shares_side_by_side_are_the_whole_batches():
    x, weight = np.arange(23.0)[:, None], np.arange(23.0)
    empty = np.empty((23, 0))
    whole = ArrayBatches((x, empty, weight), 8, shuffle=True, seed=3)
    whole.on_epoch_begin()
    assert sorted(np.concatenate([whole[index][0] for index in range(len(whole))]).ravel()) == list(range(23))
    for multiple in (None, 3):
        shares = [Shares(whole, Workers("data-parallel", index, 2, 2), multiple=multiple) for index in range(2)]
        for index in range(len(whole)):
            parts = [share[index] for share in shares]
            if multiple:
                assert all(len(array) == 6 for part in parts for array in part)
            for number, expected in enumerate(whole[index]):
                found = [part[number][:size] for part, size in zip(parts, halves(len(expected)), strict=True)]
                np.testing.assert_array_equal(np.concatenate(found), expected)
            assert sum(part[2].sum() for part in parts) == whole[index][2].sum()


def halves(size):
    return (size + 1) // 2, size // 2


@pytest.mark.parametrize("multiple", [None, 3])
def test_a_share_that_was_checked_is_not_cut_again(multiple):
    part, spec = keras_ae.datasets.load("mnist_mini").validation, keras_ae.spec("ae")
    whole = part.batches(45)
    for index in range(2):
        share = watched(part.batches(45, shard=(index, 2)), Watch(spec, "x"))
        found = Shares(share, Workers("data-parallel", index, 2, 2), multiple=multiple)
        expected = np.array_split(whole[3][0], 2)[index]
        np.testing.assert_array_equal(found[3][0][: len(expected)], expected)
        assert len(found[3][0]) == (24 if multiple else len(expected))


def test_data_that_cannot_be_cut_are_refused():
    with pytest.raises(ValueError, match="A list cannot be cut"):
        Shares([1], Workers("data-parallel", 0, 2, 2))


def test_one_device_is_the_default():
    assert workers() == Workers("none", 0, 1, 1)
    with keras_ae.distribute("auto") as together:
        assert together == workers() == Workers()


def test_a_strategy_of_another_backend_is_refused():
    other = "data-parallel" if BACKEND == "tensorflow" else "mirrored"
    with pytest.raises(ValueError, match=f"{other}.*{BACKEND} backend has"), keras_ae.distribute(other):
        pass


@pytest.mark.skipif(BACKEND == "jax", reason="JAX has one device or more in any environment")
def test_processes_that_the_environment_does_not_name_are_refused():
    kind, variable = {"tensorflow": ("multiworker", "TF_CONFIG"), "torch": ("data-parallel", "RANK")}[BACKEND]
    with pytest.raises(ValueError, match=variable), keras_ae.distribute(kind):
        pass


SETTINGS = {"epochs": 2, "batch_size": 64, "seed": 0}


def trained(way, folder, *options):
    arguments = [part for name, value in SETTINGS.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    return launched(way, ["-m", "keras_ae", "train", "ae", "--out", str(folder), *arguments, *options])


@pytest.mark.slow
@pytest.mark.parametrize("way", SEVERAL_PROCESSES)
def test_after_the_kill_of_a_worker_all_resume_from_the_last_epoch(way, tmp_path):
    processes = trained(way, tmp_path / "run")
    wait_for(tmp_path / "run" / "checkpoints" / "epoch-0001.weights.h5", processes)
    time.sleep(0.2)
    os.kill(second_worker(processes), signal.SIGKILL)
    if BACKEND == "jax":
        processes[0].kill()  # It would find out by itself, but only after a minute.
    ended(processes, well=False)
    assert all(each.returncode for each in processes)
    assert Run.open(tmp_path / "run").last_checkpoint()[0] == 1

    output = ended(trained(way, tmp_path / "run", "--resume"))
    run = Run.open(tmp_path / "run")
    assert [row["epoch"] for row in run.rows()] == ["0", "1"]
    assert run.facts()["distribute"]["count"] == 2
    assert json.loads(run.metrics.read_text())["samples"] == 1000
    assert "test part" in "".join(output)

    one, data = start(Settings("ae", **SETTINGS), tmp_path / "one")
    one.train(data, verbose=0)
    for found, expected in zip(run.rows(), one.rows(), strict=True):
        for name in ("loss", "val_loss"):
            assert float(found[name]) == pytest.approx(float(expected[name]), rel=1e-4)


def wait_for(path, processes):
    end = time.monotonic() + 120
    while not path.exists():
        assert time.monotonic() < end
        assert all(each.poll() is None for each in processes), ended(processes, well=False)
        time.sleep(0.02)


def second_worker(processes):
    """The process of worker 1: the second started, or the second child of `torchrun`."""
    if len(processes) == 2:
        return processes[1].pid
    pid = processes[0].pid
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[1])


if __name__ == "__main__":
    work(*sys.argv[1:])
