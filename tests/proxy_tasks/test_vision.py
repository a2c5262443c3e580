"""Image tasks: patches and moved copies, and the paper's own task."""

import numpy as np
import pytest

from proxy_tasks import TASKS, TaskError, make_task
from proxy_tasks.images import Images, load_images
from proxy_tasks.vision import moves_of
from tests.proxy_tasks.tasks import check_one_gradient


def test_the_paper_preset_is_the_paper_s():
    """Chen et al. 2023, section 2.2 and appendix."""
    vit = TASKS["vision_vit"].presets["paper"]
    assert (vit["layers"], vit["width"], vit["heads"]) == (3, 96, 3)
    assert (vit["image_size"], vit["patch"], vit["batch_size"]) == (64, 16, 64)
    assert (vit["steps"], vit["fraction"]) == (30_000, 0.1)


def test_the_paper_s_vision_task_is_built(monkeypatch):
    """The data are made up: a few images, of the size that the preset asks for."""
    rng = np.random.default_rng(0)

    def images(source, size, fraction):
        assert (source, fraction) == ("hf:ILSVRC/imagenet-1k", 0.1)
        pixels = rng.integers(0, 256, (80, size, size, 3), dtype=np.uint8)
        return Images(pixels, rng.integers(0, 1000, 80, dtype=np.int32), 1000)

    monkeypatch.setattr("proxy_tasks.vision.load_images", images)
    task = make_task("vision_vit:paper")
    assert task.data.arrays[0].shape == (80, 16, 16 * 16 * 3)
    width, block = 96, 12 * 96**2 + 13 * 96  # a block: weights, biases and two norms
    embedding = (768 + 1 + 16) * width  # of patches and of their positions
    assert task.parameters == embedding + 3 * block + 2 * width + (width + 1) * 1000
    check_one_gradient(task)


@pytest.mark.parametrize("shifts", [0, 1, 2])
def test_patches_are_cut_from_the_image_and_its_moved_copies(shifts):
    images = load_images("digits", 8).pixels[..., 0]
    cut, labels = make_task("vision_vit", shifts=shifts).data.arrays
    moves = moves_of(shifts, images)
    assert cut.shape == (len(moves) * 1797, 16, 4) and len(moves) == (2 * shifts + 1) ** 2
    assert (labels.reshape(len(moves), 1797) == labels[:1797]).all()
    framed = np.pad(images[7], 2)
    for move, (down, right) in enumerate(moves):
        whole = cut[move * 1797 + 7].reshape(4, 4, 2, 2).swapaxes(1, 2).reshape(8, 8)
        rows, columns = (slice(2 - step, 10 - step) for step in (down, right))
        np.testing.assert_array_equal(whole, framed[rows, columns])


@pytest.mark.parametrize("name", ["vision_vit", "vision_mixer"])
def test_a_whole_image_may_be_one_patch(name):
    task = make_task(name, patch=8, shifts=0)
    assert task.data.arrays[0].shape == (1797, 1, 64)
    check_one_gradient(task)


@pytest.mark.parametrize("shifts", [0, 1, 2])
def test_copies_of_an_image_stay_in_its_split(shifts):
    data = make_task("vision_mlp", shifts=shifts).data
    held = [
        set((split % 1797).tolist()) for split in (data.search_validation, data.meta_validation)
    ]
    training = set((data.train % 1797).tolist())
    assert not held[0] & held[1] and not training & (held[0] | held[1])
    assert len(data.train) == len(training) * (2 * shifts + 1) ** 2


def test_only_copies_are_limited_in_size():
    imagenet, mnist = (
        np.broadcast_to(np.uint8(0), shape)  # takes no memory
        for shape in ((128_116, 64, 64, 3), (70_000, 28, 28, 1))
    )
    assert moves_of(0, imagenet) == [(0, 0)]
    assert moves_of(0, np.broadcast_to(imagenet, (9, *imagenet.shape))) == [(0, 0)]
    assert len(moves_of(2, mnist)) == 25
    for shifts, images, advice in (
        (1, imagenet, "shifts=0"), (2, imagenet, "shifts=0"), (2, np.broadcast_to(mnist, (2, *mnist.shape)), "shifts=1 or shifts=0"),
    ):  # fmt: skip
        with pytest.raises(TaskError, match=f"bytes, at most 2,000,000,000; set {advice}$"):
            moves_of(shifts, images)
