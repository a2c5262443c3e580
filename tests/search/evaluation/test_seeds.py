"""The registry of seeds: ranges that never meet, and counts that stay in them."""

import itertools

import pytest

from search.evaluation.seeds import RANGES, SEARCH, STAGE, STAGE_TUNING, SeedRange, TooManySeeds


def blocks(row: SeedRange) -> list[range]:
    return [row.take(row.most, block=block) for block in range(row.blocks)]


def test_no_two_purposes_share_a_seed():
    every = sorted(itertools.chain(*map(blocks, RANGES)), key=lambda block: block.start)
    for one, other in itertools.pairwise(every):
        assert one.stop <= other.start


@pytest.mark.parametrize("row", RANGES, ids=lambda row: row.purpose)
def test_a_purpose_is_described_and_gives_its_seeds(row):
    assert row.purpose and row.why and len(blocks(row)) == row.blocks
    assert row.take(3) == range(row.first, row.first + 3)
    assert row.take(2, skip=1)[0] == row.first + 1
    with pytest.raises(TooManySeeds, match=f"{row.purpose}: {row.most + 1} seeds"):
        row.take(row.most + 1)
    with pytest.raises(TooManySeeds, match="seeds for"):
        row.take(1, block=row.blocks)


def test_seeds_that_results_in_stores_and_docs_depend_on():
    assert SEARCH.take(2) == range(2)
    assert STAGE_TUNING.take(1)[0] == 10_000 and STAGE.take(1, block=2)[0] == 35_000
