"""What a run keeps of the files that its config names, so that its directory is enough to go on.

Programs are kept as text, and the scores of earlier runs (`cache.runs`) are in the store. Tasks and
functions of a user's own are code, which a run never brings along; data sets are too large.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from programs import ProgramError, load, parse
from programs.load import LIBRARY
from programs.stand_ins import standing_in
from search.config.settings import Config
from search.storage.errors import StoreError
from search.storage.queries import has_results
from search.storage.store import Reader, Store
from search.storage.stored_json import stored_object


@dataclass(frozen=True)
class Kept:
    """What does not have to be read from its file again."""

    programs: Mapping[str, str] = field(default_factory=dict)  # texts, by the name in the config
    has_imported: bool = False  # the earlier runs' scores

    def standing_in(self) -> contextlib.AbstractContextManager[None]:
        """Within it, the kept programs are read in place of their files."""
        return standing_in(self.programs)

    def changed(self) -> Iterator[str]:
        """Warnings: of files that are no longer what was kept."""
        for name, text in self.programs.items():
            with contextlib.suppress(ProgramError):
                if load(name) != parse(text, name):
                    yield f"{name}: differs from what the run began with, which it keeps and uses"


NOTHING = Kept()


def kept_by(run_dir: str | Path) -> Kept:
    """Nothing of a run without results, which begins anew.

    Raises:
      StoreError: there is no run, or it is damaged.
    """
    with Reader(run_dir, verified=False) as store:
        if not has_results(store):
            return NOTHING
        return Kept(_programs(store), store.meta("imported_runs") is not None)


def keep(store: Store, config: Config) -> None:
    """Keeps the programs that a config names by their files."""
    names = (*config.evolution.warm_start, *(config.funnel.baselines if config.funnel else ()))
    texts = {name: str(load(name)) for name in names if not name.startswith(LIBRARY)}
    if texts:
        store.set_meta("programs", json.dumps({**_programs(store), **texts}))
        store.commit()


def _programs(store: Reader) -> dict[str, str]:
    what = f"{store.path}: the stored 'programs'"
    texts = stored_object(store.meta("programs"), what)
    if not all(isinstance(text, str) for text in texts.values()):
        raise StoreError(f"{what} are not all texts")
    return texts
