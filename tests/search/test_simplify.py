"""The command `search.simplify`: from an evolved program to Lion, with its certificate."""

import json

import pytest

from programs import load, parse
from programs.canonical import canonical_hash
from search import simplify as command
from search.config.selection import AblationSettings, ShrinkSettings, TuningSettings
from search.evaluation.evaluator import Evaluator, evaluator_for
from search.evaluation.request import Request
from search.reports.certificate import as_data, certificate
from search.selection.families import structure
from search.selection.ledger import remembered
from search.shortening.shorten import shorten, with_first_constants

LION = load("library:lion")
WORTH = {"sign": 1.0, "interp": 1.0, "add": 0.5, "multiply": 0.5}


def planted(requests):
    """The sum of what the functions are worth; clip and arcsin are worth nothing."""

    def one(r: Request) -> float:
        return sum(WORTH.get(s.function, 0.0) for s in r.program) + 0.1 * (r.seed * 7 % 5)

    return [one(r) for r in requests]


@pytest.fixture(scope="module")
def done():
    tuning = TuningSettings(draws=4, keep=2, seeds=2)
    return shorten(load("library:program8"), planted, ["a", "b"], AblationSettings(), tuning)


def test_program8_becomes_lion_with_its_own_constants(done):
    assert structure(done.program) == structure(LION)
    assert len(done.program) == 7 and done.program.states == ("v",)
    lion = (
        str(LION)
        .replace("m)", "v)").replace("m,", "v,").replace("m =", "v =").replace(" m\n", " v\n")
        .replace("0.9)", "0.9)").replace("0.99)", "0.99821967)")
        .replace("0.1", "0.46019784").replace("0.0001", "0.00021717617")
    )  # fmt: skip
    assert canonical_hash(done.program) == canonical_hash(parse(lion))


def test_the_certificate_tells_the_whole_way(done):
    page = certificate(done)
    for said in (
        "21 to 7 statements, 2 to 1 states", "liveness across steps", "*measured*",
        "| `drop g = clip(g, lr)` | taken", "confirmed on fresh seeds", "Tuned to the tasks",
    ):  # fmt: skip
        assert said in page, said
    data = json.loads(json.dumps(as_data(done)))
    assert parse(data["program"]) == done.program
    taken = [change for change in data["ablation"] if change["verdict"] == "TAKEN"]
    assert len(taken) == 2
    for change in taken:
        [first, second] = change["measured"]
        assert (first["task"], second["task"]) == ("a", "b")
        assert first["seeds"] == 12 and first["interval"][0] > -first["tolerance"]


def test_evolution_without_insertion_may_propose():
    shrinking = ShrinkSettings(price=0.2, children=150, seeds=1)
    done = shorten(load("library:program4"), planted, ["a"], shrinking=shrinking)
    assert done.proposal is not None and len(done.program) < 9
    assert done.restored is None and done.tuned is None


def test_constants_are_given_back_only_where_they_are_known():
    tuned = parse(str(LION).replace("0.9)", "0.8)").replace("0.1", "0.5"))
    final = parse(str(tuned))
    assert canonical_hash(with_first_constants(final, tuned, LION)) == canonical_hash(LION)
    other = parse(str(tuned).replace("0.5", "0.123"))
    assert with_first_constants(other, tuned, LION) is None


def test_nothing_is_trained_twice():
    asked = []
    score = remembered(lambda requests: asked.extend(requests) or planted(requests))
    requests = [Request(LION, "a", 0), Request(LION, "a", 0), Request(LION, "a", 1)]
    assert score(requests) == planted(requests) and score(requests) == planted(requests)
    assert len(asked) == 2


def test_settings_of_all_tasks_and_of_one():
    tasks = ["vision_mlp", "language_mlp@2"]
    evaluator = evaluator_for(tasks, ["steps=20", "language_mlp.text_limit=8000"])
    assert evaluator.task("vision_mlp").steps == 20
    assert evaluator.task("language_mlp@2").settings.text_limit == 8000
    assert evaluator.task("language_mlp@4").settings.text_limit == 8000


def test_a_real_training_scores_both_splits():
    evaluator = Evaluator(engine="compiled", settings={"vision_mlp": {"steps": 30, "hidden": 4}})
    search, meta = evaluator(
        [Request(LION, "vision_mlp", 0), Request(LION, "vision_mlp", 0, "meta_validation")]
    )
    assert -10 < search < 0 and -10 < meta < 0 and search != meta
    assert evaluator([Request(LION, "vision_mlp", 0)]) == [search]


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["library:lino", "--task", "vision_mlp"], "lion"),
        (["library:lion", "--task", "vision_mpl"], "vision_mlp"),
        (["library:lion"], "--task"),
        (["library:lion", "--task", "vision_mlp", "--seeds", "1"], "at least 2"),
        (
            ["library:lion", "--task", "vision_mlp", "--seeds", "1001"],
            "more than the 1000 there are",
        ),
        (["library:lion", "--task", "vision_mlp", "--confirm-seeds", "334"], "--confirm-seeds: "),
        (["library:lion", "--task", "vision_mlp", "--tolerance", "-1"], "above 0"),
        (["library:lion", "--task", "vision_mlp", "--level", "0.7"], "below 0.5"),
        (["library:lion", "--task", "vision_mlp", "--out", "/no/such/x.py"], "cannot be written"),
        (["library:lion", "--task", "vision_mlp", "--certificate", "/"], "cannot be written"),
        (["library:lion", "--task", "vision_mlp", "--task-set", "stps=3"], "steps"),
        (["library:lion", "--task", "vision_mlp", "--task-set", "vision_mlp.steps=x"], "steps"),
    ],
)
def test_mistakes_are_one_clear_line(argv, said, capsys):
    try:
        code = command.main(argv)
    except SystemExit as error:
        code = error.code
    assert code == 2
    err = capsys.readouterr().err
    assert said in err and err.count("\n") <= 1 and "Traceback" not in err


@pytest.mark.slow
@pytest.mark.parametrize("name", ["program8", "program4"])
def test_the_papers_programs_become_lion_on_real_tasks(name, tmp_path, capsys):
    """Minutes: clip and arcsin go by measurement, all else has to stay."""
    out = tmp_path / "final.py"
    argv = [f"library:{name}", "--tune", "192", "--tolerance-sd", "2", "--out", str(out)]
    argv += ["--task", "vision_mlp:long", "--task", "language_mlp:long"]
    assert command.main(argv) == 0
    final = load(str(out))
    assert structure(final) == structure(LION) and len(final) == 7
