"""Which rows of a table are strange, and which column makes them so.

Data: scikit-learn's `load_breast_cancer`, fitted on half of the benign tumours (178), tested on 179 benign and 212
malignant ones. Model: the default of `AutoencoderOutlierDetector`.
Result: AUROC 0.958, seed 0. Took 9 s of one core; Python 3.11.7, Keras 3.15.1, JAX 0.10.2.

    python recipes/anomaly_detection.py
    python recipes/anomaly_detection.py rows.csv --new new_rows.csv --contamination 0.01

A file has a header and columns of numbers; `--robust` says that its rows hold anomalies. Scores go to a CSV file, the
strangest row first, with the column that adds most. Needs the extra `sklearn`; `--smoke` tries it in seconds.
"""

import csv
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from keras_ae import cli
from keras_ae.estimators import AutoencoderOutlierDetector
from keras_ae.files import replacing


def benign_and_others() -> tuple[list[str], np.ndarray, np.ndarray, np.ndarray]:
    """Return names of the columns, half of the benign tumours, all other tumours, and which of those are malignant."""
    from sklearn.datasets import load_breast_cancer

    data = load_breast_cancer()
    benign, malignant = data.data[data.target == 1], data.data[data.target == 0]
    order = np.random.default_rng(0).permutation(len(benign))
    half = len(benign) // 2
    others = np.concatenate([benign[order[half:]], malignant])
    return list(data.feature_names), benign[order[:half]], others, np.arange(len(others)) >= len(benign) - half


def read(path: Path) -> tuple[list[str], np.ndarray]:
    """Return names of the columns and the rows of a CSV file."""
    with path.open(newline="") as file:
        names = next(csv.reader(file))
    return names, np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2)


def main(
    table: Annotated[Path | None, typer.Argument(help="CSV file to fit; the breast cancer data if not given.")] = None,
    new: Annotated[Path | None, typer.Option(help="CSV file to score; what was fitted if not given.")] = None,
    contamination: Annotated[float, typer.Option(help="Share of anomalies among the fitted rows.")] = 0.05,
    robust: Annotated[bool, typer.Option("--robust", help="The fitted rows hold anomalies.")] = False,
    seed: Annotated[int, typer.Option(help="Of weights and batches.")] = 0,
    out: Annotated[Path, typer.Option(help="Where the scores go.")] = Path("runs/anomaly_detection/scores.csv"),
    smoke: Annotated[bool, typer.Option("--smoke", help="Two epochs.")] = False,
) -> None:
    """Fit the detector, score, and write the scores."""
    labels = None
    if table is None:
        names, fitted, rows, labels = benign_and_others()
    else:
        names, fitted = read(table)
        rows = fitted if new is None else read(new)[1]
    detector = AutoencoderOutlierDetector(
        contamination=contamination, robust=robust, random_state=seed, epochs=2 if smoke else None
    ).fit(fitted)
    scores, found = -detector.score_samples(rows), detector.predict(rows) == -1
    columns = detector.contributions(rows).argmax(axis=1)
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out) as temporary, temporary.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["row", "score", "is_outlier", "column"])
        writer.writerows(
            [row, f"{scores[row]:.6g}", int(found[row]), names[columns[row]]] for row in (-scores).argsort()
        )
    print(f"{found.sum()} of {len(rows)} rows are outliers; scores are in {out}")
    if labels is not None:
        from sklearn.metrics import roc_auc_score

        print(f"AUROC {roc_auc_score(labels, scores):.3f}")


if __name__ == "__main__":
    with cli.mendable():
        typer.run(main)
