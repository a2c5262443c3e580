"""Candidates made short between the stages of a funnel: each time on seeds of its own."""

from programs import load
from search.config.selection import AblationSettings, TuningSettings
from search.selection.objective import Objective
from search.selection.results import NamedProgram
from search.shortening.between_stages import Shortener
from search.shortening.shorten import shorten

SETTINGS = {
    "ablation": AblationSettings(retuning=TuningSettings(draws=2, keep=1, seeds=1)),
    "tuning": TuningSettings(draws=4, keep=2, seeds=2),
}
START = load("library:program8")


def test_no_two_times_nor_the_final_ablation_share_a_seed():
    seeds: list[int] = []

    def planted(requests) -> list[float]:
        seeds.extend(r.seed for r in requests)
        return [-0.1 * len(r.program) + 0.01 * (r.seed * 7 % 5) for r in requests]

    objective = Objective(planted, ("a",))
    shortener = Shortener(objective, **SETTINGS)
    used = []
    for _ in range(2):
        shortener(NamedProgram("one", START), None)
        used.append(set(seeds))
        seeds.clear()
    shorten(START, objective, **SETTINGS)
    used.append(set(seeds))
    assert len(shortener.steps["one"]) == 2
    assert sum(map(len, used)) == len(set.union(*used)) > 0
    seeds.clear()
    shortener(NamedProgram("another", START), None)
    assert set(seeds) == used[0]  # candidates are compared on the same
