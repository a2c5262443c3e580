"""What a run keeps of the files that its config names."""

import pytest

from programs import load
from search.config.settings import Config
from search.storage.errors import StoreError
from search.storage.kept import NOTHING, Kept, keep, kept_by
from search.storage.schema import EvaluationRow
from search.storage.store import Store

RULE = "def train(w, g, lr):\n    update = g * lr  # keep\n    return update\n"
RESULT = EvaluationRow(0, "search", "toy", 0, 1.0, 0.0, "COMPLETED", 1, "[]", 0.0, 0.0)


@pytest.fixture
def config(tmp_path):
    rule = tmp_path / "rule.py"
    rule.write_text("# mine\n" + RULE)
    return Config.model_validate(
        {
            "evolution": {"warm_start": ["library:lion", str(rule)]},
            "evaluation": {"tasks": ["toy"]},
            "funnel": {"baselines": ["library:adamw", str(rule)]},
        }
    )


def test_programs_in_files_are_kept_as_they_are_read(tmp_path, config):
    rule = config.evolution.warm_start[1]
    with Store(tmp_path / "run") as store:
        keep(store, config)
        assert kept_by(tmp_path / "run") == NOTHING  # no results: it begins anew
        store.add(RESULT)
        store.commit()
        program = load(rule)
        kept = kept_by(tmp_path / "run")
        assert kept == Kept({rule: RULE}) and [*kept.changed()] == []
        (tmp_path / "rule.py").write_text(RULE.replace("g * lr", "g + lr"))
        assert [line.partition(":")[0] for line in kept.changed()] == [rule]
        (tmp_path / "rule.py").unlink()
        assert [*kept.changed()] == []
        with kept.standing_in():
            assert load(rule) == program and program.frozen
            keep(store, config.model_copy(update={"funnel": None}))
        assert kept_by(tmp_path / "run") == kept


@pytest.mark.parametrize("text", ["[]", '{"a": 1}', "{"])
def test_a_strangers_are_texts_or_refused(tmp_path, text):
    with Store(tmp_path) as store:
        store.add(RESULT)
        store.set_meta("programs", text)
        store.commit()
    with pytest.raises(StoreError, match="the stored 'programs'"):
        kept_by(tmp_path)
