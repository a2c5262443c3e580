"""What pays: the settings by which a search finds a rule of one state, each of them taken away, and
islands added.

Every search gets as many trainings. The best program of one state is trained on seeds that no
search has used, on the tasks as the config has them, so that searches on other tasks (without
gradient scales) are judged by the same.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from search.config.settings import Config
from search.evaluation.source import Fitness
from search.reports.tables import columns
from search.selection.comparison import holm
from search.selection.nearest_rule import nearest_rule
from search.storage.leaders import leaders
from search.storage.store import opened
from search.studies.folder import Folder
from search.studies.intervals import LEVEL, difference_of, mean_of, p_of_difference
from search.studies.searches import Asked, Planned, changed
from search.studies.trainings import fresh_mean

ALL, NONE = "all", "none of them"
SIGN = "the sign of momentum"
STATES, LEADING = 1, 30  # the niche that is looked at, and how many of its best
PRICE = 0.05  # of a state, in place of niches: that of the prototype on this kind of task
ISLANDS = {"evolution.repeats": 4, "evolution.migration_interval": 50}
OF_TASKS = {  # settings of the tasks, by what they are called
    "gradient scales": ("gradient_scale_by_seed", "gradient_scale_by_array"),
    "random signs": ("random_signs",),
}


def arms(config: Config) -> dict[str, dict[str, Any]]:
    """Changes of the config by arm; an arm that would change nothing is left out."""
    data = config.model_dump(mode="json")
    of_tasks = data["evaluation"]["settings"]
    off: dict[str, dict[str, Any]] = {
        "tune_start": {"evolution.tune_start": None},
        "rates": {"evaluation.rates": [1.0], "evaluation.rates_when": "failed"},
        "niches": {"evolution.niches": None},
        **{name: _without(of_tasks, keys) for name, keys in OF_TASKS.items()},
        "race": {"evaluation.race": None},
        "max_redundant": {"evolution.mutations.max_redundant": None},
        "match_size": {"evaluation.match_size": False},
    }
    off = {name: changes for name, changes in off.items() if _differs(data, changes)}
    found: dict[str, dict[str, Any]] = {
        ALL: {},
        **{f"without {name}": changes for name, changes in off.items()},
    }
    if "niches" in off:
        found["price, not niches"] = {"evolution.niches": None, "evolution.price.state": PRICE}
    found["with islands"] = ISLANDS
    found[NONE] = {key: value for changes in off.values() for key, value in changes.items()}
    if any(name in off for name in OF_TASKS):
        found[NONE] |= _without(of_tasks, itertools.chain(*OF_TASKS.values()))
    return found


def _without(of_tasks: Mapping[str, Mapping[str, Any]], keys: Iterable[str]) -> dict[str, Any]:
    """A change of the config: its tasks' settings without some of them."""
    gone = set(keys)
    left = {
        task: {key: value for key, value in own.items() if key not in gone}
        for task, own in of_tasks.items()
    }
    return {"evaluation.settings": left}


def _differs(data: Mapping[str, Any], changes: Mapping[str, Any]) -> bool:
    for key, value in changes.items():
        inner: Any = data
        for part in key.split("."):
            inner = inner[part]
        if inner != value:
            return True
    return False


def plan(config: Config, source: Fitness, *, trainings: int, repeats: int) -> list[Planned]:
    """A search of each arm with each seed, seed by seed."""
    same = {
        "evolution.children": 10**9,
        "evolution.repeats": 1,
        "evolution.migration_interval": None,
        "evolution.rounds": 1,
        "evolution.flat_children": None,
        "stop": {"trainings": trainings},
        "funnel": None,
        "rescore.programs": 0,
    }
    configs = {
        (arm, seed): changed(config, source, {**same, **changes, "seed": seed})
        for seed in range(config.seed, config.seed + repeats)
        for arm, changes in arms(config).items()
    }
    return [Planned(arm, seed, one) for (arm, seed), one in configs.items()]


def found_by(
    _: Planned,
    run_dir: Path,
    stopping: Asked,
    *,
    folder: Folder,
    config: Config,
    seeds: int,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """The best program of one state of a search: which rule it and its neighbours are, and its mean
    on fresh seeds of the config's tasks; null: it has no fitness on one of them."""
    with opened(run_dir) as store:
        leading = leaders(store, LEADING, states=STATES)
    if not leading:
        empty = dict.fromkeys(("program", "fitness", "fresh", "rule"))
        return {**empty, "signs": 0, "leading": 0}
    best = leading[0]
    fresh = fresh_mean(best.program, folder, config, seeds=seeds, clock=stopping, say=say)
    rules = [nearest_rule(leader.program) for leader in leading]
    names = [rule.name if rule and rule.is_same else "none" for rule in rules]
    return {
        "program": best.text,
        "fitness": best.fitness,
        "fresh": fresh,
        "rule": names[0],
        "signs": names.count(SIGN),
        "leading": len(names),
    }


def summary(results: Sequence[dict[str, Any]]) -> tuple[dict[str, Any], list[str]]:
    """Each arm with its intervals over seeds, beside the arm with everything.

    "Apart" is by p, adjusted for the number of arms (Holm), and only where every search of both has
    a fitness, as the mean of the rest would leave out what failed.
    """
    by_arm: dict[str, list[dict[str, Any]]] = {}
    for result in results:
        by_arm.setdefault(result["arm"], []).append(result)
    values = {
        arm: [r["fresh"] for r in few if r["fresh"] is not None] for arm, few in by_arm.items()
    }
    whole = values.get(ALL, [])
    complete = [arm for arm, few in by_arm.items() if len(values[arm]) == len(few)]
    beside = [arm for arm in complete if arm != ALL] if ALL in complete else []
    p = dict(zip(beside, holm([p_of_difference(values[arm], whole) for arm in beside])))
    rows = [
        [
            "arm", "searches", "one state, on fresh seeds [95 %]", "minus all [95 %]", "p", "apart",
            "without a fitness", "best is a sign of momentum", "niche holds one",
        ]
    ]  # fmt: skip
    numbers = {}
    for arm, few in by_arm.items():
        fresh = values[arm]
        mean, difference = mean_of(fresh), difference_of(fresh, whole)
        verdict = ("yes" if p[arm] <= 2 * LEVEL else "no") if arm in p else "not compared"
        best = sum(r["rule"] == SIGN for r in few)
        holds = sum(r["signs"] > 0 for r in few)
        is_all = arm == ALL
        rows.append(
            [
                arm, str(len(few)), mean.text(), "" if is_all else difference.text("+.4g"),
                f"{p[arm]:.2g}" if arm in p else "", "" if is_all else verdict,
                str(len(few) - len(fresh)),
                f"{best} of {len(few)}", f"{holds} of {len(few)}",
            ]
        )  # fmt: skip
        numbers[arm] = {
            "fresh": mean.as_json(),
            "minus_all": None if is_all else difference.as_json(),
            "p": p.get(arm),
            "best_is_sign": best,
            "holds_sign": holds,
            "searches": [
                {key: r[key] for key in ("seed", "trainings", "fitness", "fresh", "rule", "signs")}
                for r in few
            ],
        }
    return numbers, columns(rows).splitlines()
