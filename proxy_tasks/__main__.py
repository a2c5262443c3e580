"""python -m proxy_tasks: list the tasks with their cost, or convert images once for all workers."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # before the imports, which take seconds
    from proxy_tasks.command import end_at_ctrl_c

    end_at_ctrl_c()

from proxy_tasks.command import until_closed
from proxy_tasks.errors import TaskError
from proxy_tasks.idx import write_idx
from proxy_tasks.images import load_images
from proxy_tasks.settings import checked
from proxy_tasks.task import LAPTOP, TASKS, load_tasks_file, make_task, parse_setting

EMBEDDED = (
    "digits",
    "pydoc",
    "its own",
)  # data that need no download, so that listing them is quick


def facts(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """What the listing shows of a task: size, cost at scale 1, cost ratios at 10 and 100."""
    task = make_task(name, **settings)
    row: dict[str, Any] = {
        "task": task.name, "parameters": task.parameters, "steps": task.steps,
        "batch": task.batch_size, "examples": len(task.data.train), "gflops": task.flops / 1e9,
    }  # fmt: skip
    if task.scale == 1 and "scale" in task.settings:
        for scale in (10, 100):
            row[f"x{scale}"] = make_task(f"{name}@{scale}", **settings).flops / task.flops
    return {**row, "data": task.data.fingerprint[:12], "fingerprint": task.fingerprint[:12]}


def show(rows: list[dict[str, Any]]) -> str:
    """A table of text, one row per task."""
    cells = [
        {
            key: f"{value:.2f}" if isinstance(value, float) else str(value)
            for key, value in row.items()
        }
        for row in rows
    ]
    names = max(rows, key=len).keys()
    width = {name: max(len(name), *(len(row.get(name, "")) for row in cells)) for name in names}
    lines = [{name: name for name in names}, *cells]
    return "\n".join("  ".join(line.get(n, "").ljust(width[n]) for n in names) for line in lines)


def list_tasks(options: argparse.Namespace) -> None:
    """Print the tasks named, or all whose data are embedded."""
    data_of = {
        name if preset == LAPTOP else f"{name}:{preset}": checked(
            f"task {name}", row.build, row.presets.get(preset, {})
        ).get("data", "its own")
        for name, row in TASKS.items()
        for preset in (LAPTOP, *row.presets)
    }
    waiting = {name: data for name, data in data_of.items() if data not in EMBEDDED}
    names = options.names or [name for name in data_of if name not in waiting]
    rows = [facts(name, dict(parse_setting(name, text) for text in options.set)) for name in names]
    if options.json:
        print(json.dumps(rows, indent=1))
        return
    print(show(rows))
    print(
        "gflops: of all gradients of a training, XLA's count; x10, x100: the same at these scales"
    )
    for name, data in {} if options.names else waiting.items():
        print(f"not listed, as it loads other data ({data}); name it to see it: {name}")


def convert(options: argparse.Namespace) -> None:
    """Decode and resize images once, into an IDX folder that every worker reads quickly."""
    if options.image_size < 1:
        raise TaskError(f"--image-size: expected 1 or more pixels, got {options.image_size}")
    folder = Path(options.folder).expanduser().absolute()
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):  # before hours of decoding
        wrong = "may not be written to" if nearest.is_dir() else "is a file"
        raise TaskError(f"{folder}: no folder can be made here: {nearest} {wrong}")
    images = load_images(options.data, options.image_size, options.fraction)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_idx(folder / "images-idx4-ubyte", images.pixels)
        write_idx(folder / "labels-idx1-int", images.labels)
    except OSError as error:
        raise TaskError(f"{folder}: cannot be written: {error.strerror}") from None
    print(f"{len(images.labels)} images of {images.classes} classes; use data=idx:{folder}")


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0, or 2 for a user's mistake."""
    parser = argparse.ArgumentParser(prog="python -m proxy_tasks", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    lister = commands.add_parser("list", help="parameters, cost and fingerprints of tasks")
    lister.add_argument("names", nargs="*", help="NAME[:PRESET][@SCALE]; none: all embedded ones")
    lister.add_argument("--tasks", metavar="FILE", help="a Python file with your own tasks")
    lister.add_argument("--set", metavar="KEY=VALUE", action="append", default=[])
    lister.add_argument("--json", action="store_true")
    lister.set_defaults(run=list_tasks)
    converter = commands.add_parser("convert", help="images from anywhere to an IDX folder")
    converter.add_argument("data", help="a data setting, as images:FOLDER or hf:NAME")
    converter.add_argument("folder")
    converter.add_argument("--image-size", type=int, default=64)
    converter.add_argument("--fraction", type=float, default=1.0)
    converter.set_defaults(run=convert)
    options = parser.parse_args(arguments or ["list"])
    try:
        if getattr(options, "tasks", None):
            load_tasks_file(options.tasks)
        options.run(options)
    except TaskError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(until_closed(lambda: main(sys.argv[1:])))
