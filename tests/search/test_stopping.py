"""Signals: what they do at each stage."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from search.stopping import SIGNALS, Stage, Stopped, Stopping, at_once, deferred


def _run(code: str, **options) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", code], stdout=-1, stderr=-1, text=True, **options
    )


PROLOGUE = "import time; from search.stopping import *; stopping = Stopping()\n"


def _send(process: subprocess.Popen, number: int) -> tuple[int, str, str]:
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    return process.returncode, out, err


@pytest.mark.parametrize("number", SIGNALS)
def test_before_a_command_has_begun_it_ends_at_once(number):
    process = _run(PROLOGUE + "print('ready', flush=True); time.sleep(60)")
    assert _send(process, number) == (128 + number, "", "Stopped; nothing was run.\n")


@pytest.mark.parametrize("number", SIGNALS)
def test_while_it_prepares_what_is_open_is_closed(number):
    body = """
stopping.prepare()
try:
    print('ready', flush=True)
    time.sleep(60)
except Stopped as stopped:
    print('closed', stopped.args)
"""
    assert _send(_run(PROLOGUE + body), number) == (0, f"closed ({int(number)},)\n", "")


@pytest.mark.parametrize("number", SIGNALS)
def test_what_python_drops_in_a_callback_of_the_garbage_collector_comes_again(number):
    body = f"""
import gc, os
left = [None]
def callback(phase, _):
    if left and phase == 'start':
        left.pop()
        os.kill(os.getpid(), {int(number)})
        time.sleep(0.2)  # here Stopped is raised
stopping.prepare()
gc.callbacks.append(callback)
try:
    print('ready', flush=True)
    for _ in range(300):
        gc.collect()
        time.sleep(0.01)
except Stopped as stopped:
    print('closed', stopped.args, len(left))
"""
    process = _run(PROLOGUE + body)
    assert process.communicate(timeout=60) == (f"ready\nclosed ({int(number)},) 0\n", "")


@pytest.mark.parametrize("number", SIGNALS)
def test_while_it_runs_its_loop_asks(number):
    body = """
stopping.defer()
print('ready', flush=True)
while not stopping():
    time.sleep(0.01)
print(int(stopping()))
"""
    assert _send(_run(PROLOGUE + body), number) == (0, f"{int(number)}\n", "")


def test_the_second_signal_ends_a_loop_that_does_not_ask():
    body = "stopping.defer(); print('ready', flush=True)\nwhile True: time.sleep(0.01)"
    with _run(PROLOGUE + body) as process:
        assert process.stdout.readline() == "ready\n"
        while process.poll() is None:
            process.send_signal(signal.SIGTERM)
            time.sleep(0.05)
    assert process.returncode == 143


def test_a_signal_that_was_ignored_stays_so():
    code = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n" + PROLOGUE
    code += "import os; os.kill(os.getpid(), signal.SIGHUP); print(stopping())"
    with _run(code) as process:
        assert process.stdout.read() == "None\n"


def test_a_thread_may_have_one():
    """Python lets only the main thread handle signals."""
    found = []
    before = [signal.getsignal(number) for number in SIGNALS]
    thread = threading.Thread(target=lambda: found.append(Stopping()))
    thread.start()
    thread.join()
    assert found[0]() is None and found[0].stage is Stage.IMPORTING
    assert [signal.getsignal(number) for number in SIGNALS] == before


def test_catching_signals_costs_no_import():
    code = "import sys; before = set(sys.modules); import search.stopping\n"
    code += "print(*sorted({m.split('.')[0] for m in set(sys.modules) - before} - set(sys.stdlib_module_names)))"
    with _run(code, env={**os.environ}) as process:
        assert process.stdout.read() == "search\n"


@pytest.mark.parametrize("number", SIGNALS)
def test_what_computes_is_stopped_where_it_is_and_the_loop_inside_asks(number):
    body = """
stopping.defer()
try:
    with at_once(stopping):
        with deferred(stopping):
            print('ready', flush=True)
            while not stopping():
                time.sleep(0.01)
        print('loop', flush=True)
        with at_once(stopping):
            print('not here')
except Stopped as stopped:
    print(*stopped.args, stopping.stage is Stage.DEFERRED)
"""
    assert _send(_run(PROLOGUE + body), number) == (0, f"loop\n{int(number)} True\n", "")


def test_signals_that_come_together_are_one():
    body = """
import os
stopping.defer()
for _ in range(2):
    os.kill(os.getpid(), SIGNALS[1])
print(int(stopping()))
"""
    with _run(PROLOGUE + body) as process:
        assert process.stdout.read() == "15\n"
    assert process.returncode == 0


def test_a_function_of_the_callers_is_asked_before_what_takes_its_time():
    with at_once(lambda: None), deferred(lambda: None):
        pass
    with pytest.raises(Stopped), at_once(lambda: 2):
        raise AssertionError


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_while_python_ends_leaves_the_exit_code(number):
    body = """
import atexit, sys
stopping.end()
class Late:
    def __del__(self):
        print('ready', flush=True)
        time.sleep(60)
sys.modules['late'] = Late()
"""
    process = _run(PROLOGUE + body.replace("time.sleep(60)", "input()"), stdin=-1)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    process.stdin.close()
    assert process.wait(60) == 0
