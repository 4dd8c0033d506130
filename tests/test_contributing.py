"""The worked example of CONTRIBUTING.md: one file and one row make a model, which passes the tests of every model."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
def test_the_worked_example_is_a_model_by_one_file_and_one_row(tmp_path):
    file, row = re.findall(r"^```(?:python|text)\n(.*?)^```$", (ROOT / "CONTRIBUTING.md").read_text(), re.M | re.S)
    left_out = shutil.ignore_patterns("__pycache__", "pretrained")
    shutil.copytree(ROOT / "keras_ae", tmp_path / "keras_ae", ignore=left_out)
    (tmp_path / "keras_ae" / "pretrained").symlink_to(ROOT / "keras_ae" / "pretrained")
    (tmp_path / "keras_ae" / "models" / "entropy_ae.py").write_text(file)
    (tmp_path / "tests").mkdir()
    for path in ("pyproject.toml", "tests/conftest.py", "tests/test_models.py"):
        shutil.copy(ROOT / path, tmp_path / path)
    table = tmp_path / "tests" / "test_models.py"
    before, after = table.read_text().split('    Type(\n        "ladder_vae",')
    table.write_text(before + f"    {row.strip()}\n" + '    Type(\n        "ladder_vae",' + after)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "--numprocesses=0",
        "tests/test_models.py",
        "-k",
        "entropy_ae or rows_are",
    ]
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout
    assert int(re.search(r"(\d+) passed", done.stdout)[1]) >= 8
