"""Draws: the right distribution, and the same on any machine."""

import collections
import statistics

import pytest

from programs.draws import child_rng, standard_normal, uniform_index


def test_children_do_not_share_a_stream():
    draws = {child_rng(s, r, c).random() for s in range(3) for r in range(3) for c in range(100)}
    assert len(draws) == 900


def test_distributions():
    rng = child_rng(0, 0, 0)
    counts = collections.Counter(uniform_index(rng, 3) for _ in range(9000))
    assert all(abs(counts[i] - 3000) < 250 for i in range(3))
    numbers = [standard_normal(rng) for _ in range(10_000)]
    assert abs(statistics.mean(numbers)) < 0.04
    assert abs(statistics.stdev(numbers) - 1) < 0.03


def test_the_same_everywhere():
    """Golden numbers: histories of searches are made of them."""
    rng = child_rng(7, 3, 1)
    assert [uniform_index(rng, 1000) for _ in range(4)] == [36, 48, 402, 953]
    normals = [-0.513195136180032, -2.1776760361780316, 0.9026114988766257]
    assert [standard_normal(rng) for _ in range(3)] == pytest.approx(normals, rel=1e-14)
