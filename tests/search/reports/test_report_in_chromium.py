"""The page in a real browser: headless Chromium, driven by Playwright, as a reader would use it.

Skipped where there is no Chromium (Debian's package `chromium`) or no Playwright.
"""

from __future__ import annotations

import re
import shutil
import threading

import pytest
import small_run

from search.reports.page.live import Server
from search.reports.page.report import report

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium on PATH (apt-get install chromium)"
)


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Pages by name: of one run, of two, and of a hostile one."""
    folder = tmp_path_factory.mktemp("pages")
    run = small_run.make(folder / "mine")
    (run / "final.py").write_text(small_run.SIGN)
    evil = small_run.make(folder / "<img src=x onerror=alert(0)>", texts=small_run.EVIL)
    (evil / "final.py").write_text(small_run.EVIL)
    pages = {"one": [run], "two": [run, run], "evil": [evil, run]}
    for name, runs in pages.items():
        (folder / f"{name}.html").write_text(report(runs))
    return folder


@pytest.fixture
def opened(browser, files):
    """Opens a page; in the end nothing was complained of, asked of the network or shown in a dialog."""
    problems: list[str] = []
    contexts = []

    def open_(name: str, **options):
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.on("console", lambda message: problems.append(message.text))
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("dialog", lambda dialog: (problems.append(dialog.message), dialog.dismiss()))
        page.on(
            "request",
            lambda r: r.url.startswith(("file:", "http://127.0.0.1:")) or problems.append(r.url),
        )
        page.goto(name if "//" in name else (files / f"{name}.html").as_uri())
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not problems


@pytest.mark.parametrize("name, figures", [("one", 5), ("two", 3 + 2 * 5)])
def test_every_chart_is_drawn(opened, name, figures):
    page = opened(name)
    drawings = page.locator("figure svg[role=img]")
    assert drawings.count() == figures
    for i in range(figures):
        box = drawings.nth(i).bounding_box()
        assert box["width"] > 200 and box["height"] > 100
        assert drawings.nth(i).locator("polyline, circle").count() > 0


def test_nothing_of_a_hostile_run_runs(opened):
    page = opened("evil")
    assert page.evaluate("document.querySelectorAll('img, iframe, form').length") == 0
    assert small_run.EVIL in page.locator("main").inner_text()


def test_if_an_escape_were_missed_the_policy_would_stop_it(browser, files):
    """The second line of defence, tested by breaking the first."""
    page_text = (files / "one.html").read_text()
    broken = page_text.replace(
        "<main",
        "<script>document.title = 'owned'</script><img src=x onerror=\"document.title='owned'\"><main",
    )
    (files / "broken.html").write_text(broken)
    page = browser.new_page()
    page.goto((files / "broken.html").as_uri())
    assert "owned" not in page.title()
    page.close()


def test_a_lineage_is_walked_by_clicks(opened):
    page = opened("one")
    box = page.locator(".lineage")
    shown = box.locator("article:visible h4")
    assert shown.count() == 1 and shown.inner_text().startswith("2: individual 3, delete")
    box.get_by_role("button", name="Previous step").click()
    assert shown.inner_text().startswith("1: individual 2, modify, fitness -1.5 (+0.5)")
    assert box.locator("article:visible ins").inner_text() == "+  2  m = interp(g, m, 0.8)"
    box.locator("circle[data-step='0']").click()
    assert shown.inner_text().startswith("0: individual 0, start")
    assert box.get_by_role("button", name="Previous step").is_disabled()
    box.get_by_role("combobox").select_option("2")
    assert shown.inner_text().startswith("2: individual 3")


def test_two_programs_are_set_side_by_side(opened):
    page = opened("one")
    box = page.locator(".compare")
    assert box.locator("[data-pair]:visible").count() == 1
    box.get_by_label("Left:").select_option(label="individual 3")
    box.get_by_label("Right:").select_option(label="the warm start")
    pair = box.locator("[data-pair]:visible")
    assert pair.count() == 1
    assert "m = interp(g, m, 0.9)" in pair.locator("ins").first.inner_text()
    box.get_by_label("Right:").select_option(label="individual 3")
    assert "The same program on both sides" in box.locator("[data-pair]:visible").inner_text()


def test_the_keyboard_alone_suffices(opened):
    page = opened("one")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    wanted = {"plot": 4, "wide": 5, "BUTTON": 1, "SELECT": 3, "SUMMARY": 5, "PRE": 1}
    seen = dict.fromkeys(wanted, 0)
    for _ in range(120):
        page.keyboard.press("Tab")
        at = page.evaluate(
            "[document.activeElement.tagName, document.activeElement.className, getComputedStyle(document.activeElement).outlineStyle]"
        )
        if at[0] == "BODY":
            break
        assert at[2] != "none", f"no focus is to be seen on {at}"
        for what in at[:2]:
            seen[what] = seen.get(what, 0) + 1
        if at[1] == "plot":
            page.keyboard.press("ArrowLeft")
            readout = page.evaluate(
                "document.activeElement.parentElement.querySelector('.readout').textContent"
            )
            assert re.match(r"at [\d.,-]+: \S", readout), readout
        if at[0] == "SELECT":
            page.keyboard.press("ArrowUp")
        if at[0] == "BUTTON" and seen["BUTTON"] == 1:
            page.keyboard.press("Enter")
    assert at[0] == "BODY" and all(seen[what] >= least for what, least in wanted.items()), seen
    assert page.locator(".lineage article:visible").count() == 1


def test_the_pointer_reads_values(opened):
    page = opened("one")
    page.locator("#run1-fitness svg[role=img]").hover()
    assert "best so far" in page.locator("#run1-fitness .readout").inner_text()


@pytest.mark.parametrize(
    "scheme, ground", [("light", "rgb(255, 255, 255)"), ("dark", "rgb(13, 17, 23)")]
)
def test_light_and_dark(opened, scheme, ground):
    page = opened("one", color_scheme=scheme)
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == ground


@pytest.mark.parametrize("name", ["one", "two", "evil"])
def test_a_phone_scrolls_in_one_direction(opened, name):
    page = opened(name, viewport={"width": 360, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_without_scripts_all_is_there(opened):
    page = opened("one", java_script_enabled=False)
    assert page.locator(".lineage article:visible").count() == 3
    assert page.locator("[data-pair]:visible").count() > 3


def test_live_the_page_follows_and_keeps_what_was_chosen(opened, tmp_path):
    run = small_run.make(tmp_path / "run")
    with Server([run], refresh_s=0.2) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page = opened(f"http://127.0.0.1:{server.server_address[1]}/")
        page.locator("#run1-step").select_option("1")
        (run / "final.py").write_text("def train(w, g, lr): # new\n")
        page.get_by_text("# new").first.wait_for(timeout=30_000)
        shown = page.locator(".lineage article:visible h4")
        assert shown.inner_text().startswith("1: individual 2, modify")
        page.close()  # before the server goes, or it asks in vain
        server.shutdown()
