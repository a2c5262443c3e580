"""Fine-tuning: labelled text, and what the pretraining leaves behind."""

import jax
import numpy as np
import pytest

from proxy_tasks import DeviceData, TaskError, make_task
from proxy_tasks.labelled_text import TOPICS, load_labelled, without_topics

TINY = {"layers": 1, "width": 4, "heads": 1, "context": 16, "batch_size": 4, "steps": 2}


def test_labelled_texts_are_not_in_the_pretraining_s():
    labelled, rest = load_labelled("topics", 64), without_topics(10**9)
    assert {*labelled.labels.tolist()} == {*range(len(TOPICS))}
    assert {len(text) for text in labelled.texts} == {64}
    paragraphs = {*rest.split("\n\n")}
    assert len(rest) > 100_000 and len(labelled.texts) > 1000
    whole = [p for text in labelled.texts for p in text.split("\n\n")[1:-1] if len(p) > 30]
    assert whole and not paragraphs & {*whole}


def test_pretraining_is_a_part_of_each_seed_s_start():
    fresh, once, twice = (
        DeviceData(make_task("fine_tuning", pretraining_steps=steps, **TINY)) for steps in (0, 3, 3)
    )
    first, other = once.start(0).weights["params"], once.start(1).weights["params"]
    same = jax.tree.map(np.array_equal, first, twice.start(0).weights["params"])
    assert all(jax.tree.leaves(same))
    for start in (fresh.start(0).weights["params"], other):
        moved = jax.tree.map(lambda a, b: not np.array_equal(a, b), start, first)
        assert moved["embedding"]["embedding"] and moved["block_0"]["qkv"]["kernel"]
    head = fresh.start(0).weights["params"]["output"]["kernel"]
    assert head.shape == (4, len(TOPICS))
    np.testing.assert_array_equal(head, first["output"]["kernel"])  # which has not been trained


def test_glue_s_format(tmp_path):
    path = tmp_path / "train.tsv"
    path.write_text("sentence\tlabel\r\na fine film\t1\r\nbad\t0\r\n\r\n" + "so so\t1\n" * 20)
    labelled = load_labelled(f"tsv:{path}", 9)
    assert labelled.texts[:3] == ["a fine film", "bad", "so so"] and labelled.classes == 2
    assert labelled.labels[:3].tolist() == [1, 0, 1]
    task = make_task("fine_tuning", labelled=f"tsv:{path}", tokenizer="byte", **TINY)
    tokens, labels, _ = task.data.arrays
    assert bytes(tokens[1, :3].astype(np.uint8)) == b"bad" and (tokens[1, 3:] == 256).all()
    assert tokens.shape == (22, 16) and labels[1] == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("text\tlabel\na\t1\n", ":1: no column 'sentence'"),
        ("sentence\tlabel\na\t1\nb\n", ":3: expected 2 columns, got 1"),
        ("sentence\tlabel\na\tgood\n", ":2: label: expected 0, 1, ..., got 'good'"),
        ("sentence\tlabel\na\t0\n", "expected labels 0, 1, ... of 2 classes or more"),
        ("sentence\tlabel\n", "expected labels 0, 1, ... of 2 classes or more"),
        ("sentence\tlabel\na\t0\nb\t1\n", "the search_validation split is empty"),
    ],
)
def test_a_wrong_file_says_what_is_right(tmp_path, content, message):
    path = tmp_path / "file"
    path.write_text(content)
    with pytest.raises(TaskError, match=r"^[^\n]*$") as error:
        make_task("fine_tuning", labelled=f"tsv:{path}")
    assert message in str(error.value)


@pytest.mark.parametrize("source", ["tsv:/nowhere", "tsv", "topics:x", "topcis", "hf:/nowhere"])
def test_a_wrong_source_says_what_is_right(source):
    with pytest.raises(TaskError, match=r"^[^\n]*(topics|folder)[^\n]*$"):
        make_task("fine_tuning", labelled=source)


def test_a_hugging_face_data_set(tmp_path):
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        {"label": datasets.ClassLabel(names=["no", "yes"]), "sentence": datasets.Value("string")}
    )
    rows = {"label": [0, 1, -1] * 5, "sentence": ["a", "b", "unlabelled"] * 5}
    datasets.Dataset.from_dict(rows, features=features).save_to_disk(str(tmp_path))
    labelled = load_labelled(f"hf:{tmp_path}", 9)
    assert labelled.texts == ["a", "b"] * 5 and labelled.labels.tolist() == [0, 1] * 5
