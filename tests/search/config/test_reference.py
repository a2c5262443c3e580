"""What `--keys` prints, and docs/config.md with it."""

from pathlib import Path

import pytest

from search.compare import main as compare
from search.config.comparison import ComparisonConfig
from search.config.messages import key_paths
from search.config.reference import reference
from search.config.settings import Config
from search.run import main as run

DOCS = Path(__file__).parents[3] / "docs"


def _keys(main, capsys, *words: str) -> str:
    with pytest.raises(SystemExit) as ended:
        main(["--keys", *words])
    assert not ended.value.code
    return capsys.readouterr().out


def test_the_page_of_keys_is_the_present_one(capsys):
    """If not: python -m search.run --keys > docs/config.md"""
    assert _keys(run, capsys) == (DOCS / "config.md").read_text()


@pytest.mark.parametrize("model", [Config, ComparisonConfig])
def test_each_key_is_there_once_with_a_meaning(model):
    text = reference(model, "Keys")
    entries = [one.split("\n\n")[0] for one in text.split("\n- `")[1:]]
    names = [one.split("`")[0] for one in entries]
    assert len(set(names)) == len(names)
    parts = {line.strip("# `") for line in text.splitlines() if line.startswith("## ")}
    repeated = ("evolution.tune_start.", "funnel.head_start.", "ablation.retuning.")
    wanted = {key for key in key_paths(model.model_json_schema()) if not key.startswith(repeated)}
    assert wanted <= {*names, *parts}
    bare = [one for one in entries if one.split(". ")[-1].startswith(("default", "It must"))]
    assert not bare
    assert max(map(len, text.splitlines())) <= 98


def test_values_and_defaults_are_said_in_words(capsys):
    words = " ".join(_keys(run, capsys, "funnel").split())
    assert "`funnel.families`: whole number of at least 1; default `20`." in words
    assert "`funnel.memory_margin`: number above 0 or `null`; default `null`." in words
    assert "`funnel.stages.NAME.level`: number above 0 and below 0.5; default `0.05`." in words
    assert "`funnel.stages.NAME.tuning`: keys as of `tuning`" in words
    assert "{name: A, keep: 10, beat: false, tuning: {draws: 1}}" in words
    assert "`evolution.mode`" not in words
    words = " ".join(_keys(compare, capsys, "optimizers").split())
    assert "`optimizers.NAME.state_dtype`: `float32` or `bfloat16`; default `float32`." in words


def test_an_unknown_key_is_one_line_with_the_nearest(capsys):
    with pytest.raises(SystemExit) as ended:
        run(["--keys", "funnel.familys"])
    assert ended.value.code == 2
    assert "did you mean 'funnel.families'?" in capsys.readouterr().err
