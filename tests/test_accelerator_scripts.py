"""What measures an accelerator also runs on a CPU, with small sizes."""

import json
import runpy
import sys
from pathlib import Path

SCRIPTS = Path(__file__).parents[1] / "scripts"


def test_the_benchmark_times_one_by_one_and_a_batch(tmp_path, capsys):
    main = runpy.run_path(str(SCRIPTS / "bench_accelerator"))["main"]
    file = tmp_path / "bench.json"
    # In batches of the size by which a row's memory is counted, which are compiled once for both.
    arguments = ["--tasks", "vision_mlp", "--sizes", "8", "--steps", "3", "--programs", "3"]
    assert main([*arguments, "--branching", "switch", "--json", str(file)]) == 0
    alone, batch = json.loads(file.read_text())
    assert (alone["branching"], batch["branching"], batch["size"]) == ("one by one", "switch", 8)
    for row in (alone, batch):
        assert row["rate"] > 0 and row["first_s"] > 0 and 0 < row["share"] < 1
        assert "error" not in row
    assert batch["row_bytes"] > 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_a_part_that_has_ended_is_not_run_again(tmp_path, monkeypatch, capsys):
    main = runpy.run_path(str(SCRIPTS / "on_accelerator"))["main"]
    for part in ("equality", "bench", "search"):
        (tmp_path / f"{part}.done").touch()
    monkeypatch.setenv("OUT", str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", "")
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "site").mkdir()
    assert main([]) == 0
    assert capsys.readouterr().out == "all parts have ended\n"
