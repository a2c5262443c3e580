"""Text sources and windows."""

import json

import numpy as np
import pytest

from proxy_tasks import TaskError, make_task
from proxy_tasks.text import load_text, windows

ONE_LINE = r"^[^\n]*$"
SAMPLE = load_text("pydoc", 60_000)


def test_the_embedded_text_repeats_no_paragraph():
    text = load_text("pydoc", 10**9)
    long = [paragraph for paragraph in text.split("\n\n") if len(paragraph) > 80]
    assert len(text) > 300_000
    assert len(long) == len(set(long))


@pytest.mark.parametrize("tokenizer", ["char", "byte", "bpe:300"])
def test_windows_of_different_splits_share_no_token(tokenizer):
    length = 12
    data, made = windows(
        "pydoc", tokenizer, length=length, stride=length, validation_examples=10**6, limit=10**9
    )
    owner = np.zeros(len(data.arrays), int)
    for mark, split in enumerate((data.train, data.search_validation, data.meta_validation), 1):
        for offset in range(length + 1):
            window = split + offset
            assert np.isin(owner[window], (0, mark)).all()
            owner[window] = mark
    shares = np.bincount(owner, minlength=4) / len(owner)
    np.testing.assert_allclose(shares, [0, 0.8, 0.1, 0.1], atol=0.03)
    text = load_text("pydoc", 10**9)
    inputs, targets = data.take(data.arrays, data.train[[5]])
    assert made.decode(np.asarray(inputs)[0]) in text
    np.testing.assert_array_equal(inputs[0, 1:], targets[0, :-1])


def test_text_file(tmp_path):
    path = tmp_path / "my.txt"
    path.write_text(SAMPLE[:20_000])
    task = make_task("language_transformer", data=f"text:{path}", tokenizer="bpe:300")
    assert task.parameters > 0
    assert load_text(f"text:{path}", 100) == SAMPLE[:100]


def test_hub_text(tmp_path):
    import datasets

    lines = SAMPLE[:5_000].splitlines()
    rows = {"number": list(range(len(lines))), "text": lines}
    saved = datasets.DatasetDict({"train": datasets.Dataset.from_dict(rows)})
    saved.save_to_disk(tmp_path / "saved")
    assert load_text(f"hf:{tmp_path / 'saved'}", 10**6) == "\n".join(lines) + "\n"
    assert load_text(f"hf:{tmp_path / 'saved'}", 77) == ("\n".join(lines))[:77]
    # A folder of files, under a column of another name.
    (tmp_path / "files").mkdir()
    lines = "\n".join(json.dumps({"n": 1, "sentence": f"line {i}"}) for i in range(3))
    (tmp_path / "files" / "train.jsonl").write_text(lines)
    assert load_text(f"hf:{tmp_path / 'files'}", 10**6) == "line 0\nline 1\nline 2\n"


def test_missing_and_wrong_text(tmp_path):
    def message(source):
        with pytest.raises(TaskError, match=ONE_LINE) as error:
            windows(source, "byte", length=8, stride=8, validation_examples=100, limit=10**6)
        return str(error.value)

    path = tmp_path / "a.txt"
    assert "no file /nowhere" in message("text:/nowhere")
    assert message("text:/nowhere").endswith("data=pydoc needs no files")
    assert "did you mean 'pydoc'?" in message("pydocs")
    path.write_text("")
    assert "the text is empty" in message(f"text:{path}")
    path.write_text("short")
    assert "the text is too short" in message(f"text:{path}")
    path.write_bytes(b"caf\xe9" * 1000)
    assert "not UTF-8 text: byte 0xe9" in message(f"text:{path}")
    assert "no folder /nowhere" in message("hf:/nowhere")
    assert "no file" in message(f"text:{tmp_path}")
