"""Individuals rebuilt from the edits between them and the first of their line."""

import small_run

from search.storage.lineage import ProgramText, individual, line
from search.storage.store import Reader


def test_an_individual_is_the_last_of_its_line_and_alone_is_parsed(tmp_path, monkeypatch):
    run_dir, parse, parsed = small_run.make(tmp_path / "run"), ProgramText.program, []
    monkeypatch.setattr(
        ProgramText, "program", lambda text, *what: parsed.append(text) or parse(text)
    )
    with Reader(run_dir) as store:
        for number, (_, _, program, _) in enumerate(small_run.steps()):
            parsed.clear()
            assert individual(store, number) == program and len(parsed) == 1
            assert line(store, number)[-1][1] == program
