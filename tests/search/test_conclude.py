"""From a finished search to the files that a user takes away, with toys in the workers' place."""

import importlib.util
import math
import re
import runpy
import signal

import jax.numpy as jnp
import pytest
from toys import Noisy, Workers, fill_search

from programs import live_across_steps, load, parse
from search.conclude import conclude
from search.config.machines import WorkerSettings
from search.config.selection import (
    AblationSettings,
    FinalsSettings,
    FunnelSettings,
    StageSettings,
    TuningSettings,
)
from search.config.settings import Config, EvaluationSettings
from search.reports.conclusion import CARD, CERTIFICATE, FINAL, FINAL_OPTAX, conclusion_lines
from search.result import SearchResult
from search.selection import funnel
from search.selection.families import structure
from search.selection.finalists import Finalist
from search.shortening import shorten as simplifying
from search.stopping import Stopped
from search.storage.leaders import leaders
from search.storage.queries import stage_entries, stages, trainings
from search.storage.store import Reader, Store
from tests.search.shortening.test_ablation import EVOLVED, WORTH

ADAMW, SGD = load("library:adamw"), load("library:sgd")
ADAMW_RETUNED = parse(str(ADAMW).replace("lr * 0.001", "lr * 0.004"))
LION = "library:lion"
TUNING = TuningSettings(draws=4, keep=2, seeds=2)
CONFIG = Config(
    evaluation=EvaluationSettings(tasks=("vision_mlp",)),
    workers=WorkerSettings(address="in_process", batch_s=1e-9),
    funnel=FunnelSettings(
        head_start=TUNING,
        stages=(StageSettings(name="B", scale=10, tuning=TUNING),),
        finals=FinalsSettings(tunings=1, seeds=8),
    ),
    ablation=AblationSettings(seeds=8, confirm_seeds=12),
    tuning=TUNING,
)
FILES = ("funnel.md", FINAL, FINAL_OPTAX, CERTIFICATE, CARD)


def has(program, function: str) -> bool:
    return any(s.function == function for s in program)


def planted(r) -> float:
    """Lion's statements are worth something, clip and arcsin nothing."""
    return sum(WORTH.get(s.function, 0.0) for s in r.program)


@pytest.fixture
def concluded(tmp_path, monkeypatch):
    """Concludes a search with these programs, the best first."""

    def run(
        worth=planted,
        workers=None,
        stopping=lambda: None,
        name="run",
        programs=(EVOLVED, SGD),
        config=CONFIG,
    ):
        workers = workers or Workers(Noisy(worth, luck=0.02))
        monkeypatch.setattr(funnel, "evaluation_function", workers.factory)
        with Store(tmp_path / name) as store:
            if not store.meta("config"):
                fill_search(store, config, list(programs))
            finalists = [Finalist(leader, (), ()) for leader in leaders(store, 2)]
            done = conclude(config, store, finalists, stopping=stopping)
        return "\n".join(conclusion_lines(done, tmp_path / name)), tmp_path / name

    return run


def files(run_dir) -> list[str]:
    return [(run_dir / name).read_text() for name in FILES]


def test_the_files_are_written_and_can_be_used(concluded):
    said, run_dir = concluded()
    final = load(str(run_dir / FINAL))
    assert len(final) == 7 and not has(final, "clip") and not has(final, "arcsin")
    spec = importlib.util.spec_from_file_location("final", run_dir / FINAL_OPTAX)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    rule, w = module.final(), jnp.ones(3)
    update, _ = rule.update(w, rule.init(w), w)
    assert jnp.isfinite(update).all()
    result = SearchResult.of(run_dir)
    assert result.final == final and result.confirmed
    for name in (FINAL, FINAL_OPTAX):
        assert "# Final program, made from individual 0 (of 1)," in (run_dir / name).read_text()
    page = (run_dir / CERTIFICATE).read_text()
    for text in (page, said):
        assert (
            "made from individual 0 (of 1), which the funnel confirmed as better than library:adamw."
            in text
        )
        assert "vision_mlp@10" in text and "minus library:adamw" in text
        assert "not worse than the winner by more than the tolerance" in text
        assert "It keeps the constants that it came with" in text
        assert "It equals library:lion except for its constants." in text
        assert "Its update, by behaviour: a sign:" in text
    assert (
        "## Validation of the result" in page
        and "8 fresh seeds, the meta-validation split; 90 % intervals" in page
        and "whose luck these intervals do not contain" in page
    )
    assert "| finals | individual 0 (of 1) |" in (run_dir / "funnel.md").read_text()
    card = (run_dir / CARD).read_text()
    assert "- It is the sign of momentum with decays " in card
    assert ", times a rate and weight decay; that explains 100.0% of its updates on random" in card
    assert "Memory: 1 state, 4 bytes for each weight in float32, beside 2 states of library" in card
    assert "| finals | vision_mlp@10 | 8 seeds |" in card and "## Where it does not help" in card


