"""JAX's folder of compiled trainings after a worker was killed while it wrote."""

import pytest
from jax._src.lru_cache import LRUCache

from search.workers import compilations


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", str(tmp_path))
    monkeypatch.setenv("JAX_COMPILATION_CACHE_MAX_SIZE", "1000")
    cache = LRUCache(str(tmp_path), max_size=1000)
    cache.put("whole", b"1")
    cache.put("half", b"2")
    (tmp_path / "half-atime").unlink()
    return tmp_path


def test_new_entries_are_kept_again(folder):
    cache = LRUCache(str(folder), max_size=1000)
    with pytest.raises(FileNotFoundError):
        cache.put("new", b"3")
    compilations.mend()
    cache.put("new", b"3")
    assert [cache.get(name) for name in ("whole", "half", "new")] == [b"1", None, b"3"]


def test_without_a_limit_on_its_size_nothing_is_removed(folder, monkeypatch):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_MAX_SIZE", "-1")
    compilations.mend()
    assert (folder / "half-cache").exists()


@pytest.mark.parametrize("name", ["", "no/such/folder"])
def test_no_folder_is_no_mistake(folder, monkeypatch, name):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", name)
    compilations.mend()
    assert (folder / "half-cache").exists() and not (folder / "no").exists()
