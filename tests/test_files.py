from pathlib import Path

import pytest

from keras_ae.files import replacing, reserve


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_whole_at_the_end(tmp_path):
    with replacing(tmp_path / "new.txt") as temporary:
        temporary.write_text("new")
        assert temporary.parent == tmp_path
        assert temporary.suffix == ".txt"
        assert not (tmp_path / "new.txt").exists()
    assert (tmp_path / "new.txt").read_text() == "new"
    assert names(tmp_path) == ["new.txt"]


def test_an_older_file_is_replaced_at_the_end(tmp_path):
    (tmp_path / "it.txt").write_text("old")
    with replacing(str(tmp_path / "it.txt")) as temporary:
        temporary.write_text("new")
        assert (tmp_path / "it.txt").read_text() == "old"
    assert (tmp_path / "it.txt").read_text() == "new"
    assert names(tmp_path) == ["it.txt"]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_a_failure_leaves_the_older_file_and_nothing_else(tmp_path, error):
    (tmp_path / "it.txt").write_text("old")
    with pytest.raises(error), replacing(tmp_path / "it.txt") as temporary:
        temporary.write_text("half of the n")
        raise error
    assert (tmp_path / "it.txt").read_text() == "old"
    assert names(tmp_path) == ["it.txt"]


def test_a_failure_before_the_first_byte_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="too early"), replacing(tmp_path / "it.txt"):
        raise ValueError("too early")
    assert names(tmp_path) == []


def test_a_file_that_was_never_written_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "it.txt"):
        pass
    assert names(tmp_path) == []


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "nowhere" / "it.txt") as temporary:
        temporary.write_text("new")


def test_a_bucket_is_written_as_it_is_named():
    with replacing("gs://bucket/it.keras") as path:
        assert path == "gs://bucket/it.keras"
    assert not Path("gs:").exists()


def test_room_is_taken_by_zeros_of_that_size(tmp_path):
    reserve(tmp_path / "room", 2_500_000)
    assert (tmp_path / "room").read_bytes() == bytes(2_500_000)


def test_room_in_a_bucket_is_not_taken():
    reserve("gs://bucket/it.weights.h5", 10)
    assert not Path("gs:").exists()
