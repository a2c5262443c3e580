"""Data sets of the Hugging Face Hub: what is reported when they cannot be downloaded."""

import logging
import time

import datasets
import huggingface_hub
import pytest

from proxy_tasks.errors import TaskError
from proxy_tasks.huggingface import fetch_command, open_dataset


@pytest.fixture
def session(monkeypatch):
    """The Hub's HTTP session, replaced; there is a connection if `answers`."""

    class Session:
        answers = False

        def head(self, url, timeout):
            if not self.answers:
                raise OSError("Name or service not known")

    made = Session()
    monkeypatch.setattr(huggingface_hub, "get_session", lambda: made)
    return made


def message(source):
    with pytest.raises(TaskError, match=r"^[^\n]*$") as error:
        open_dataset(source)
    return str(error.value)


def test_without_a_connection_one_quick_message(session, caplog, capfd):
    start = time.perf_counter()
    with caplog.at_level(logging.INFO):
        text = message("owner/no_such_data@refs/convert/parquet:plain")
    assert time.perf_counter() - start < 15  # each of its libraries would wait for longer
    assert caplog.records == [] and capfd.readouterr() == ("", "")
    assert "no connection to https://huggingface.co" in text
    assert (
        'python -c "import datasets; datasets.load_dataset'
        "('owner/no_such_data', 'plain', revision='refs/convert/parquet')\"" in text
    )
    assert "https://huggingface.co/datasets/owner/no_such_data" in text
    assert "hf auth login" in text


def test_with_a_connection_the_hub_is_asked_and_its_answer_shown(session, monkeypatch):
    session.answers = True
    asked = []

    def load(path, config, revision):
        asked.append((path, config, revision))
        assert not datasets.config.HF_HUB_OFFLINE
        raise datasets.exceptions.DatasetNotFoundError(f"Dataset '{path}' is a gated dataset.\nX")

    monkeypatch.setattr(datasets, "load_dataset", load)
    text = message("ILSVRC/imagenet-1k")
    assert asked == [("ILSVRC/imagenet-1k", None, None)]
    assert "is a gated dataset." in text and "hf auth login" in text
    assert "no connection" not in text


def test_the_libraries_are_left_as_they_were(session, monkeypatch):
    seen = []

    def load(path, *_, **__):
        seen.append((datasets.config.HF_HUB_OFFLINE, huggingface_hub.constants.HF_HUB_OFFLINE))
        return datasets.Dataset.from_dict({"text": ["a"]})

    monkeypatch.setattr(datasets, "load_dataset", load)
    before = datasets.config.HF_HUB_OFFLINE, huggingface_hub.constants.HF_HUB_OFFLINE
    assert len(open_dataset("owner/in_the_cache")) == 1
    assert seen == [(True, True)]
    assert before == (datasets.config.HF_HUB_OFFLINE, huggingface_hub.constants.HF_HUB_OFFLINE)


def test_a_folder_needs_no_connection(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub, "get_session", lambda: pytest.fail("asked the Hub"))
    (tmp_path / "train.jsonl").write_text("{")
    text = message(str(tmp_path))
    assert f"{tmp_path} cannot be read as a data set" in text
    assert "connection" not in text and "load_dataset" not in text


@pytest.mark.parametrize("name", ["a/b", "a/b@v1", "a/b:c", "a/b@v1:c"])
def test_the_command_loads_what_the_task_would(session, name, monkeypatch):
    """Run as it is printed, it asks for the same as open_dataset."""
    calls = []

    def load(path, config=None, revision=None):
        calls.append((path, config, revision))
        raise ValueError

    monkeypatch.setattr(datasets, "load_dataset", load)
    text = message(name)
    code = text.partition('python -c "')[2].partition('"')[0]
    with pytest.raises(ValueError):
        exec(code, {})
    assert len(calls) == 2 and calls[0] == calls[1]
    assert fetch_command("a/b", "", "") == (
        "python -c \"import datasets; datasets.load_dataset('a/b')\""
    )
