"""Images from IDX folders, image folders and Hugging Face data sets, all made here."""

import numpy as np
import optax
import PIL.Image
import pytest

from proxy_tasks import TaskError, images, make_task, train
from proxy_tasks import __main__ as command_line
from proxy_tasks.idx import write_idx
from proxy_tasks.images import load_images

ONE_LINE = r"^[^\n]*$"


@pytest.fixture(scope="module")
def squares():
    """60 grey 12x12 images, bright in the upper or lower half."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 60).astype(np.uint8)
    pixels = rng.integers(0, 40, (60, 12, 12)).astype(np.uint8)
    for image, label in zip(pixels, labels, strict=True):
        image[6 * label : 6 * label + 6] += 200
    return pixels, labels


@pytest.mark.parametrize("elsewhere", [False, True])
def test_digits_are_those_of_scikit_learn(monkeypatch, elsewhere):
    """Read from its file, or asked for where the file is not."""
    from sklearn.datasets import load_digits

    if elsewhere:
        monkeypatch.setattr(images, "find_spec", lambda name: None)
    wanted, got = load_digits(), images._digits()
    np.testing.assert_array_equal(got, np.column_stack([wanted.data, wanted.target]))
    assert got.dtype == wanted.data.dtype


@pytest.fixture
def idx(squares, tmp_path):
    pixels, labels = squares
    write_idx(tmp_path / "train-images-idx3-ubyte", pixels[:40])
    write_idx(tmp_path / "train-labels-idx1-ubyte", labels[:40])
    write_idx(tmp_path / "t10k-images-idx3-ubyte.gz", pixels[40:])
    write_idx(tmp_path / "t10k-labels-idx1-ubyte.gz", labels[40:])
    return tmp_path


@pytest.fixture
def folder(squares, tmp_path):
    for number, (image, label) in enumerate(zip(*squares, strict=True)):
        path = tmp_path / ("upper", "lower")[label] / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        PIL.Image.fromarray(image).save(path)
    return tmp_path


@pytest.fixture
def hub(squares, tmp_path):
    import datasets

    features = datasets.Features(
        {"picture": datasets.Image(), "class": datasets.ClassLabel(names=["upper", "lower"])}
    )
    rows = {
        "picture": [PIL.Image.fromarray(image).convert("RGB") for image in squares[0]],
        "class": [int(label) for label in squares[1]],
    }
    datasets.Dataset.from_dict(rows, features).save_to_disk(tmp_path / "saved")
    return tmp_path / "saved"


@pytest.mark.parametrize("source", ["idx", "folder", "hub"])
def test_every_source_trains(source, request):
    kind = {"idx": "idx", "folder": "images", "hub": "hf"}[source]
    data = f"{kind}:{request.getfixturevalue(source)}"
    task = make_task("vision_mlp", data=data, steps=60, batch_size=8, fitness="accuracy")
    assert task.parameters == (64 * (3 if source == "hub" else 1) + 1) * 32 + 33 * 2
    (result,) = train(task, optax.adam(0.01))
    assert result.fitness > 0.9


def test_idx_keeps_pixels_and_labels(idx, squares):
    images = load_images(f"idx:{idx}", 12)
    np.testing.assert_array_equal(images.pixels[..., 0], np.roll(squares[0], 20, axis=0))
    np.testing.assert_array_equal(images.labels, np.roll(squares[1], 20))
    assert images.classes == 2


def test_image_folder_labels_are_the_sorted_folders(folder, squares):
    images = load_images(f"images:{folder}", 12)
    assert (images.labels == 0).sum() == (squares[1] == 1).sum()  # "lower" comes first
    upper = images.pixels[:, :6, :, 0].mean(axis=(1, 2)) > 128
    np.testing.assert_array_equal(upper, images.labels == 1)


def test_a_fraction_is_fixed_and_resizing_keeps_the_brightness(idx):
    part = load_images(f"idx:{idx}", 6, 0.5)
    assert part.pixels.shape == (30, 6, 6, 1)
    again = load_images(f"idx:{idx}", 6, 0.5)
    np.testing.assert_array_equal(part.pixels, again.pixels)
    whole = load_images(f"idx:{idx}", 12, 0.5)
    np.testing.assert_allclose(part.pixels.mean((1, 2, 3)), whole.pixels.mean((1, 2, 3)), atol=3)


def test_digits_are_scikit_learn_s():
    images = load_images("digits", 8)
    assert images.pixels.shape == (1797, 8, 8, 1)
    assert (images.pixels.min(), images.pixels.max(), images.classes) == (0, 255, 10)


def test_converted_images_are_the_same(folder, tmp_path, capsys):
    before = load_images(f"images:{folder}", 8)
    target = tmp_path / "converted"  # inside the folder: read first
    arguments = ["convert", f"images:{folder}", str(target), "--image-size", "8"]
    assert command_line.main(arguments) == 0
    assert "60 images of 2 classes" in capsys.readouterr().out
    after = load_images(f"idx:{target}", 8)
    np.testing.assert_array_equal(before.pixels, after.pixels)
    np.testing.assert_array_equal(before.labels, after.labels)


def test_missing_and_wrong_images(tmp_path, squares):
    def message(source):
        with pytest.raises(TaskError, match=ONE_LINE) as error:
            load_images(source, 8)
        return str(error.value)

    convert = "`python -m proxy_tasks convert images:FOLDER|hf:NAME {}` makes such a folder"
    assert "no folder /nowhere" in message("idx:/nowhere")
    assert convert.format("/nowhere") in message("idx:/nowhere")
    assert "no file named *images*idx*" in message(f"idx:{tmp_path}")
    assert convert.format(tmp_path) in message(f"idx:{tmp_path}")
    assert "expected one folder per class" in message(f"images:{tmp_path}")
    for source in ("idx:/nowhere", f"idx:{tmp_path}", "images:/nowhere", f"images:{tmp_path}"):
        assert message(source).endswith("data=digits needs no files")
    assert "no folder /nowhere" in message("hf:/nowhere")
    assert "valid are" in message("idx:")
    write_idx(tmp_path / "images-idx3-ubyte", squares[0])
    assert "has no labels*idx* file" in message(f"idx:{tmp_path}")
    write_idx(tmp_path / "labels-idx1-ubyte", squares[1][:9])
    assert "expected 60 whole numbers" in message(f"idx:{tmp_path}")
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "b.png").write_bytes(b"no image")
    assert "not a readable image" in message(f"images:{tmp_path}")
