"""Hugging Face datasets: by name on the Hub, or a local folder that `datasets` can read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from proxy_tasks.errors import TaskError, shown

INSTALL = "pip install 'update-rule-search[data]'"


def open_dataset(source: str) -> Any:
    """The training split of `name_or_path[@revision][:config]`, as a `datasets.Dataset`.

    Raises TaskError when `datasets` is missing, or the data set is neither a local folder nor to be
    had from the Hub.
    """
    try:
        import datasets
    except ImportError:
        raise TaskError(f"data='hf:{source}' needs the datasets package: {INSTALL}") from None
    path, config, revision = source, "", ""
    if not Path(source).expanduser().exists():
        path, _, config = source.partition(":")
        path, _, revision = path.partition("@")
    folder = Path(path).expanduser()
    if path.startswith(("/", ".", "~")) and not folder.is_dir():
        raise TaskError(
            f"data='hf:{source}': no folder {folder}; give one written by save_to_disk, "
            "one of parquet, json or csv files, or the name of a data set on the Hub"
        )
    try:
        if (folder / "dataset_dict.json").exists() or (folder / "state.json").exists():
            loaded = datasets.load_from_disk(str(folder))
        else:
            place = str(folder) if folder.is_dir() else path
            loaded = datasets.load_dataset(place, config or None, revision=revision or None)
    except (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise TaskError(
            f"data='hf:{source}': looked for the folder {folder} and for a data set of that name "
            f"on the Hub: {shown(reason, 200)}; with a connection this fetches it: "
            f"python -c \"import datasets; datasets.load_dataset('{path}')\""
        ) from None
    if isinstance(loaded, dict):  # a DatasetDict
        loaded = loaded["train"] if "train" in loaded else next(iter(loaded.values()))
    if len(loaded) == 0:
        raise TaskError(f"data='hf:{source}': the data set is empty")
    return loaded


def column(dataset: Any, source: str, kind: str, fits: Any) -> str:
    """The first column whose feature `fits`; TaskError lists the columns when there is none."""
    for name, feature in dataset.features.items():
        if fits(feature):
            return name
    raise TaskError(f"data='hf:{source}': no column of {kind} among {', '.join(dataset.features)}")
