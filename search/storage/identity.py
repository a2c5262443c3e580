"""The identity of a search, in its run directory: no other search is continued there."""

from __future__ import annotations

import contextlib
import json
import platform
from importlib import metadata
from pathlib import Path
from typing import Any

from programs import user_functions
from search.config.load import dumps, loads
from search.config.settings import Config
from search.storage.errors import StoreError
from search.storage.queries import has_results, trainings
from search.storage.schema import IMPORTED, META, MetaKey
from search.storage.store import Reader, Store
from search.storage.stored_json import stored_object

PACKAGES = ("jax", "jaxlib", "numpy", "optax", "ray")


def versions() -> dict[str, str]:
    """What a fitness may depend on besides the config: equal bits need equal versions."""
    found = {}
    for name in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):  # a search can do without Ray
            found[name] = metadata.version(name)
    return {"python": platform.python_version(), **found, "processor": _processor()}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def check_identity(
    store: Store, config: Config, *, fingerprints: dict[str, str], resume: bool
) -> list[str]:
    """Writes what a new run is, or checks that an old one is the same; returns warnings.

    A directory whose search has no results yet is as good as new.

    fingerprints: of the tasks, settings and data, by name.

    Raises:
      StoreError: the directory holds a search and `resume` is False, or it is another search.
    """
    described: dict[MetaKey, str] = {
        "history": json.dumps(config.history_settings()),
        "tasks": json.dumps(fingerprints),
        "functions": json.dumps(user_functions.fingerprints()),
        "versions": json.dumps(versions()),
    }
    if not has_results(store):
        warnings, seconds = _left_by_earlier_start(store), store.meta("searched_s")
        store.clear(META, IMPORTED)
        for key, value in described.items():
            store.set_meta(key, value)
        if seconds is not None:  # they count for `stop.hours`
            store.set_meta("searched_s", seconds)
        store.set_meta("config", dumps(config))
        store.add_event("start", described["versions"])
        store.commit()
        return warnings
    if not resume:
        raise StoreError(f"{store.run_dir}: already holds a search; continue it with --resume "
                         f"{store.run_dir}, or choose another --run-dir")  # fmt: skip
    check_functions(store)
    keys: tuple[MetaKey, ...] = ("history", "tasks")
    for key in keys:
        before = stored_object(store.meta(key), f"{store.path}: the stored '{key}'")
        now = json.loads(described[key])
        differences = _differences(before, now)
        if key == "history" and differences and _has_more_children(before, now):
            if config.evolution.rounds == 1:  # what is there is how the longer search begins
                store.set_meta(key, described[key])
                store.add_event("children", differences[0])
                continue
            differences[0] += (
                " (children can only be added to a search of one round: evolution.rounds is "
                f"{config.evolution.rounds}, and a later round begins with what the one before it "
                "found)"
            )
        if differences:
            hint = " (these are the tasks' settings, code and data)" if key == "tasks" else ""
            message = f"holds another search: {'; '.join(differences)}{hint}"
            raise StoreError(f"{store.run_dir}: {message}")
    store.set_meta("config", dumps(config))
    store.add_event("resume", described["versions"])
    changed = changed_versions(store)
    store.commit()
    return changed


def _left_by_earlier_start(store: Store) -> list[str]:
    """A warning that there was a start without individuals, if there was one."""
    if store.meta("history") is None:
        return []
    front = f"{store.run_dir}: an earlier start"
    if next(trainings(store), None) is not None:
        return [f"{front} ended while the warm start was tuned; its trainings are kept"]
    return [f"{front} left no results; starting again"]


def _has_more_children(before: Any, now: Any) -> bool:
    """Whether all that differs is that `evolution.children` is larger."""
    evolution, earlier = now["evolution"], before.get("evolution")
    fewer = earlier.get("children") if isinstance(earlier, dict) else None
    same = not _differences(before, {**now, "evolution": {**evolution, "children": fewer}})
    return same and isinstance(fewer, int) and fewer < int(evolution["children"])


def check_functions(store: Reader) -> None:
    """Raises StoreError unless the user-defined functions are those of the run."""
    before = stored_object(store.meta("functions"), f"{store.path}: the stored 'functions'")
    now = user_functions.fingerprints()
    if before == now:
        return
    problems = []
    if missing := [name for name in before if name not in now]:
        problems.append(
            f"it uses {', '.join(missing)}: give the --functions-file that it began with"
        )
    if more := [name for name in now if name not in before]:
        problems.append(f"it began without {', '.join(more)}")
    if other := [name for name in now if before.get(name, now[name]) != now[name]]:
        problems.append(
            f"{', '.join(other)}: it differs from the function that the search began with"
        )
    raise StoreError(f"{store.path.parent}: user-defined functions: {'; '.join(problems)}")


def changed_versions(store: Reader) -> list[str]:
    """Warnings: what a run was scored with that is not what runs now."""
    return version_changes(
        stored_object(store.meta("versions"), f"{store.path}: the stored 'versions'")
    )


def version_changes(before: Any) -> list[str]:
    """The same for what `versions` gave then."""
    changed = _differences(before, versions())
    return [f"fitness may differ in its last bits: {change}" for change in changed]


def _differences(before: Any, now: Any, key: str = "") -> list[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        parts = [_differences(before.get(k), now.get(k), f"{key}.{k}") for k in before | now]
        return [difference for part in parts for difference in part]
    if before == now:
        return []
    return [f"{key.lstrip('.')} was {json.dumps(before)}, now {json.dumps(now)}"]


def is_begun(run_dir: Path) -> bool:
    """Whether there is a search that can be continued."""
    with contextlib.suppress(StoreError), Reader(run_dir, verified=False) as store:
        return store.meta("history") is not None
    return False


def config_of(store: Reader) -> Config:
    """The config that a run was last started with.

    Raises:
      StoreError: there is none, as after a funnel of given programs. ConfigError: it is of another
        version of this program.
    """
    return loads(config_text(store).encode(), f"the config in {store.path}")


def config_text(store: Reader) -> str:
    """The same as YAML text. Raises StoreError: there is none."""
    text = store.meta("config")
    if text is None:
        raise StoreError(f"{store.path.parent}: holds no search")
    return text
