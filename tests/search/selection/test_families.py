"""Families: copies are one family, different optimizers are not."""

import random

from programs import load, parse
from programs.mutate import MutationOptions, mutate
from search.selection.families import Candidate, direction, families, is_variant, structure
from search.selection.tuning import redrawn

LION, ADAMW = load("library:lion"), load("library:adamw")


def copies(program, count, fitness):
    rng = random.Random(0)
    return [Candidate(redrawn(program, 0.5, rng), fitness - 0.001 * i) for i in range(count)]


def test_structure_ignores_constants_names_and_redundant_statements():
    other = parse(
        "def train(w, g, n, lr):\n  x = interp(g, n, 0.9)\n  y = sign(w)\n  x = sign(x)\n"
        "  n = interp(g, n, 0.985)\n  z = 0.1 * w\n  x = z + x\n  update = x * lr\n"
        "  update = 0.3 * update\n  return update, n\n"
    )
    assert structure(redrawn(LION, 1.0, random.Random(1))) == structure(LION)
    assert structure(LION) != structure(ADAMW)
    assert structure(other) != structure(LION)  # (u * lr) * c and u * (lr * c): see direction
    assert len(families([Candidate(LION, 1.0), Candidate(other, 0.9)], 5)) == 1


def test_fifty_copies_are_one_family():
    candidates = copies(LION, 50, 2.0) + copies(ADAMW, 30, 1.0)
    candidates += [Candidate(load(f"library:{name}"), 0.1) for name in ("sgd", "adagrad")]
    found = families(candidates, 4)
    assert [f.best.fitness for f in found] == [2.0, 1.0, 0.1, 0.1]
    assert found[0].members >= 45  # a few constants are drawn so far off that it is another rule


def test_a_statement_more_that_hardly_matters_is_the_same_family():
    text = str(LION).replace("update = interp", "g = clip(g, 1000.0)\n    update = interp")
    more = parse(text)
    assert structure(more) != structure(LION)
    assert len(families([Candidate(more, 1.1), Candidate(LION, 1.0)], 5)) == 1


def test_library_rules_are_of_many_families():
    names = ("sgd", "momentum", "adamw", "lion", "adagrad", "rmsprop", "sign_sgd", "yogi")
    found = families([Candidate(load(f"library:{n}"), -i) for i, n in enumerate(names)], 20)
    assert len(found) >= 6


def test_programs_that_fail_are_left_out():
    bad = parse("def train(w, g, lr):\n  update = log(g)\n  update = exp10(update)\n"
                "  update = exp10(update)\n  update = exp10(update)\n  return update\n")  # fmt: skip
    rng = random.Random(0)
    nowhere = parse("def train(w, g, lr):\n  update = arcsin(2.0)\n  update = update * g\n"
                    "  return update\n")  # fmt: skip
    assert direction(nowhere) is None  # on these inputs; with a fitness it is a family all the same
    found = families([Candidate(nowhere, 2.0), Candidate(LION, 1.0), Candidate(nowhere, 0.5)], 5)
    assert [(family.best.fitness, family.members) for family in found] == [(2.0, 2), (1.0, 1)]
    assert families([Candidate(LION, float("-inf")), Candidate(LION, float("nan"))], 3) == []
    programs = [LION, bad]
    for _ in range(200):  # whatever a search may hold
        programs.append(mutate(programs[-1], rng, options=MutationOptions(max_length=20)).program)
    assert len(families([Candidate(p, 0.0) for p in programs], 10)) <= 10


def test_a_variant_has_the_same_structure_and_no_further_constants():
    other = parse(str(ADAMW).replace("0.001", "0.7").replace("0.9)", "0.5)"))
    assert is_variant(other, of=ADAMW) and not is_variant(LION, of=ADAMW)
    once = parse(
        "def train(w, g, m, lr):\n  m = interp(g, m, 0.9)\n  update = sign(m)\n"
        "  wd = w * 0.1\n  update = update + wd\n  lr = lr * 0.0001\n  update = update * lr\n"
        "  return update, m\n"
    )
    assert is_variant(once, of=LION) and not is_variant(LION, of=once)  # one beta of Lion's two
