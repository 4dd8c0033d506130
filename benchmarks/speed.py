"""keras_ae against its peers and against bare loops: training, inference, start, growth.

    python benchmarks/speed.py [--pythae ENV/bin/python] [--rounds 5] [--seconds 2] [--parts training nll ...]

Every system is a process of its own, open all the time and idle but in its turn; a round gives each variant a few
epochs of the same images, in an order drawn anew, so that a machine that slows down slows all of them, and ratios are
medians over rounds of paired rates. Pythae wants another NumPy, hence an environment of its own:

    python -m venv ENV && ENV/bin/pip install torch "numpy<2" pythae==0.1.2

Images are real MNIST and CIFAR-10 where TensorFlow Datasets has them, else the shipped digits. Writes
`results/speed.md` and `results/growth.png`.
"""

import argparse
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

import numpy as np
from harness import RESULTS, named, shown
from networks import NETWORKS

BACKENDS = ("tensorflow", "jax", "torch")
KEPT = "jax, memory kept"  # JAX with glibc told to keep freed memory, which it reads when a process starts.
ENVIRONMENTS = {name: {"KERAS_BACKEND": name} for name in BACKENDS} | {
    KEPT: {
        "KERAS_BACKEND": "jax",
        "MALLOC_ARENA_MAX": "1",
        "MALLOC_MMAP_MAX_": "0",
        "MALLOC_TRIM_THRESHOLD_": "2000000000",
    }
}
COMPILED = "jax, compiled before"
PARTS = ("training", "kernels", "time", "inference", "nll", "start", "growth")
HERE = Path(__file__).parent
EPOCHS = 3  # A turn, as long as `--seconds`.
TARGETS, TARGET_NETWORK = (107.0, 105.0, 104.0), "mlp, MNIST"  # Nats of -ELBO.
SAMPLES, NLL_IMAGES = 5000, 24
GROWTH = {
    "rows": (10_000, 100_000, 1_000_000),
    "latent_dim": (2, 16, 128, 512),
    "image side": (16, 32, 64, 128),
    "batch size": (32, 128, 512, 2048),
}


