"""The names of the package."""

import subprocess
import sys

import pytest

import proxy_tasks


@pytest.mark.parametrize("name", proxy_tasks.__all__)
def test_every_name_is_there(name):
    assert getattr(proxy_tasks, name) is not None
    assert name in dir(proxy_tasks)


def test_another_name_is_not():
    with pytest.raises(AttributeError, match="'proxy_tasks' has no attribute 'nothing'"):
        proxy_tasks.nothing  # noqa: B018


def test_errors_and_names_need_no_jax():
    code = (
        "import sys; from proxy_tasks import TaskError, TaskName, TaskSettings; "
        "import proxy_tasks.console; print('jax' in sys.modules)"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True)
    assert out.stdout == "False\n"
