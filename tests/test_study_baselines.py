"""The page of the study of baselines: a task's section is replaced, and nothing else."""

import runpy
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "baselines.md"
NEW = "### vision_mlp\n\nNew.\n\n- a line"


@pytest.fixture(scope="module")
def write():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [*sys.path])
        patch.setattr("search.evaluation.threads.single_threaded", lambda: None)
        return runpy.run_path(str(ROOT / "scripts" / "study_baselines"))["write"]


def test_a_section_takes_the_place_of_the_earlier_one_and_all_else_stays(write, tmp_path):
    page, before = tmp_path / "baselines.md", PAGE.read_text()
    page.write_text(before)
    begin, end = before.index("### vision_mlp\n"), before.index("### language_mlp\n")
    write(page, NEW)
    assert page.read_text() == f"{before[:begin]}{NEW}\n\n{before[end:]}"
    write(page, before[begin:end])
    assert page.read_text() == before
    last = before[before.rindex("### ") :]
    write(page, last)
    assert page.read_text() == before


def test_a_further_task_comes_after_the_others(write, tmp_path):
    page, before = tmp_path / "baselines.md", PAGE.read_text()
    page.write_text(f"{before}\n## Notes\n\nOf a person.\n")
    write(page, "### plane\n\nNew.")
    assert page.read_text() == f"{before}\n### plane\n\nNew.\n\n## Notes\n\nOf a person.\n"


def test_a_new_page_has_a_title_and_says_what_was_done(write, tmp_path):
    write(tmp_path / "new.md", NEW)
    write(tmp_path / "new.md", "### plane\n\nNew.")
    text = (tmp_path / "new.md").read_text()
    assert text.startswith("# Baselines: ") and "scrambled Sobol" in text
    assert text.endswith(f"Spearman's.\n\n{NEW}\n\n### plane\n\nNew.\n")
