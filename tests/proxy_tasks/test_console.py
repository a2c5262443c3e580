"""Commands that are interrupted, or whose output is closed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

COMMANDS = {
    "proxy_tasks": ["list"],
    "search.evaluate": ["library:lion", "--task", "vision_mlp@100"],
    "search.simplify": ["library:lion", "--task", "vision_mlp@100"],
    "search.inspect": ["nothing"],
}
PIPE = subprocess.PIPE


def _listens(process):
    """Whether Ctrl-C is seen to: the signal is blocked, and another thread waits for it."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    (blocked,) = (line.split()[1] for line in status.splitlines() if line.startswith("SigBlk"))
    threads = len(os.listdir(f"/proc/{process.pid}/task"))
    return int(blocked, 16) >> (signal.SIGINT - 1) & 1 and threads > 1


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
@pytest.mark.parametrize("module", COMMANDS)
def test_ctrl_c_is_one_line_even_before_the_imports(module):
    command = [sys.executable, "-m", module, *COMMANDS[module]]
    with subprocess.Popen(command, stdout=PIPE, stderr=PIPE, text=True) as process:
        while not _listens(process):
            assert process.poll() is None
            time.sleep(0.002)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60) == ("", "stopped\n")
    assert process.returncode == 130


def _run(code, **options):
    return subprocess.Popen([sys.executable, "-c", code], stdout=PIPE, stderr=PIPE, **options)


ENDLESS = """
import faulthandler
faulthandler.dump_traceback_later(120, exit=True)  # should the signal be lost
from proxy_tasks.console import exit_on_sigint
exit_on_sigint()
import jax
run = jax.jit(lambda x: jax.lax.while_loop(lambda x: x > 0, lambda x: x + 1e-9, x))
run = run.lower(1.0).compile()
print("runs", flush=True)
run(1.0).block_until_ready()
"""


def test_ctrl_c_does_not_wait_for_xla():
    with _run(ENDLESS) as process:
        assert process.stdout.readline() == b"runs\n"
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)  # the computation takes longer
        assert process.stderr.read() == b"stopped\n"
    assert process.returncode == 130


def test_a_job_in_the_background_hears_no_ctrl_c():
    ignore = lambda: signal.signal(signal.SIGINT, signal.SIG_IGN)
    code = "from proxy_tasks.console import exit_on_sigint as e; e(); print(flush=True); input()"
    with _run(code, stdin=PIPE, preexec_fn=ignore) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, error = process.communicate(b"\n", timeout=60)
    assert (process.returncode, error) == (0, b"")


@pytest.mark.parametrize("lines", [1, 100_000])  # written at the end, and as the buffer is full
def test_output_that_is_closed(lines):
    main = f"print('line\\n' * {lines})"
    code = f"from proxy_tasks.console import run_command as u; import sys, time; time.sleep(0.3); sys.exit(u(lambda: {main}))"
    with _run(code) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="writes to /dev/full")
def test_output_that_is_full():
    code = "from proxy_tasks.console import run_command as u; import sys; sys.exit(u(lambda: print(1)))"
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", code], stdout=full, stderr=PIPE)
    assert done.returncode == 1
    assert done.stderr == b"error: standard output: No space left on device\n"


@pytest.mark.parametrize("closed, code", [(">&-", 0), ("2>&-", 0), (">&- 2>&- <&-", 0)])
def test_streams_that_are_closed_from_the_start(closed, code):
    """Neither a traceback, nor what is for one stream in the other."""
    text = "import sys; from proxy_tasks.console import complain, run_command as u; "
    text += "sys.exit(u(lambda: print(1) or complain('wrong') or 0))"
    done = subprocess.run(
        f'{sys.executable} -c "{text}" {closed}', shell=True, capture_output=True, text=True
    )
    assert done.returncode == code
    assert done.stdout == ("" if ">&-" in closed.replace("2>&-", "") else "1\n")
    assert done.stderr == ("" if "2>&-" in closed else "wrong\n")


@pytest.mark.parametrize(
    "command", ["run --config no.yaml", "funnel no", "compare --config no.yaml"]
)
def test_a_mistake_without_an_output_has_its_exit_code(command):
    done = subprocess.run(
        f"{sys.executable} -m search.{command} >&- 2>&-", shell=True, capture_output=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, b"", b"")


def test_help_that_is_closed():
    command = [sys.executable, "-m", "search.evaluate", "--help"]
    with subprocess.Popen(command, stdout=PIPE, stderr=PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


@pytest.mark.parametrize("code", [0, 2])
def test_the_exit_code_is_the_command_s(code):
    with _run(f"from proxy_tasks.console import *; sys.exit(run_command(lambda: {code}))") as run:
        assert run.communicate() == (b"", b"")
    assert run.returncode == code
