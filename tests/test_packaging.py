"""What is written in more than one place says the same: versions, dependencies, names."""

import ast
import importlib.metadata
import re
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement

import keras_ae

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def read_yaml(*path):
    return yaml.safe_load(ROOT.joinpath(*path).read_text())


def test_the_installed_version_is_that_of_the_code():
    assert importlib.metadata.version("keras-ae") == keras_ae.__version__, "Install it again: pip install -e ."


def test_the_citation_agrees_with_the_package():
    citation = read_yaml("CITATION.cff")
    assert citation["cff-version"] == "1.2.0"
    assert str(citation["version"]) == keras_ae.__version__
    assert citation["license"] == PROJECT["license"]
    assert citation["keywords"] == PROJECT["keywords"]


def test_the_newest_version_has_its_changes():
    numbers = re.findall(r"^## (\d[\d.]*)$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert numbers[0] == keras_ae.__version__


def test_all_public_names_are_listed():
    def is_ours(name, value):
        return not name.startswith("_") and str(getattr(value, "__module__", "")).startswith("keras_ae.")

    assert {name for name, value in vars(keras_ae).items() if is_ours(name, value)} == set(keras_ae.__all__)
    assert {*keras_ae.__all__, *keras_ae._ON_USE, "__version__"} <= set(dir(keras_ae))


def test_a_star_brings_the_public_names_and_no_part_that_needs_more():
    names = {}
    exec("from keras_ae import *", names)
    assert set(names) - {"__builtins__"} == set(keras_ae.__all__)


def test_editors_read_which_parts_are_imported_on_use():
    tree = ast.parse(Path(keras_ae.__file__).read_text())
    (block,) = [node for node in tree.body if isinstance(node, ast.If)]
    assert tuple(alias.name for alias in block.body[0].names) == keras_ae._ON_USE


def test_the_readme_lists_what_is_installed_without_tensorflow():
    command = re.search(r"pip install --no-deps -e \. && pip install (.*)", (ROOT / "README.md").read_text())
    listed = [str(Requirement(text)) for text in re.findall(r"'([^']+)'", command[1])]
    left_out = ("tensorflow", "tensorflow-datasets", "importlib_resources")
    needed = [text for text in PROJECT["dependencies"] if Requirement(text).name not in left_out]
    assert set(listed) == {str(Requirement(text)) for text in needed + PROJECT["optional-dependencies"]["jax"]}


def test_the_hook_formats_as_the_tests_do():
    (rev,) = [repo["rev"] for repo in read_yaml(".pre-commit-config.yaml")["repos"] if "ruff" in repo["repo"]]
    (ruff,) = [r for r in map(Requirement, PROJECT["optional-dependencies"]["test"]) if r.name == "ruff"]
    assert ruff.specifier.contains(rev.removeprefix("v"))


def test_the_command_of_the_bug_report_prints_versions(capsys):
    body = read_yaml(".github", "ISSUE_TEMPLATE", "bug_report.yml")["body"]
    (versions,) = [entry["attributes"]["description"] for entry in body if entry.get("id") == "versions"]
    exec(re.search(r'python -c "(.+)"', versions)[1], {})
    printed = capsys.readouterr().out
    assert "keras-ae" in printed and "numpy" in printed
