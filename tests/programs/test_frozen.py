"""Statements marked `# keep`: in text, and under every mutation."""

from __future__ import annotations

from dataclasses import replace
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from programs import Program, ProgramError, analyse, load, parse, remove_redundant
from programs.canonical import canonical_hash
from programs.draws import child_rng
from programs.mutate import MutationOptions, mutate
from tests.strategies import programs


def freeze(program: Program, marks: list[bool]) -> Program:
    marked = [replace(s, frozen=m) for s, m in zip(program, marks + [False] * len(program))]
    return replace(program, statements=tuple(marked))


MARKS = st.lists(st.booleans(), max_size=30)
OPTIONS = st.builds(
    MutationOptions,
    insert=st.floats(0.1, 2),
    delete=st.floats(0, 2),
    modify=st.floats(0, 2),
    rescale=st.floats(0, 1),
)


@settings(max_examples=60, deadline=None)
@given(programs(), MARKS, OPTIONS, st.integers(0, 2**32))
def test_mutation_leaves_frozen_statements_as_they_are(program, marks, options, seed):
    program = freeze(program, marks)
    frozen = program.frozen
    for i in range(60):
        program = mutate(program, child_rng(seed, 0, i), options=options).program
        assert program.frozen == frozen  # all of them, in order


WEIGHTS = st.sampled_from([0.0, 1e-300, 1e-6, 0.01, 1.0, 100.0, 1e6])


@settings(max_examples=60, deadline=None)
@given(programs(), MARKS, WEIGHTS.filter(bool), st.tuples(WEIGHTS, WEIGHTS), st.integers(0, 2**32))
def test_no_weights_leave_a_program_without_children(program, marks, one, others, seed):
    """That of insertions is above 0 where statements are frozen, else that of modifications too."""
    program, (delete, other) = freeze(program, marks), others
    frozen = program.frozen
    insert, modify = (one, other) if frozen or seed % 2 else (other, one)
    options = MutationOptions(insert=insert, delete=delete, modify=modify)
    with mock.patch("programs.mutate.MAX_ATTEMPTS", 100):
        for i in range(30):
            child = mutate(program, child_rng(seed, 0, i), options=options)
            program = child.program
            assert analyse(program) == child.analysis and program.frozen == frozen


@settings(max_examples=60, deadline=None)
@given(programs(), MARKS, st.integers(0, 2**32))
def test_tuning_leaves_their_constants(program, marks, seed):
    program = freeze(program, marks)
    options, frozen = MutationOptions(mode="constants"), program.frozen
    if not program.free_constants():
        with pytest.raises(ProgramError, match="no constant to tune"):
            mutate(program, child_rng(seed, 0, 0), options=options)
        return
    for i in range(20):
        program = mutate(program, child_rng(seed, 0, i), options=options).program
        assert program.frozen == frozen


@settings(max_examples=60, deadline=None)
@given(programs(), MARKS)
def test_text_has_the_marks_and_hashes_have_not(program, marks):
    marked = freeze(program, marks)
    assert parse(str(marked)) == marked and marked.unfrozen() == program
    assert analyse(marked).functional_hash == analyse(program).functional_hash
    assert canonical_hash(marked) == canonical_hash(program)
    kept = remove_redundant(marked, keep_frozen=True)
    assert kept.frozen == marked.frozen
    assert remove_redundant(kept) == remove_redundant(marked)


def test_every_free_statement_is_still_deleted_and_modified():
    adamw = load("library:adamw")
    program = freeze(adamw, [i in (5, 7) for i in range(9)])
    options = MutationOptions(insert=0)
    changed = set()
    for i in range(500):
        child = mutate(program, child_rng(0, 0, i), options=options)
        if child.kind == "modify":
            changed |= {i for i, s in enumerate(program) if child.program.statements[i] != s}
    assert changed == set(range(9)) - {5, 7}


def test_marks_in_text():
    text = """
def train(w, g, lr):
    wd = w * 0.01   #keep
    lr = lr * 0.001  # keep  # scalar
    update = (g +
        wd)  # keep
    # update = g  # keep
    update = update * lr  # keep this in mind
    return update
"""
    assert [s.frozen for s in parse(text)] == [True, True, True, False]
    assert "    wd = w * 0.01  # keep\n" in str(parse(text))


@pytest.mark.parametrize("sign", ["\f", "\v", "\x1c", "\x85", "\u2028", "\u2029"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_marks_after_a_sign_that_ends_no_line(sign, end):
    text = (
        f"# a{sign}b\ndef train(w, g, lr):  # {sign}\n  update = g * 2.0  # keep\n  return update\n"
    )
    assert parse(text.replace("\n", end)).statements[0].frozen


@pytest.mark.parametrize(
    "text", ["# keep", "A.\n  # keep\n", "A.\n  # keep", "é\n\n  # keep\n  B."]
)
def test_a_docstring_holds_no_mark(text):
    body = f'  """{text}"""\n  update = g * 2.0\n  return update'
    assert not parse(f"def train(w, g, lr):\n{body}").frozen


@pytest.mark.parametrize(
    "text, line",
    [
        ("def train(w, g, lr):\n  # keep\n  update = g * 2.0\n  return update", 2),
        ("def train(w, g, lr):\n  update = g * 2.0\n  return update  # keep", 3),
        ("def train(w, g, lr):  # keep\n  update = g * 2.0\n  return update", 1),
        ('def train(w, g, lr):\n  """#"""  # keep\n  update = g * 2.0\n  return update', 2),
    ],
)
def test_marks_that_mark_nothing(text, line):
    with pytest.raises(ProgramError, match="follows the statement that it keeps") as error:
        parse(text, "p.py")
    assert str(error.value).startswith(f"p.py:{line}:")
