"""The page of a run: complete, small, and safe whatever stands in the run."""

from __future__ import annotations

import base64
import hashlib
import html
import re
import threading
import urllib.error
import urllib.request
from html.parser import HTMLParser
from importlib import resources

import pytest
import small_run
from hypothesis import given
from hypothesis import strategies as st
from in_process import exit_code

from search.report import main
from search.reports.page.chart import Series, chart, nice_step
from search.reports.page.document import Section, document
from search.reports.page.html import Html, tag
from search.reports.page.live import Server
from search.reports.page.programs import aligned, lineage
from search.reports.page.report import report
from search.result import SearchResult
from search.storage import schema
from search.storage.schema import EventRow
from search.storage.store import Store

STYLE = resources.files("search.reports.page").joinpath("style.css").read_text()


class Elements(HTMLParser):
    """What a page is made of: elements with their attributes, and text outside of scripts."""

    def __init__(self, page: str):
        super().__init__()
        self.found: list[tuple[str, dict]] = []
        self.texts: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.texts.append(data)


@pytest.fixture(scope="module")
def run_dir(tmp_path_factory):
    run = small_run.make(tmp_path_factory.mktemp("run") / "mine")
    (run / "final.py").write_text(small_run.SIGN)
    (run / "certificate.md").write_text("# From the evolved program to the final one\n")
    return run


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    """A run in which every text that can be is hostile, its directory's name too."""
    run = small_run.make(
        tmp_path_factory.mktemp("run") / "<img src=x onerror=alert(0)>", texts=small_run.EVIL
    )
    for name in ("final.py", "certificate.md"):
        (run / name).write_text(small_run.EVIL)
    return run


@given(st.text(), st.text())
def test_no_text_becomes_markup(text, value):
    page = Elements(tag("p", text, title=value, data_x=value))
    assert page.found == [("p", {"title": value, "data-x": value})]
    assert "".join(page.texts) == text


def test_a_hostile_run_stays_text(hostile):
    page = report([hostile])
    elements = Elements(page)
    names = [name for name, _ in elements.found]
    assert names.count("script") == names.count("style") == 1
    assert not {"img", "iframe", "object", "embed", "base", "form"} & set(names)
    for name, attributes in elements.found:
        assert not any(
            key.startswith("on") or key in ("src", "style", "srcdoc") for key in attributes
        ), name
        assert attributes.get("href", "#").startswith("#")
    assert small_run.EVIL in "".join(elements.texts)