def test_a_certificate_begins_with_what_was_done_between_the_stages(concluded):
    [stage] = CONFIG.funnel.stages
    stages = (stage, stage.model_copy(update={"name": "C", "shorten": True}))
    shortening = CONFIG.funnel.model_copy(update={"stages": stages})
    said, run_dir = concluded(config=CONFIG.model_copy(update={"funnel": shortening}))
    assert f"{len(load(str(run_dir / FINAL)))} -> 7 statements." in said
    before, after = (run_dir / CERTIFICATE).read_text().split("# From the evolved program to the")
    assert before.startswith("# Before a later stage of the funnel\n")
    assert "g = clip(g, lr)" in before and "## Ablation, by measurement" in before
    assert "g = clip(g, lr)" not in after and has(EVOLVED, "clip")


def test_what_was_found_can_be_kept_in_the_library(concluded, tmp_path, monkeypatch, capsys):
    _, run_dir = concluded()
    main = runpy.run_path("scripts/keep_discovery")["main"]
    monkeypatch.setitem(main.__globals__, "FOLDER", tmp_path / "discovered")
    (config := tmp_path / "x.yaml").touch()
    arguments = ["keep_discovery", str(run_dir), "found", "--config", str(config)]
    monkeypatch.setattr("sys.argv", arguments)
    assert main() == 0
    kept = load(str(tmp_path / "discovered" / "found.py"))
    assert kept == load(str(run_dir / FINAL))
    text = (tmp_path / "discovered" / "found.py").read_text()
    assert text.startswith("# Found: the sign of momentum, times a rate and weight decay (100.0% ")
    card = (tmp_path / "discovered" / "found.md").read_text()
    assert f"Made by a search with {config}, seed 0, 2 individuals" in card
    assert (tmp_path / "discovered" / "found_certificate.md").exists()
    refused = {"found_0": ("final_0_states.py", "--states", "0")}
    refused |= {"found_x": ("expected a number of states", "--states", "../x")}
    refused |= {"found_c": ("no such file", "--config", "configs/none.yaml")}
    for name, (text, *words) in refused.items():
        assert _code(main, monkeypatch, [*arguments[:2], name, *arguments[3:], *words]) == 2
        assert text in capsys.readouterr().err
    assert _code(main, monkeypatch, [*arguments, "--states", "1"]) == 0  # the first has one
    (tmp_path / "discovered" / "taken.py").write_text(str(ADAMW))
    taken = [*arguments[:2], "taken", *arguments[3:]]
    assert _code(main, monkeypatch, taken) == 2
    assert "holds another program; give another NAME, or --replace" in capsys.readouterr().err
    assert load(str(tmp_path / "discovered" / "taken.py")) == ADAMW
    assert _code(main, monkeypatch, [*taken, "--replace"]) == 0
    (run_dir / CARD).unlink()
    assert _code(main, monkeypatch, [*arguments[:2], "half", *arguments[3:]]) == 2
    kept = {path.name for path in (tmp_path / "discovered").iterdir()}
    assert kept == {"found.py", "found.md", "found_certificate.md", "taken.py", "taken.md",
                    "taken_certificate.md"}  # fmt: skip


def _code(main, monkeypatch, words):
    monkeypatch.setattr("sys.argv", words)
    try:
        return main()
    except SystemExit as ended:
        return ended.code


def test_with_a_margin_for_memory_each_number_of_states_has_a_final_program(concluded, tmp_path):
    """The confirmed one first; what needs more memory than the baseline is left out."""
    funnel_settings = CONFIG.funnel.model_copy(update={"memory_margin": 5.0, "baselines": (LION,)})
    config = CONFIG.model_copy(update={"funnel": funnel_settings})
    earlier, own = ("final_2_states.py", "card_10_states.md"), "final_notes.py"
    (tmp_path / "run").mkdir()
    for name in (*earlier, own):
        (tmp_path / "run" / name).touch()
    said, run_dir = concluded(config=config, programs=(ADAMW, EVOLVED, SGD))
    assert "0 states: Final program, made from individual 2 (of 1), which the funnel" in said
    assert "as not worse by 5 than library:lion, which needs more states" in said
    assert "As good with fewer states" in said
    assert not has(load(str(run_dir / FINAL)), "interp")
    assert len(load(str(run_dir / "final_1_state.py")).states) == 1
    assert not any((run_dir / name).exists() for name in earlier)
    assert (run_dir / own).exists()
    assert "minus library:lion" in (run_dir / "certificate_1_state.md").read_text()
    assert (run_dir / "final_optax_1_state.py").exists()


def test_what_came_furthest_stands_for_its_number_of_states_where_none_is_confirmed(concluded):
    """The nearest to the baselines first, with the constants that the stage gave it."""
    funnel_settings = CONFIG.funnel.model_copy(update={"memory_margin": 1e-6})
    config = CONFIG.model_copy(update={"funnel": funnel_settings})
    worth = lambda r: {0: -3.0, 1: -1.0}.get(len(live_across_steps(r.program).states), 0.0)
    said, run_dir = concluded(worth, config=config, programs=(ADAMW, SGD, EVOLVED))
    assert "1 state: Final program, not confirmed: made from individual 2 (of 1) as tuned" in said
    assert len(load(str(run_dir / FINAL)).states) == 1
    assert (run_dir / "final_0_states.py").exists()
    assert "p (H0: difference <= -1e-06)" in said


