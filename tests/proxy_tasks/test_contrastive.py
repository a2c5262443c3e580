"""Images with captions, and the contrastive loss."""

import jax.numpy as jnp
import numpy as np
import pytest

from proxy_tasks import TaskError, make_task
from proxy_tasks.captions import COLUMNS, OFFSETS, ROWS, SHADES, WORDS, captioned
from proxy_tasks.contrastive import TwoTowers
from proxy_tasks.images import Images, load_images


@pytest.fixture(scope="module")
def images():
    all_of = load_images("digits", 8)
    return Images(all_of.pixels[:40], all_of.labels[:40], 10)


def text_of(caption: np.ndarray) -> str:
    """A caption to read; a class is its number."""
    return " ".join(
        WORDS[token] if token < len(WORDS) else str(token - len(WORDS))
        for token in caption
        if token
    )


def test_a_caption_says_what_is_shown(images):
    shown = captioned(images, 30)
    said = set()
    for index, caption in enumerate(shown.captions):
        article, *words = text_of(caption).split()
        assert article == "a" and str(images.labels[index % 40]) in words
        assert caption[len(words) + 1 :].sum() == 0  # gaps are at the end
        canvas, image = shown.pixels[index], images.pixels[index % 40]
        dark = canvas[[0, -1]].mean() > 127 and canvas[:, [0, -1]].mean() > 127
        canvas = 255 - canvas if dark else canvas
        places = [
            (row, column)
            for row, top in zip(ROWS, OFFSETS)
            for column, left in zip(COLUMNS, OFFSETS)
            if (canvas[top : top + 8, left : left + 8] == image).all()
        ]
        assert len(places) == 1
        truth = {SHADES[int(dark)], *places[0], str(images.labels[index % 40])}
        assert set(words) <= truth and len(words) == len(set(words))
        said |= set(words)
    assert said == {*WORDS[2:], *map(str, set(images.labels.tolist()))}


def test_prompts_say_the_class_alone(images):
    assert [text_of(prompt) for prompt in captioned(images, 1).prompts] == [
        f"a {label}" for label in range(10)
    ]


def test_the_loss_and_the_accuracy_by_hand(monkeypatch):
    """Of given embeddings, in place of the towers'."""
    task = make_task("contrastive", copies=1, batch_size=4)
    patches, captions, labels = task.data.take(task.data.arrays, task.data.train[:4])
    assert patches.shape == (4, 9, 16) and captions.shape == (4, 5) and jnp.max(patches) == 1
    rng = np.random.default_rng(0)
    seen, said, classes = (rng.normal(size=(n, 3)).astype(np.float32) for n in (4, 4, 10))

    def apply(self, params, patches, captions=None, method=None):
        given = {"images": seen, "captions": classes, None: seen @ said.T}
        return jnp.asarray(given[method])

    monkeypatch.setattr(TwoTowers, "apply", apply)
    batch = patches, captions, labels
    logits = np.float64(seen @ said.T)
    by_image = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    by_caption = logits - np.log(np.exp(logits).sum(0, keepdims=True))
    expected = -(np.diag(by_image).mean() + np.diag(by_caption).mean()) / 2
    assert task.loss({}, batch) == pytest.approx(expected, rel=1e-5)
    nearest = (seen @ classes.T).argmax(1)
    zero_shot = make_task("contrastive", copies=1, fitness="zero_shot_accuracy").metric
    assert zero_shot({}, batch) == pytest.approx((nearest == labels).mean())
    assert task.trivial_loss == pytest.approx(np.log(4))


def test_copies_stay_in_the_split_of_their_image():
    data = make_task("contrastive", copies=3).data
    held = {*(data.search_validation % 1797).tolist()}, {*(data.meta_validation % 1797).tolist()}
    assert not held[0] & held[1]
    assert not {*(data.train % 1797).tolist()} & (held[0] | held[1])


def test_a_canvas_that_cannot_be_cut():
    with pytest.raises(TaskError, match="patch: 5 does not divide the canvas of 12 pixels"):
        make_task("contrastive", patch=5)
