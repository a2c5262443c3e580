"""Hugging Face datasets: by name on the Hub, or a local folder that `datasets` can read."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from proxy_tasks.errors import TaskError, short_repr

INSTALL = "pip install 'update-rule-search[data]'"
CONNECTION_S = 5.0  # how long the Hub may take to answer at all


def open_dataset(source: str) -> Any:
    """The training split of `name_or_path[@revision][:config]`, as a `datasets.Dataset`.

    Raises TaskError when `datasets` is missing, or the data set is no local folder and cannot be
    downloaded from the Hub.
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
    if folder.is_dir():
        try:
            saved = any((folder / file).exists() for file in ("dataset_dict.json", "state.json"))
            load = datasets.load_from_disk if saved else datasets.load_dataset
            loaded = load(str(folder))
        except Exception as error:  # these libraries raise all kinds of them
            raise TaskError(
                f"data='hf:{source}': {folder} cannot be read as a data set: {_reason(error)}"
            ) from None
    else:
        with _connection() as online:
            try:
                loaded = datasets.load_dataset(path, config or None, revision=revision or None)
            except Exception as error:
                endpoint = datasets.config.HF_ENDPOINT
                why = _reason(error) if online else f"no connection to {endpoint}"
                raise TaskError(
                    f"data='hf:{source}': no folder {folder.absolute()}, and the data set {path} "
                    f"of the Hub could not be downloaded: {why}; with a connection, this fetches "
                    f"it: {fetch_command(path, config, revision)}; for data with terms, accept "
                    f"them at {endpoint}/datasets/{path} and run `hf auth login` first"
                ) from None
    if isinstance(loaded, dict):  # a DatasetDict
        loaded = loaded["train"] if "train" in loaded else next(iter(loaded.values()))
    if len(loaded) == 0:
        raise TaskError(f"data='hf:{source}': the data set is empty")
    return loaded


def fetch_command(path: str, config: str, revision: str) -> str:
    """The command that loads a data set of the Hub into the cache that open_dataset reads."""
    arguments = [repr(path), *([repr(config)] if config else [])]
    arguments += [f"revision={revision!r}"] if revision else []
    return f'python -c "import datasets; datasets.load_dataset({", ".join(arguments)})"'


@contextlib.contextmanager
def _connection() -> Iterator[bool]:
    """Whether the Hub answers. If not, its libraries use their cache alone meanwhile, as with
    HF_HUB_OFFLINE=1: otherwise each tries for half a minute and writes a line per attempt."""
    import datasets
    import huggingface_hub

    modules: list[Any] = [datasets.config, huggingface_hub.constants]
    before = [module.HF_HUB_OFFLINE for module in modules]
    try:
        session = huggingface_hub.get_session()
        session.head(datasets.config.HF_ENDPOINT, timeout=CONNECTION_S)
        online = True
    except Exception:  # the HTTP library, and so its errors, differ between versions
        online = False
    try:
        for module in modules:
            module.HF_HUB_OFFLINE = module.HF_HUB_OFFLINE or not online
        yield online
    finally:
        for module, offline in zip(modules, before):
            module.HF_HUB_OFFLINE = offline


def _reason(error: Exception) -> str:
    return short_repr((str(error).strip() or type(error).__name__).splitlines()[0], 200)


def column(dataset: Any, source: str, *, kind: str, fits: Callable[[Any], bool]) -> str:
    """The first column whose feature `fits`; TaskError lists the columns when there is none."""
    for name, feature in dataset.features.items():
        if fits(feature):
            return str(name)
    raise TaskError(f"data='hf:{source}': no column of {kind} among {', '.join(dataset.features)}")