def test_a_result_that_is_worse_where_the_funnel_ended_is_reverted(concluded):
    """Without clip it is as good on the search's task, and not on the larger one."""
    said, run_dir = concluded(
        lambda r: planted(r) + 0.5 * ("@" in r.task and has(r.program, "clip"))
    )
    final = load(str(run_dir / FINAL))
    assert structure(final) == structure(EVOLVED)
    page = (run_dir / CERTIFICATE).read_text()
    for text in (page, said):
        assert (
            "exact passes alone: after the ablation it was clearly worse where the funnel ended"
            " (vision_mlp@10)" in text
        )
    assert "What follows was reverted" in page and "drop g = clip(g, lr)" in page
    assert "after the ablation: clearly worse than the winner." in page
    assert "exact passes alone: not worse than the winner by more than the tolerance." in page


def test_a_winner_that_cannot_be_ablated_is_delivered_after_exact_passes(concluded):
    """It diverges on one of the seeds of the ablation."""
    broken = lambda r: -math.inf if (r.task, r.seed) == ("vision_mlp", 2003) else planted(r)
    said, run_dir = concluded(broken)
    assert "exact passes alone: it does not train on all seeds of the ablation" in said
    assert structure(load(str(run_dir / FINAL))) == structure(EVOLVED)
    assert all((run_dir / name).read_text() for name in FILES)


def test_without_a_confirmed_program_the_searchs_best_is_delivered_and_labelled(concluded):
    said, run_dir = concluded(lambda r: planted(r) - 9 * ("@" in r.task and has(r.program, "clip")))
    assert "No program is shown to be better" in said
    for text in (said, (run_dir / CERTIFICATE).read_text()):
        assert "Final program, not confirmed: made from individual 0, the search's best" in text
    card = (run_dir / CARD).read_text()
    assert "## Where it was compared" in card and "it is worse than library:adamw" in card
    assert all((run_dir / name).read_text() for name in FILES)


def test_the_output_states_which_constants_are_delivered(concluded, monkeypatch):
    monkeypatch.setattr(simplifying, "_with_first_constants", lambda *_: None)
    said, run_dir = concluded()
    for text in (said, (run_dir / CERTIFICATE).read_text()):
        assert "It has the constants tuned for the ablation" in text


def test_stopped_anywhere_and_resumed_nothing_is_trained_twice(concluded):
    """In the funnel, in the ablation, in the validation: the files come out the same."""
    whole = Workers(Noisy(planted, luck=0.02))
    _, reference = concluded(workers=whole, name="whole")
    total = len(whole.jobs)
    workers, reached = Workers(Noisy(planted, luck=0.02)), set()
    for share in (0.1, 0.2, 0.4, 0.7, 0.95):
        at = int(share * total)
        with pytest.raises(Stopped) as stopped:
            concluded(
                workers=workers,
                stopping=lambda at=at: signal.SIGTERM if len(workers.jobs) >= at else None,
            )
        assert stopped.value.args == (signal.SIGTERM,) and len(workers.jobs) == at
        with Reader(reference.parent / "run") as store:
            reached.add("finals" in [stage.name for stage in stages(store)])
    _, run_dir = concluded(workers=workers)
    assert reached == {True, False}
    assert len(workers.jobs) == len(set(workers.paid())) == total
    assert sorted(workers.paid()) == sorted(whole.paid())
    assert files(run_dir) == files(reference)
    with Reader(run_dir) as one, Reader(reference) as two:
        paid = [[row._replace(seconds=0) for row in trainings(store)] for store in (one, two)]
        assert paid[0] == paid[1] and len(paid[0]) == total
        assert stages(one) == stages(two)
        for stage in stages(one):
            assert stage_entries(one, stage.stage) == stage_entries(two, stage.stage)


def test_a_search_without_a_fitness_has_nothing_to_select(tmp_path):
    with Store(tmp_path) as store:
        done = conclude(CONFIG, store, [])
        assert list(conclusion_lines(done, tmp_path)) == [
            "No program of this search has a fitness: there is nothing to select."
        ]
        assert conclude(CONFIG.model_copy(update={"funnel": None}), store, []) is None


def test_texts_are_programs(concluded):
    _, run_dir = concluded()
    blocks = re.findall(r"```python\n(.*?)```", (run_dir / CERTIFICATE).read_text(), re.DOTALL)
    assert len(blocks) > 5 and all(parse(block) for block in blocks)


def test_a_search_that_found_the_baselines_constants_alone_has_no_candidate(concluded):
    said, run_dir = concluded(programs=(ADAMW_RETUNED, ADAMW))
    assert "is a baseline with other constants" in said and "there is no candidate" in said
    assert "The same on vision_mlp, on 8 fresh seeds" in said
    assert all((run_dir / name).read_text() for name in FILES)
