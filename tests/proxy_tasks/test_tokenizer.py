"""Tokenizers."""

import json
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy_tasks import TaskError
from proxy_tasks.text import load_text
from proxy_tasks.tokenizer import make_tokenizer

SAMPLE = load_text("pydoc", 60_000)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
PAIRS = make_tokenizer("bpe:400", SAMPLE)


@settings(deadline=None)
@given(TEXT)
def test_bytes_and_pairs_round_trip_any_text(text):
    for tokenizer in (make_tokenizer("byte", ""), PAIRS):
        tokens = tokenizer.encode(text)
        assert (tokens < tokenizer.vocabulary).all()
        assert tokenizer.decode(tokens) == text


def test_characters_round_trip_and_mark_the_unknown():
    tokenizer = make_tokenizer("char", SAMPLE)
    assert tokenizer.decode(tokenizer.encode(SAMPLE)) == SAMPLE
    assert tokenizer.decode(tokenizer.encode("a\u2603b")) == "a\ufffdb"


def test_pairs_are_shorter_and_the_same_in_another_process():
    tokens = PAIRS.encode(SAMPLE[:2000])
    assert PAIRS.vocabulary == 400
    assert len(tokens) < 0.7 * 2000
    code = (
        "import json; from proxy_tasks.text import load_text;"
        "from proxy_tasks.tokenizer import make_tokenizer;"
        "text = load_text('pydoc', 60_000);"
        "print(json.dumps(make_tokenizer('bpe:400', text).encode(text[:2000]).tolist()))"
    )
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert json.loads(other.stdout) == tokens.tolist()


@pytest.mark.parametrize("name", ["bpe", "bpe:", "bpe:12", "bpe:x", "bpe:99999", "chars", ""])
def test_wrong_tokenizers(name):
    with pytest.raises(TaskError, match=r"^tokenizer=[^\n]*$"):
        make_tokenizer(name, SAMPLE)
