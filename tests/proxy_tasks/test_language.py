"""Language tasks: the paper's own."""

from proxy_tasks import TASKS, make_task
from proxy_tasks.text import load_text
from tests.proxy_tasks.tasks import check_one_gradient


def test_the_paper_preset_is_the_paper_s():
    """Chen et al. 2023, section 2.2 and appendix."""
    text = TASKS["language_transformer"].presets["paper"]
    assert (text["layers"], text["width"], text["heads"]) == (2, 128, 2)
    assert (text["context"], text["tokenizer"]) == (32, "bpe:3000")
    assert (text["batch_size"], text["steps"]) == (64, 20_000)


def test_the_paper_s_language_task_is_built(monkeypatch):
    """The text is the embedded one."""

    def text(source, limit):
        assert source == "hf:billion-word-benchmark/lm1b@refs/convert/parquet"
        assert limit == 200_000_000
        return load_text("pydoc", limit)

    monkeypatch.setattr("proxy_tasks.text.load_text", text)
    task = make_task("language_transformer:paper")
    assert task.shapes()["['params']['embedding']['embedding']"] == (3000, 128)
    check_one_gradient(task)