class Worker:
    """A process that answers requests, one line of JSON each."""

    def __init__(self, name: str, command: list[str], **environment: str):
        self.name = name
        cores = str(os.cpu_count())
        pinned = {"OMP_NUM_THREADS": cores, "TF_NUM_INTRAOP_THREADS": cores, "TF_CPP_MIN_LOG_LEVEL": "3"}
        self.process = subprocess.Popen(
            command,
            cwd=HERE,
            env=os.environ | pinned | environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ask(self, do: str, **request):
        """Return the answer to a request.

        Raises:
            RuntimeError: the process ended.
        """
        self.process.stdin.write(json.dumps({"do": do} | request) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self.name} ended at {do} {request}; run it by hand to see why.")
        return json.loads(line)

    def close(self) -> None:
        """End the process."""
        self.process.stdin.close()
        self.process.wait()


def workers(arguments, backends=BACKENDS) -> list[Worker]:
    """Return a process for each backend, and one for the peers where their environment is given."""
    found = [Worker(name, [sys.executable, "ours.py"], **ENVIRONMENTS[name]) for name in backends]
    if arguments.pythae:
        found.append(Worker("peers", [arguments.pythae, "peers.py"]))
    return found


@cache
def loaded(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return training images and 1,000 test images of a data set, or of the shipped digits where it is missing."""
    import keras_ae

    try:
        data = keras_ae.datasets.load(name)
    except (OSError, ValueError):
        data = keras_ae.datasets.load("mnist_mini")
    return data.train.x, data.test.head(1000)[0]


def real_images(network, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Return `count` training images (they repeat where there are fewer) and 1,000 test images, float32 in [0, 1]."""
    train, test = loaded("cifar10" if network.input_shape[-1] == 3 else "mnist")
    if train.shape[1:] != network.input_shape:
        train, test = (np.resize(x, (len(x), *network.input_shape)) for x in (train, test))
    return np.resize(train, (count, *network.input_shape)), test


def training(arguments, folder: Path) -> list[str]:
    """Measure `fit` against bare loops and peers; return lines of Markdown."""
    lines = [
        "## Training",
        "",
        f"Images per second, medians over {arguments.rounds} rounds (least to most), the first round, which compiles, "
        f"left out; a turn is {EPOCHS} epochs. `fit` is `model.fit(x)` with its set-up, checks, shuffling, metrics and "
        "guards; bare, a loop by hand with Keras' Adam, and with the Adam in one pass that keras_ae uses; keras.io, "
        "`fit` of its VAE example. Ratios are `fit` over each. In the last column `fit` under that dtype policy, which "
        "is not float32: hidden layers calculate in bfloat16, weights, output layer and loss stay float32. Memory "
        "kept: "
        f"{' '.join(f'{key}={value}' for key, value in ENVIRONMENTS[KEPT].items())}.",
        "",
        "| network | batch | backend | fit | bare | bare, fused Adam | keras.io | over bare | fused | keras.io "
        "| mixed_bfloat16 |",
        f"|{'---|' * 11}",
    ]
    peers = []
    for name, network in NETWORKS.items():
        for batch in (128, 1024):
            rates = training_rounds(arguments, folder, name, network, batch)
            of_peers = rates.pop("peers", {})
            lines += [training_row(name, batch, backend, found) for backend, found in rates.items()]
            for peer, values in of_peers.items():
                cells = [name, batch, peer, shown(values), arithmetic(network, values)]
                for variant in ("fit", "mixed_bfloat16"):
                    able = [system for system in rates if variant in rates[system]]
                    best = max(able, key=lambda system, v=variant: statistics.median(rates[system][v]))
                    ours = rates[best][variant]
                    cells += [f"{best} {shown(ours)}", arithmetic(network, ours), f"{paired(ours, values):.2f}"]
                peers.append(f"| {' | '.join(map(str, cells))} |")
    if peers:
        arithmetics = ", ".join(f"{network.flops / 1e6:.1f} ({name})" for name, network in NETWORKS.items())
        lines += [
            "",
            "The best of ours against PyTorch's peers in float32, from the same rounds. GFLOP/s is the arithmetic that "
            "a rate takes, of products, convolutions and their gradients alone; in float32 none can be above what the "
            f"machine multiplies matrices with (below). An image takes so many MFLOP: {arithmetics}.",
            "",
            "| network | batch | peer | its rate | GFLOP/s | fit | GFLOP/s | ratio | fit, mixed_bfloat16 | GFLOP/s "
            "| ratio |",
            f"|{'---|' * 11}",
            *peers,
        ]
    return lines


def training_rounds(arguments, folder: Path, name: str, network, batch: int) -> dict:
    """Return `{worker: {variant: rates}}` for one network and batch size."""
    opened = workers(arguments, ENVIRONMENTS)
    counts, paths, rates = {}, {}, {}
    for worker in opened:
        # As many images as take about the wanted seconds, so that a slow network does not take most of the time.
        guess = {"mlp, MNIST": 40_000, "conv_vae, MNIST": 3000, "conv_vae, CIFAR-10": 1800}[name]
        counts[worker.name] = max(4, round(arguments.seconds * guess / EPOCHS / batch)) * batch
        paths[worker.name] = str(folder / f"train-{worker.name}.npy")
        np.save(paths[worker.name], real_images(network, counts[worker.name])[0])
        names = worker.ask("open", network=name, x=paths[worker.name], batch=batch)
        rates[worker.name] = {variant: [] for variant in names if worker.name != KEPT or variant == "fit"}
    for number in range(arguments.rounds + 1):
        draw = random.Random(number)
        for worker in draw.sample(opened, len(opened)):
            for variant in draw.sample(list(rates[worker.name]), len(rates[worker.name])):
                answer = worker.ask("train", name=variant, epochs=EPOCHS)
                if number:
                    rates[worker.name][variant].append(EPOCHS * counts[worker.name] / answer["seconds"])
    for worker in opened:
        worker.close()
    print(name, batch, {w: {v: shown(r) for v, r in found.items()} for w, found in rates.items()}, file=sys.stderr)
    return rates


def training_row(name: str, batch: int, backend: str, rates: dict) -> str:
    """Return a row of the table of backends."""
    fit = rates["fit"]
    variants = ("bare", "bare, fused Adam", "keras.io")
    cells = [name, batch, backend, shown(fit), *(shown(rates[v]) if v in rates else "" for v in variants)]
    cells += [f"{paired(fit, rates[variant]):.2f}" if variant in rates else "" for variant in variants]
    cells.append(shown(rates["mixed_bfloat16"]) if "mixed_bfloat16" in rates else "")
    return f"| {' | '.join(map(str, cells))} |"


def arithmetic(network, rates: list[float]) -> str:
    """Return the GFLOP/s that the median rate takes."""
    return f"{statistics.median(rates) * network.flops / 1e9:.0f}"


def paired(ours: list[float], theirs: list[float]) -> float:
    """Return the median over rounds of the ratio of two rates."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


def kernels(arguments, folder: Path) -> list[str]:
    """Measure what a step's products and convolutions take by themselves; return lines of Markdown."""
    lines = [
        "## Products and convolutions alone",
        "",
        "Images per second on TensorFlow in float32 if a step were its products and convolutions with their gradients, "
        "each timed by itself (8 random inputs in one call, median of 5 calls), and nothing else: no activation, loss, "
        "optimiser or reading of data. No strict bound: within a step an operation may find its inputs in a cache.",
        "",
        "| network | batch | images/s | GFLOP/s |",
        "|---|---|---|---|",
    ]
    for name, network in NETWORKS.items():
        for batch in (128, 1024):
            worker = Worker("tensorflow", [sys.executable, "ours.py"], KERAS_BACKEND="tensorflow")
            found = worker.ask("kernels", network=name, batch=batch)
            worker.close()
            lines.append(f"| {name} | {batch} | {found:,.0f} | {arithmetic(network, [found])} |")
    return lines


def times_to_targets(arguments, folder: Path) -> list[str]:
    """Measure the seconds from a cold process to levels of test -ELBO; return lines of Markdown."""
    train, test = real_images(NETWORKS[TARGET_NETWORK], 60_000)
    np.save(folder / "train.npy", train)
    np.save(folder / "test.npy", test)
    cache = {"JAX_COMPILATION_CACHE_DIR": str(folder / "jax"), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
    lines = [
        "## From a cold process to a test -ELBO",
        "",
        f"`{TARGET_NETWORK}`, 60,000 images, batch 128, Adam at 1e-3, evaluated on 1,000 test images after each epoch "
        "until -ELBO is at most so many nats: seconds (epochs), medians of 3 seeds, and their ratio to the seconds of "
        f"Pythae; imports and compilation count. {COMPILED}: {' and '.join(cache)} set, so that JAX finds on disk "
        "what the first of the three compiled.",
        "",
        f"| system |{''.join(f' {target:g} | over Pythae |' for target in TARGETS)}",
        f"|---|{'---|---|' * len(TARGETS)}",
    ]
    environments = {name: ENVIRONMENTS[name] for name in BACKENDS} | {COMPILED: ENVIRONMENTS["jax"] | cache}
    commands = {name: [sys.executable, "ours.py"] for name in environments}
    if arguments.pythae:
        commands["Pythae"] = [arguments.pythae, "peers.py"]
    request = {"train": str(folder / "train.npy"), "test": str(folder / "test.npy"), "batch": 128, "targets": TARGETS}
    found: dict[str, list] = {name: [] for name in commands}
    for seed in range(3):
        for name, command in commands.items():
            started = time.time()
            worker = Worker(name, command, **environments.get(name, {}))
            found[name].append(worker.ask("times to", network=TARGET_NETWORK, started=started, seed=seed, **request))
            worker.close()
    # Seconds and epochs of each system to each target, medians over the seeds.
    medians = {name: np.median(answers, axis=0) for name, answers in found.items()}
    for name, reached in medians.items():
        cells = [name]
        for (seconds, epochs), theirs in zip(reached, medians.get("Pythae", reached), strict=True):
            cells += [f"{seconds:.1f} ({epochs:.0f})", f"{seconds / theirs[0]:.2f}" if "Pythae" in medians else ""]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def inference(arguments, folder: Path) -> list[str]:
    """Measure encode, reconstruct and sample; return lines of Markdown."""
    lines = ["## Inference", "", "Images per second, 4,096 images, medians of 5 calls, NumPy in and out.", ""]
    lines += ["| network | backend | encode | reconstruct | sample |", "|---|---|---|---|---|"]
    for name, network in NETWORKS.items():
        np.save(folder / "x.npy", real_images(network, 4096)[0])
        for backend in BACKENDS:
            worker = Worker(backend, [sys.executable, "ours.py"], KERAS_BACKEND=backend)
            rates = worker.ask("inference", network=name, x=str(folder / "x.npy"))
            worker.close()
            cells = (name, backend, *(f"{rates[key]:,.0f}" for key in ("encode", "reconstruct", "sample")))
            lines.append(f"| {' | '.join(cells)} |")
    return lines


def nll(arguments, folder: Path) -> list[str]:
    """Measure importance-weighted likelihoods; return lines of Markdown."""
    np.save(folder / "x.npy", real_images(NETWORKS[TARGET_NETWORK], 1000)[0])
    lines = [
        "## Importance-weighted likelihood",
        "",
        f"`{TARGET_NETWORK}`, {SAMPLES:,} samples an image: images per second over {NLL_IMAGES} images, medians of "
        f"{arguments.rounds} rounds (least to most). Pythae's `get_nll` at the fastest of batch sizes 100, 1,000 and "
        "5,000. Work and memory for an image do not depend on their number: 10,000 images take 10,000 over the rate.",
        "",
        "| system | images/s | over Pythae |",
        "|---|---|---|",
    ]
    opened = workers(arguments)
    rates: dict[str, list] = {worker.name: [] for worker in opened}
    request = {"network": TARGET_NETWORK, "x": str(folder / "x.npy"), "samples": SAMPLES, "count": NLL_IMAGES}
    for _ in range(arguments.rounds):
        for worker in opened:
            rates[worker.name].append(worker.ask("nll", **request))
    for worker in opened:
        worker.close()
    for name, values in rates.items():
        ratio = f"{paired(values, rates['peers']):.2f}" if "peers" in rates else ""
        lines.append(f"| {'Pythae get_nll' if name == 'peers' else name} | {shown(values)} | {ratio} |")
    return lines


def start(arguments, folder: Path) -> list[str]:
    """Measure import and build; return lines of Markdown."""
    code = (
        "import time; a = time.perf_counter(); import keras; b = time.perf_counter(); import keras_ae; "
        "c = time.perf_counter(); print(b - a, c - b)"
    )
    lines = [
        "## Start",
        "",
        "Medians of 7 processes: seconds of `import keras`, what `import keras_ae` adds, and a warm "
        '`build("conv_vae")` (median of 5 calls after the first).',
        "",
        "| backend | import keras | import keras_ae adds | build |",
        "|---|---|---|---|",
    ]
    for backend in BACKENDS:
        environment = os.environ | {"KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
        command = [sys.executable, "-c", code]
        runs = [subprocess.check_output(command, env=environment, stderr=subprocess.DEVNULL) for _ in range(7)]
        keras_seconds, ours = np.median([[float(part) for part in run.split()] for run in runs], axis=0)
        worker = Worker(backend, [sys.executable, "ours.py"], KERAS_BACKEND=backend)
        build = worker.ask("build")
        worker.close()
        lines.append(f"| {backend} | {keras_seconds:.2f} s | {ours * 1000:.0f} ms | {build * 1000:.0f} ms |")
    return lines


def growth(arguments, folder: Path) -> list[str]:
    """Measure how time grows with data and model, and draw it; return lines of Markdown."""
    np.save(folder / "x.npy", real_images(NETWORKS[TARGET_NETWORK], 6000)[0])
    lines = [
        "## Growth",
        "",
        "One epoch on TensorFlow, one size changed at a time: of the MLP at batch 1,024 on uint8 images for rows, else "
        "of `conv_vae` (28x28, latent_dim 16, batch 128). The best of 3 epochs after the first.",
        "",
        "![Images per second against each size](growth.png)",
        "",
        "| changed | value | seconds an epoch | images/s |",
        "|---|---|---|---|",
    ]
    curves = {}
    for kind, values in GROWTH.items():
        curves[kind] = []
        for value in values:
            worker = Worker("tensorflow", [sys.executable, "ours.py"], KERAS_BACKEND="tensorflow")
            answer = worker.ask("growth", kind=kind, value=value, x=str(folder / "x.npy"))
            worker.close()
            curves[kind].append(answer["rate"])
            lines.append(f"| {kind} | {value:,} | {answer['seconds']:.2f} | {answer['rate']:,.0f} |")
    draw_growth(curves)
    return lines


def draw_growth(curves: dict[str, list[float]]) -> None:
    """Draw images per second against each size into results/growth.png."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 2.8), layout="constrained")
    for axes, (kind, rates) in zip(figure.subplots(1, len(curves)), curves.items(), strict=True):
        axes.plot(GROWTH[kind], rates, marker="o")
        axes.set(xlabel=kind, xscale="log", ylim=(0, None), ylabel="images per second")
        axes.set_xticks(GROWTH[kind], [f"{value:,}" for value in GROWTH[kind]])
        axes.minorticks_off()
    figure.savefig(RESULTS / "growth.png", dpi=120)


MEASURES = dict(zip(PARTS, (training, kernels, times_to_targets, inference, nll, start, growth), strict=True))


def processor() -> str:
    """Return the processor's name, and how many GFLOP/s it does in float32 as NumPy multiplies matrices."""
    described = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    names = [line.split(":")[1].strip() for line in described.splitlines() if line.startswith("model name")]
    features = [name for name in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if f" {name} " in f"{described} "]
    a, seconds = np.ones((2048, 2048), "float32"), []
    for _ in range(10):
        started = time.perf_counter()
        a @ a
        seconds.append(time.perf_counter() - started)
    rate = 2 * 2048**3 / min(seconds) / 1e9
    return f"{(names or [platform.processor()])[0]} ({', '.join(features)}), {rate:.0f} GFLOP/s in float32 by NumPy"


def where(arguments) -> list[str]:
    """Return what was measured on what, as lines of Markdown."""
    found = {}
    for worker in workers(arguments):
        versions = worker.ask("versions")
        found |= {"the peers'": f"({named(versions)})"} if worker.name == "peers" else versions
        worker.close()
    return [
        "# Speed",
        "",
        f"`python benchmarks/speed.py`: float32, seed 0, {os.cpu_count()} cores ({platform.machine()}), as "
        f"many threads for each system, Python {platform.python_version()}, {named(found)}.",
    ]


def main() -> None:
    """Measure the parts asked for; write the page, in which the parts not asked for stay as they were."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pythae", help="the Python of an environment with Pythae 0.1.2")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="about the length of a variant's turn")
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=PARTS)
    arguments = parser.parse_args()
    if arguments.pythae:
        arguments.pythae = str(Path(arguments.pythae).absolute())
    options = f"--rounds {arguments.rounds} --seconds {arguments.seconds:g}"
    saved = RESULTS / "speed.json"
    pages = json.loads(saved.read_text()) if saved.exists() else {}
    with tempfile.TemporaryDirectory() as folder:
        pages["where"] = where(arguments)
        for part in arguments.parts:
            measured = f"Measured by `{options}` on {processor()}."
            pages[part] = [*MEASURES[part](arguments, Path(folder)), "", measured]
            print("\n".join(pages[part]), flush=True)
            saved.write_text(json.dumps(pages, indent=1))
            text = ["\n".join(pages[name]) for name in ("where", *PARTS) if name in pages]
            (RESULTS / "speed.md").write_text("\n\n".join(text) + "\n")


if __name__ == "__main__":
    main()