def test_the_policy_allows_the_pages_own_script_and_style_alone(run_dir):
    page = report([run_dir])
    [policy] = [a["content"] for n, a in Elements(page).found if a.get("http-equiv")]
    for element in ("script", "style"):
        [content] = re.findall(f"<{element}>(.*?)</{element}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        assert f"{element}-src 'sha256-{digest}'" in policy
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy
    assert (
        "http://" not in page.replace("http://www.w3.org/2000/svg", "") and "https://" not in page
    )


def test_a_page_tells_all_of_a_run(run_dir):
    text = " ".join(Elements(report([run_dir])).texts)
    for words in ("Search report: mine", "no: the funnel showed no program to be better", "Lineage of individual 3",
                  "individual 3 (of 2)", "The certificate", "warm_start:", "Hall of fame", "insert"):  # fmt: skip
        assert words in text, words


def test_every_figure_has_words_and_values_and_ids_are_unique(run_dir):
    page = report([run_dir, run_dir])
    elements = Elements(page).found
    figures = sum(name == "figure" for name, _ in elements)
    drawings = [a for name, a in elements if name == "svg" and a.get("role") == "img"]
    assert figures == len(drawings) == 3 + 2 * 5 and all(
        len(a["aria-label"]) > 40 for a in drawings
    )
    ids = [a["id"] for _, a in elements if "id" in a]
    assert len(ids) == len(set(ids))
    assert "Run mine (2)" in page
    targets = {a["href"][1:] for name, a in elements if name == "a"}
    assert targets <= set(ids)


def test_a_run_that_has_just_begun_has_a_page(tmp_path):
    run = small_run.make(tmp_path / "run", funnel=False)
    assert "No funnel has been run yet" in report([run])
    with Store(run) as store:
        store.clear(schema.INDIVIDUALS, schema.PROGRAMS, schema.EVALUATIONS)
        store.add(EventRow(2, 0.0, "resume", ""))
    assert "No child has been committed yet" in report([run])


def test_no_link_of_a_run_is_followed(tmp_path):
    run = small_run.make(tmp_path / "run")
    (tmp_path / "secret").write_text("a secret of the reader")
    (run / "final.py").symlink_to(tmp_path / "secret")
    assert "a secret of the reader" not in report([run])


def test_a_long_search_makes_a_small_page():
    step = {
        "individual": 300_000,
        "child": 300_000,
        "mutation": "modify",
        "fitness": -1.0,
        "change": 0.1,
        "lines": [("-", 1, "x" * 60)] * 4,
    }
    way = lineage("a", {"individual": 1, "steps": [step] * 5_000, "left_out": 9})
    assert "the last 1000 are shown" in way
    line = [(float(i), -1.0 - 1 / (i + 1)) for i in range(300)]
    lines = chart("b", "Fitness", [Series(str(i), line) for i in range(6)], x="x", y="y", says="s")
    page = document("t", [Section("s", "n", Html(way + lines * 8))])
    assert len(page) < 3_000_000


@given(st.floats(1e-30, 1e30))
def test_steps_of_an_axis_are_round_and_no_smaller_than_asked(least):
    step = nice_step(least)
    assert least * (1 - 1e-8) <= step <= 2.51 * least
    assert f"{step:.6e}"[0] in "125"


@given(st.lists(st.tuples(st.floats(0, 1e9), st.none() | st.floats(-1e30, 1e30)), max_size=30))
def test_a_chart_draws_whatever_values_inside_its_frame(points):
    drawn = chart(
        "k",
        "Title",
        [Series("line", points), Series("dots", points, dots=True)],
        x="x",
        y="y",
        says="Says.",
    )
    for name, attributes in Elements(drawn).found:
        for at in ("cx", "cy"):
            assert name != "circle" or -1 <= float(attributes[at]) <= 500


@given(st.lists(st.sampled_from("abcd"), max_size=8), st.lists(st.sampled_from("abcd"), max_size=8))
def test_beside_each_other_both_texts_are_whole(left, right):
    rows = list(aligned(left, right))
    assert [one for _, one, _ in rows if one] == left and [
        other for *_, other in rows if other
    ] == right
    assert all((sign == "") == (one == other) for sign, one, other in rows)


def _luminance(color: str) -> float:
    digits = color if len(color) == 6 else "".join(c * 2 for c in color)
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return sum(w * c for w, c in zip((0.2126, 0.7152, 0.0722), linear))


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
def test_colours_have_the_contrast_of_wcag_aa(scheme):
    block = STYLE.split(":root")[1 + scheme]
    colors = dict(re.findall(r"--(\w+): #([0-9a-f]{3,6});", block))
    for text in ("fg", "muted", "link"):
        for ground in ("bg", "panel"):
            assert _contrast(colors[text], colors[ground]) >= 4.5, (text, ground)
    assert min(_contrast(colors["fg"], colors[g]) for g in ("ins", "del")) >= 4.5
    assert min(_contrast(colors[f"c{i}"], colors["bg"]) for i in range(6)) >= 4.5


@pytest.fixture
def server(run_dir):
    with Server([run_dir]) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def test_live_it_is_served_to_this_machine_alone(server):
    host, port = server.server_address[:2]
    assert host == "127.0.0.1"
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/") as answer:
        page = answer.read().decode()
        assert answer.headers["Cache-Control"] == "no-store"
    assert 'data-refresh="10"' in page and "connect-src 'self'" in html.unescape(page)
    for path, host, code in (("/x", "127.0.0.1", 404), ("/", "evil.example", 403)):
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}{path}", headers={"Host": f"{host}:{port}"}
        )
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request)
        assert refused.value.code == code


def test_the_command_writes_one_file(run_dir, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main([str(run_dir), "--out", "a.html"]) == 0
    assert capsys.readouterr().out == "written: a.html\n"
    assert main([str(run_dir), str(run_dir)]) == 0
    assert (tmp_path / "report.html").read_text() == report([run_dir, run_dir])
    assert SearchResult(run_dir, (), None).report(run_dir) == report([run_dir, run_dir])


@pytest.mark.parametrize(
    "words, message",
    [
        (("nothing",), "nothing: no search here (there is no search.db)"),
        ((), "the following arguments are required: RUN"),
        (
            ("nothing", "--live", "--port", "x"),
            "argument --port: expected a port from 0 to 65535, got 'x'",
        ),
    ],
)
def test_mistakes_are_one_line(words, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = exit_code(main, words)
    err = capsys.readouterr().err
    assert code == 2 and message in err and err.count("\n") == 1


def test_a_port_that_is_taken_is_said_to_be(run_dir, server, capsys):
    taken = server.server_address[1]
    assert exit_code(main, [str(run_dir), "--live", "--port", str(taken)]) == 2
    assert f"--port: {taken} is already in use" in capsys.readouterr().err


def test_no_two_of_36_lines_look_alike():
    lines = [Series(str(i), ((0.0, 0.0), (1.0, float(i)))) for i in range(36)]
    looks = re.findall(
        r'class="line (c\d d\d)"', str(chart("many", "Many", lines, x="x", y="y", says="All."))
    )
    assert len(looks) == 72 and len(set(looks)) == 36  # drawn, and in the legend
