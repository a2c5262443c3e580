"""Data sets that are given to a process in place of files."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_tasks import TaskError, make_task, shipment
from proxy_tasks.idx import write_idx
from proxy_tasks.images import load_images
from proxy_tasks.text import load_text


@pytest.fixture(autouse=True)
def nothing_given(monkeypatch):
    monkeypatch.setattr(shipment, "_given", {})


def test_what_was_read_is_there_without_the_files(tmp_path):
    rng = np.random.RandomState(0)
    write_idx(tmp_path / "train-images-idx3", rng.randint(256, size=(60, 5, 5)).astype(np.uint8))
    write_idx(tmp_path / "train-labels-idx1", rng.randint(3, size=60).astype(np.uint8))
    (tmp_path / "text").write_text("some text, " * 2000)
    with shipment.keeping() as kept:
        images = load_images(f"idx:{tmp_path}", 4, 0.5)
        text = load_text(f"text:{tmp_path}/text", 9000)
        task = make_task("vision_mlp", data=f"idx:{tmp_path}", image_size=4, shifts=0)
    for file in tmp_path.iterdir():
        file.unlink()
    with pytest.raises(TaskError):
        load_images(f"idx:{tmp_path}", 4, 0.5)
    shipment.give(kept)
    again = load_images(f"idx:{tmp_path}", 4, 0.5)
    assert np.array_equal(again.pixels, images.pixels) and again.classes == images.classes
    assert np.array_equal(again.labels, images.labels)
    assert load_text(f"text:{tmp_path}/text", 9000) == text
    given = make_task("vision_mlp", data=f"idx:{tmp_path}", image_size=4, shifts=0)
    assert given.fingerprint == task.fingerprint
    with pytest.raises(TaskError):  # another size was not given
        load_images(f"idx:{tmp_path}", 5, 0.5)


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1).filter(str.strip))
def test_any_text_arrives_as_it_was(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("text") / "file"
    path.write_text(text, encoding="utf-8", newline="")
    with shipment.keeping() as kept:
        before = load_text(f"text:{path}", 10**6)
    assert before == text
    path.unlink()
    shipment._given.clear()
    shipment.give(kept)
    assert load_text(f"text:{path}", 10**6) == text


def test_arrays_that_are_shared_by_processes_may_be_read_only():
    with shipment.keeping() as kept:
        plain = make_task("vision_mlp")
    for arrays in kept.values():
        for array in arrays.values():
            array.flags.writeable = False
    shipment.give(kept)
    assert make_task("vision_mlp").fingerprint == plain.fingerprint
