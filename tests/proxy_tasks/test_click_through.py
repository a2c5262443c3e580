"""Click-through rate: the truth of generated logs, Criteo's format, and the area under the curve."""

import gzip
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy_tasks import TaskError, make_task
from proxy_tasks.click_logs import COLUMNS, SIZES, generated, load_clicks
from proxy_tasks.metrics import area_under_curve


def test_generated_clicks_follow_their_probability():
    logs = generated(50_000)
    assert 0.1 < logs.clicked.mean() < 0.3
    for low, high in ((0.0, 0.1), (0.1, 0.3), (0.3, 0.6), (0.6, 1.0)):
        within = (logs.probability >= low) & (logs.probability < high)
        error = logs.clicked[within].mean() - logs.probability[within].mean()
        assert within.sum() > 500 and abs(error) < 3 * 0.5 / math.sqrt(within.sum())
    assert (logs.categories.max(0) < np.cumsum(SIZES)).all() and logs.rows == sum(SIZES)


def test_a_smaller_log_has_the_same_truth():
    small, large = generated(1000), generated(50_000)
    assert abs(small.probability.mean() - large.probability.mean()) < 0.03


def test_the_truth_is_a_bound_for_the_loss():
    task = make_task("click_through", examples=4000)
    best = task.reports["irreducible_loss"](None, task.data.search_validation[None])
    assert 0 < best < 0.9 * task.trivial_loss


LINES = [
    "\t".join(["1", "3", "", "-2", *["0"] * 10, "68fd1e64", "", *["a"] * 24]),
    "\t".join(["0", "", "7", "1", *["5"] * 10, "68fd1e64", "b", *["c"] * 24]),
]


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_criteo_s_format(tmp_path, suffix):
    path = tmp_path / f"train.txt{suffix}"
    content = "\n".join(LINES * 20).encode()
    path.write_bytes(gzip.compress(content) if suffix else content)
    logs = load_clicks(f"criteo:{path}", 30, 100)
    assert logs.clicked.tolist() == [1, 0] * 15 and logs.rows == 26 * 100
    assert logs.numbers[0, 0] == pytest.approx(math.log(4)) and np.isnan(logs.numbers[0, 1])
    assert logs.numbers[0, 2] == pytest.approx(-math.log(3))
    assert logs.categories[0, 0] == logs.categories[1, 0] < 100 <= logs.categories[0, 1] < 200
    task = make_task("click_through", data=f"criteo:{path}", buckets=10, hidden=4, batch_size=4)
    numbers = task.data.arrays[0]
    assert np.isfinite(numbers).all() and [*task.reports] == ["auc"]
    np.testing.assert_allclose(numbers[task.data.train].mean(0), 0, atol=1e-6)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("1\t2", f":2: expected {COLUMNS} columns separated by tabs, got 2"),
        (LINES[0].replace("1", "2", 1), ":2: clicked: expected 0 or 1, got '2'"),
        (LINES[0].replace("-2", "x"), ":2: expected a whole number or nothing, got 'x'"),
        (LINES[0].replace("-2", "1" * 5000), ":2: expected a whole number or nothing, got '111"),
    ],
)
def test_a_wrong_line_is_named(tmp_path, line, message):
    path = tmp_path / "log"
    path.write_text(f"{LINES[0]}\n{line}\n")
    with pytest.raises(TaskError, match=r"^[^\n]*$") as error:
        make_task("click_through", data=f"criteo:{path}")
    assert f"{path}{message}" in str(error.value)


@pytest.mark.parametrize("source", ["criteo:/nowhere", "criteo", "generated:x", "criteoo:x", ""])
def test_a_wrong_source_says_what_is_right(source):
    with pytest.raises(TaskError, match=r"^[^\n]*(generated|criteo)[^\n]*$"):
        make_task("click_through", data=source)


def test_damaged_files(tmp_path):
    for name, content in (("empty", b""), ("bytes", b"\xff\t"), ("x.gz", b"\x1f\x8b\x08 no")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(TaskError, match=r"^[^\n]*(empty|cannot be read)[^\n]*$"):
            load_clicks(f"criteo:{tmp_path / name}", 10, 10)


SCORED = st.lists(st.tuples(st.integers(-3, 3), st.booleans()), min_size=1, max_size=30)


@given(SCORED)
def test_the_area_is_the_share_of_pairs_in_order(scored):
    scores, labels = map(np.float32, zip(*scored))
    pairs = [(a > b) + (a == b) / 2 for a, x in scored for b, y in scored if x and not y]
    measured = area_under_curve(scores, labels)
    assert measured == pytest.approx(np.mean(pairs)) if pairs else math.isnan(measured)
