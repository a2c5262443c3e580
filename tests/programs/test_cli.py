"""python -m programs."""

import io
import json
import os
import re
import subprocess
import sys
import threading

import pytest

from programs import discovered, library, load, parse
from programs.__main__ import main
from programs.load import library_text


def test_show(capsys):
    assert main(["show", "library:program8"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith("# The raw evolved program from which Lion was derived by hand. ")
    text = shown[: shown.index("21 statements, 13 live")]
    assert parse(text).statements == tuple(
        load("library:program8").statements[i]
        for i in (0, 5, 6, 7, 8, 10, 11, 12, 13, 14, 16, 17, 19)
    )
    assert (
        "21 statements, 13 live in a step, 12 live across steps; states needed: 1 of 2: v" in shown
    )
    assert "m = cosh(update)                        # tensor, reaches no later update" in shown
    assert "# v968 = sign(v)                          # tensor, redundant" in shown
    assert "5e9542b499c6800cb749ddb21d6b2a66" in shown


def test_show_counts_states_as_a_search_does(capsys, tmp_path):
    (tmp_path / "signs.py").write_text(
        "def train(w, g, m, v, lr):\n  m = interp(g, m, 0.9)\n  v = interp(g, v, 0.9)\n"
        "  s = square(v)\n  u = m / s\n  update = sign(u)\n  return update, m, v\n"
    )
    assert main(["show", str(tmp_path / "signs.py")]) == 0
    assert (
        "states needed: 1 of 2: m (no update depends on v, which is read)"
        in capsys.readouterr().out
    )


def test_show_json(capsys):
    assert main(["show", "library:program8", "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert parse(facts["text"]) == load("library:program8")
    assert (facts["live_statements"], facts["live_statements_across_steps"]) == (13, 12)
    assert facts["states_needed"] == ["v"]
    assert set(facts["hashes"]) == {"functional", "canonical", "behavioural"}
    assert facts["statements"][0] == {
        "text": "g = clip(g, lr)", "kind": "tensor", "live": True, "reaches_an_update": True,
    }  # fmt: skip


def test_check(tmp_path, capsys):
    assert main(["check", "library:lion"]) == 0
    assert "valid, 7 statements" in capsys.readouterr().out
    bad = tmp_path / "bad.py"
    bad.write_text("def train(w, g, lr):\n  update = sqr(g)\n  return update\n")
    assert main(["check", str(bad)]) == 2
    error = capsys.readouterr().err
    assert error == f"error: {bad}:2:12: unknown function 'sqr'; did you mean 'sqrt'?\n"


def test_check_reports_every_mistake(tmp_path, capsys):
    bad = tmp_path / "bad.py"
    bad.write_text("def train(w, g, lr):\n  a = sqr(g)\n  update = gg * 2\n  return update\n")
    assert main(["check", str(bad)]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith(f"error: {bad}:2:7: unknown function 'sqr'")
    assert second.startswith(f"error: {bad}:3:3: ") and "'gg' is read before" in second
    assert main(["check", str(bad), "--json"]) == 2
    mistake = json.loads(capsys.readouterr().out)
    assert mistake["line"] == 2 and [other["line"] for other in mistake["others"]] == [3]


WRONG = "def train(w, g, lr):\n  update = sqr(g)\n  return update\n"


def test_check_prints_json_of_what_is_wrong(tmp_path, capsys):
    bad = tmp_path / "bad.py"
    bad.write_text(WRONG)
    assert main(["check", str(bad), "--json"]) == 2
    printed = capsys.readouterr()
    assert json.loads(printed.out) == {
        "valid": False, "error": "unknown function 'sqr'; did you mean 'sqrt'?",
        "file": str(bad), "line": 2, "column": 12, "others": [],
    }  # fmt: skip
    assert not printed.err
    assert main(["check", "library:nope", "--json"]) == 2
    mistake = json.loads(capsys.readouterr().out)
    assert (mistake["valid"], mistake["line"]) == (False, None)
    assert main(["check", "library:lion", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"valid": True, "statements": 7}


def _type(monkeypatch, text):
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


def test_standard_input(capsys, monkeypatch):
    _type(monkeypatch, str(load("library:lion")))
    assert main(["check", "-"]) == 0
    _type(monkeypatch, WRONG)
    assert main(["show", "-"]) == 2
    assert capsys.readouterr().err.startswith("error: <stdin>:2:12: unknown function 'sqr'")
    _type(monkeypatch, "# Mine. Not another's.\n" + str(load("library:lion")))
    assert main(["show", "-"]) == 0
    assert capsys.readouterr().out.startswith("# Mine. Not another's.\ndef train(")
    _type(monkeypatch, str(load("library:lion")))
    assert main(["diff", "library:lion", "-"]) == 0
    assert main(["diff", "-", "-"]) == 2
    _type(monkeypatch, "#" * 100_000)
    assert main(["export", "-"]) == 2


@pytest.mark.parametrize("verb", ["show", "export", "diff"])
def test_a_pipe_is_read_once(verb, tmp_path, capsys):
    fifo = tmp_path / "pipe"
    os.mkfifo(fifo)
    text = "# Mine. Differs from another.\n" + str(load("library:lion"))
    writer = threading.Thread(target=fifo.write_text, args=(text,), daemon=True)
    writer.start()
    assert main([verb, str(fifo), *(["library:lion"] if verb == "diff" else [])]) == 0
    assert "Differs from another." in capsys.readouterr().out
    writer.join()


@pytest.mark.parametrize("piped", [True, False])
def test_a_byte_order_mark_hides_no_comment(piped, tmp_path, capsys, monkeypatch):
    text = "\ufeff# Mine. Not another's.\n" + str(load("library:lion"))
    _type(monkeypatch, text)
    (tmp_path / "rule.py").write_text(text, encoding="utf-8")
    assert main(["show", "-" if piped else str(tmp_path / "rule.py")]) == 0
    assert capsys.readouterr().out.startswith("# Mine. Not another's.\n")


def test_list(capsys):
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [*library(), *discovered()]
    assert len(lines) == len(names) + 1
    assert any(re.fullmatch(r"library:lion +7 +1  Lion\.", line) for line in lines)
    assert main(["list", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in rows] == [f"library:{name}" for name in names]
    assert all(row["about"].endswith(".") for row in rows)


def test_show_says_what_a_user_must_know(tmp_path, capsys):
    assert main(["show", "library:adamw"]) == 0
    shown = capsys.readouterr().out
    assert "# Differs from torch.optim.AdamW and optax.adamw: no bias correction" in shown
    assert "constants    beta1 0.9, beta2 0.999, decay 0.01, rate 0.001" in shown
    assert "weight decay wd = w * 0.01" in shown
    assert "schedule" not in shown
    rule = tmp_path / "rule.py"
    rule.write_text("def train(w, g, lr):\n  update = g * 0.1\n  return update\n")
    assert main(["show", str(rule)]) == 0
    assert "never reads the schedule value lr" in capsys.readouterr().out
    assert main(["show", str(rule), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["reads_schedule"], facts["constants"]) == (False, {"c1": 0.1})


def test_diff_says_which_rules_differ_from_their_namesakes(capsys):
    assert main(["diff", "library:adam", "library:lion"]) == 1
    assert "library:adam: Differs from torch.optim.Adam and optax.adam: " in capsys.readouterr().out


@pytest.mark.parametrize("verb", ["show", "check", "diff", "export"])
@pytest.mark.parametrize("right", [True, False])
def test_nothing_of_a_file_reaches_the_terminal_but_text(verb, right, tmp_path, capsys):
    file = tmp_path / "rule\x1b[2J.py"
    text = str(load("library:lion")) if right else "def train(w, g, lr):\n  update = dot(w, g)\n"
    file.write_text(
        "# A\x1b]0;x\x07. Differs from\x1b[2J é.\n#\u2028b\n"
        + text
        + "  return update\n" * (not right)
    )
    assert main([verb, str(file), *(["library:lion"] if verb == "diff" else [])]) == 2 * (not right)
    captured = capsys.readouterr()
    printed = (captured.out + captured.err).replace("\n", "")
    assert printed and printed.isprintable()


def test_ctrl_c_is_one_line(capsys, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("programs.__main__.read", interrupted)
    assert main(["show", "library:lion"]) == 130
    assert capsys.readouterr().err == "stopped\n"


def test_diff(tmp_path, capsys):
    assert main(["diff", "library:adam", "library:adamw"]) == 1
    assert "+    wd = w * 0.01" in capsys.readouterr().out
    commuted = tmp_path / "lion.py"
    commuted.write_text(str(load("library:lion")).replace("update + wd", "wd + update"))
    assert main(["diff", "library:lion", str(commuted), "--json"]) == 0
    same = json.loads(capsys.readouterr().out)["same"]
    assert same == {"functional": False, "canonical": True, "behavioural": True}
    assert main(["diff", "library:lion", "library:lion"]) == 0
    assert "the texts are the same" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["show", "library:nope"], ["diff", "library:lion", "x"]])
def test_bad_input(arguments, capsys):
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("error: ")
    assert "Traceback" not in captured.err


def test_a_closed_pipe_is_no_error():
    done = subprocess.run(
        f"{sys.executable} -m programs show library:program8 | head -1",
        shell=True, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.startswith("# The raw evolved program") and done.stdout.count("\n") == 1
    assert done.stderr == ""


@pytest.mark.parametrize(
    "call, code",
    [
        ("list >&-", 0),
        ("show library:lion >&- 2>&-", 0),
        ("check library:lion >&-", 0),
        ("diff library:lion library:adam >&-", 1),
        ("simplify library:sgd >&-", 0),
        ("export library:lion >&-", 0),
        ("show nope.py 2>&-", 2),
        ("show 2>&-", 2),
        ("show nope.py 2> /dev/full", 2),
        ("check - <&- 2> /dev/null", 2),
    ],
)
def test_streams_that_are_closed_change_no_exit_code(call, code):
    done = subprocess.run(
        f"{sys.executable} -m programs {call}",
        shell=True, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


@pytest.mark.parametrize(
    "line, said",
    [
        ("", "the following arguments are required: COMMAND"),
        ("sho library:lion", "invalid choice: 'sho'"),
        ("list library:lion", "unrecognized arguments: library:lion"),
        ("show", "the following arguments are required: FILE"),
        ("check", "the following arguments are required: FILE"),
        ("diff library:lion", "the following arguments are required: OTHER"),
        ("simplify library:lion --work x", "invalid int value: 'x'"),
        ("export library:lion --to jax", "invalid choice: 'jax'"),
        ("export library:lion --t numpy", "unrecognized arguments: --t numpy"),
    ],
)
def test_a_mistake_of_the_command_line_is_one_line(line, said, capsys):
    with pytest.raises(SystemExit) as exit:
        main(line.split())
    error = capsys.readouterr().err
    assert exit.value.code == 2 and said in error
    assert error.startswith("error: ") and error.count("\n") == 1


@pytest.mark.parametrize("verb", ["show library:lion", "check - --json < /dev/null", "list"])
def test_a_full_disk_is_one_line(verb):
    done = subprocess.run(
        f"{sys.executable} -m programs {verb} > /dev/full",
        shell=True, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr == "error: standard output: No space left on device\n"


@pytest.mark.parametrize("verb", ["show", "diff library:lion", "export"])
def test_what_the_encoding_lacks_is_escaped(verb, tmp_path):
    (tmp_path / "é.py").write_text(f"# Differs from é.\n{load('library:lion')}", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "programs", *verb.split(), str(tmp_path / "é.py")],
        env=os.environ | {"PYTHONIOENCODING": "ascii"}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "Differs from \\xe9." in done.stdout


def test_the_package_is_light():
    """Importing it, and the verbs, start no JAX backend and import no JAX."""
    code = (
        "import sys, programs, programs.__main__, programs.mutate, programs.canonical; "
        "programs.__main__.main(['show', 'library:lion']); "
        "print([m for m in sys.modules if m.split('.')[0] in ('jax', 'jaxlib', 'optax', 'egglog')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_export(tmp_path, capsys):
    assert main(["export", "library:lion", "--name", "lion", "--out", str(tmp_path / "a.py")]) == 0
    assert "def lion(\n    schedule: Number = 1.0," in (tmp_path / "a.py").read_text()
    assert main(["export", "library:lion", "--out", str(tmp_path / "no" / "a.py")]) == 2
    assert "cannot write" in capsys.readouterr().err
    for name in ("1x", "class", "State", "jax"):
        assert main(["export", "library:lion", "--name", name]) == 2
        assert capsys.readouterr().err.startswith(f"error: --name '{name}' is ")
    assert main(["export", "library:lion", "--name", "update"]) == 0
    assert "def update(\n" in capsys.readouterr().out


@pytest.mark.parametrize("option", ["--out", "--certificate"])
@pytest.mark.parametrize(
    "path, reason", [("no/a.py", "there is no folder"), (".", "it is a folder")]
)
def test_where_to_write_is_looked_at_first(option, path, reason, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("programs.simplify.simplify", None)
    assert main(["simplify", "library:lion", option, str(tmp_path / path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: cannot write '{tmp_path / path}': {reason}")
    assert error.count("\n") == 1


def test_simplify(tmp_path, capsys):
    out, certificate = tmp_path / "a.py", tmp_path / "certificate.md"
    asked = ["simplify", "library:program8", "--out", str(out), "--certificate", str(certificate)]
    assert main(asked) == 0
    printed = capsys.readouterr().out
    assert "21 -> " in printed and "# given up: guards of 1e-8" in printed
    assert len(load(str(out))) <= 9
    assert "Certificate" in certificate.read_text()
    assert main(["simplify", "library:lion", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["statements"] == {"before": 7, "after": 7}
    assert main(["simplify", "library:lion", "--work", "0"]) == 2


def test_program_and_certificate_are_not_written_into_one_file(tmp_path, capsys):
    out = str(tmp_path / "one.py")
    assert main(["simplify", "library:sgd", "--out", out, "--certificate", out]) == 2
    assert (
        "is where the program goes" in capsys.readouterr().err
        and not (tmp_path / "one.py").exists()
    )


def test_no_command_writes_over_its_program_or_a_run(tmp_path, capsys):
    rule, run = tmp_path / "rule.py", tmp_path / "search.db"
    rule.write_text(library_text("lion"))
    run.write_bytes(b"SQLite format 3\0 and so on")
    for asked, why in (
        (["export", rule, "--out", rule], "it is the program itself"),
        (["export", rule, "--out", run], "it is a database"),
        (["simplify", rule, "--certificate", rule], "it is the program itself"),
        (["simplify", rule, "--out", run], "it is a database"),
    ):
        before = rule.read_bytes(), run.read_bytes()
        assert main([str(word) for word in asked]) == 2 and why in capsys.readouterr().err
        assert before == (rule.read_bytes(), run.read_bytes())
