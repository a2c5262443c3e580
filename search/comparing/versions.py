"""What the trainings of a comparison were made with."""

from __future__ import annotations

import json
from pathlib import Path

from search.storage.files import refuse_links, write_file
from search.storage.identity import version_changes, versions

FILE = "versions.json"  # in the run directory: an array, the latest last


def changes(run_dir: Path) -> list[str]:
    """Writes the versions of now where they are others than the latest, which warnings say.

    Raises:
      StoreError: the file is a link. OSError: it cannot be written.
    """
    path = run_dir / FILE
    refuse_links(path)
    try:
        known = json.loads(path.read_text())
        changed = version_changes(known[-1])
    except (OSError, ValueError, LookupError, TypeError):  # none yet, or damaged
        known, changed = [], []
    if changed or not known:
        write_file(path, json.dumps([*known, versions()], indent=1) + "\n")
    return changed
