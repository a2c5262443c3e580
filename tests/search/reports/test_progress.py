"""Lines of progress of what follows a search."""

import json

from search.reports.progress import Lines, progress_line
from search.selection.ledger import Progress
from search.selection.objective import Expected


def test_a_line_names_the_phase_and_how_far_it_is():
    progress = Progress()
    progress.begin("stage B", Expected(360, 3600.0))
    assert progress_line(progress) == "stage B: 0 trainings run, of at most 360"
    progress.done, progress.reused, progress.compute_done = 120, 40, 1200.0
    progress.started -= 100.0  # 12 units of compute a second, 2,000 of 3,600 are left
    progress.compute_reused = 400.0
    line = progress_line(progress)
    assert line.startswith("stage B: 120 trainings run, 40 reused, of at most 360; at most 2 min ")
    progress.begin("ablation")
    assert progress_line(progress) == "ablation"
    progress.done = 3
    assert progress_line(progress) == "ablation: 3 trainings run"


def test_each_phase_is_named_as_it_begins(capsys):
    """And then a line now and then, not with each training."""
    lines, progress = Lines("json"), Progress()
    for phase in ("head start", "stage A"):
        progress.begin(phase, Expected(10, 10.0))
        for _ in range(5):
            lines(progress)
            progress.done += 1
    said = [json.loads(line)["progress"] for line in capsys.readouterr().out.splitlines()]
    assert said == [
        f"{phase}: 0 trainings run, of at most 10" for phase in ("head start", "stage A")
    ]
