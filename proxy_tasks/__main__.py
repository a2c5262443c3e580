"""python -m proxy_tasks: list the tasks with their cost, train some by AdamW, or convert images."""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
from pathlib import Path
from typing import Any

if __name__ == "__main__":  # before the imports, which take seconds
    from proxy_tasks.console import exit_on_sigint

    exit_on_sigint()

from proxy_tasks.console import OneLineParser, complain, run_command, table, with_progress
from proxy_tasks.errors import TaskError
from proxy_tasks.idx import write_idx
from proxy_tasks.images import load_images
from proxy_tasks.names import TaskName
from proxy_tasks.registry import TASKS, find_task, make_task, parse_settings, resolved_settings
from proxy_tasks.run_errors import named_errors
from proxy_tasks.training import final_params
from proxy_tasks.user_tasks import load_tasks_file

VALIDATION = ("search_validation", "meta_validation")
EMBEDDED = ("digits", "pydoc", "generated")  # data that need no download
LEGEND = (
    "gflops: of all gradients of a training, XLA's count; x10, x100: multiples at these scales\n"
    "trivial: loss of the best prediction that ignores the inputs; reports: what `train` prints, "
    "besides"
)


def row_of(name: str, settings: dict[str, Any]) -> dict[str, Any]:
    """What the listing shows of a task: size, cost at scale 1, cost ratios at 10 and 100."""
    task = make_task(name, **settings)
    row: dict[str, Any] = {
        "task": task.name, "parameters": task.parameters, "steps": task.steps,
        "batch": task.batch_size, "examples": len(task.data.train), "gflops": task.flops / 1e9,
    }  # fmt: skip
    if task.trivial_loss is not None:
        row["trivial"] = task.trivial_loss
    if task.reports:
        row["reports"] = ",".join(task.reports)
    if task.scale == 1 and hasattr(task.settings, "scale"):
        for scale in (10, 100):
            row[f"x{scale}"] = make_task(f"{name}@{scale}", **settings).flops / task.flops
    return {**row, "data": task.data.fingerprint[:12], "fingerprint": task.fingerprint[:12]}


def list_tasks(options: argparse.Namespace) -> None:
    """Print the tasks named, or all whose data need no download."""
    if options.tasks_file:
        load_tasks_file(options.tasks_file)
    every = [
        str(TaskName(base, preset))
        for base, spec in TASKS.items()
        for preset in ("laptop", *spec.presets)
    ]
    data_of = {name: getattr(resolved_settings(name), "data", EMBEDDED[0]) for name in every}
    names = options.names or [name for name in every if data_of[name] in EMBEDDED]
    settings = parse_settings(options.task_set, names)
    rows = [
        row_of(name, settings[find_task(name)[0].base])
        for name in with_progress(names, lambda name: name)
    ]
    if options.json:
        print(json.dumps(rows, indent=1))
        return
    print(table(rows))
    print(LEGEND)
    for name in [] if options.names else every:
        if name not in names:
            print(f"not listed, because it downloads {data_of[name]}; list it by name: {name}")


def train_tasks(options: argparse.Namespace) -> None:
    """Print what AdamW reaches on tasks, with their own measures, on both validation splits."""
    import optax  # here because the list does without it

    if options.seeds < 1:
        raise TaskError(f"--seeds: expected 1 or more, got {options.seeds}")
    if not 0 < options.learning_rate < math.inf:
        raise TaskError(f"--learning-rate: expected a number above 0, got {options.learning_rate}")
    if not 0 <= options.weight_decay < math.inf:
        raise TaskError(f"--weight-decay: expected a number >= 0, got {options.weight_decay}")
    if options.tasks_file:
        load_tasks_file(options.tasks_file)
    settings = parse_settings(options.task_set, options.names)
    every = []
    for name in with_progress(options.names, lambda name: name):
        task = make_task(name, **settings[find_task(name)[0].base])
        rate, decay = options.learning_rate, options.weight_decay
        optimizer = optax.adamw(lambda step: rate * task.schedule(step), weight_decay=decay)  # noqa: B023
        rows = []
        for seed in range(options.seeds):
            with named_errors(task.name):
                params = final_params(task, optimizer, seed)
                measured = {split: task.metrics(params, split) for split in VALIDATION}
            for split, measures in measured.items():
                rows.append({"task": task.name, "seed": seed, "split": split, **measures})
        every += rows
        if not options.json:
            print(table(rows))
        if task.trivial_loss is not None and not options.json:
            print(f"a prediction that ignores the inputs has the loss {task.trivial_loss:.2f}")
    if options.json:
        plain = [{key: _finite_or_none(value) for key, value in row.items()} for row in every]
        print(json.dumps(plain, indent=1))


def _finite_or_none(value: Any) -> Any:
    """JSON has neither NaN nor infinity."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def convert(options: argparse.Namespace) -> None:
    """Decode and resize images once, into an IDX folder that every worker reads quickly."""
    if options.image_size < 1:
        raise TaskError(f"--image-size: expected 1 or more pixels, got {options.image_size}")
    folder = Path(options.folder).expanduser().absolute()
    nearest = next(path for path in (folder, *folder.parents) if path.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):  # before hours of decoding
        wrong = "may not be written to" if nearest.is_dir() else "is a file"
        raise TaskError(f"{folder}: the folder cannot be created: {nearest} {wrong}")
    images = load_images(options.data, options.image_size, options.fraction)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_idx(folder / "images-idx4-ubyte", images.pixels)
        write_idx(folder / "labels-idx1-int", images.labels)
    except OSError as error:
        raise TaskError(f"{folder}: cannot be written: {error.strerror}") from None
    print(f"{len(images.labels)} images of {images.classes} classes; use data=idx:{folder}")


def _parser() -> argparse.ArgumentParser:
    parser = OneLineParser(prog="python -m proxy_tasks", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    lister = commands.add_parser("list", help="parameters, cost and fingerprints of tasks")
    lister.add_argument(
        "names", nargs="*", help="NAME[:PRESET][@SCALE]; none: all that need no download"
    )
    lister.add_argument("--tasks", dest="tasks_file", help=argparse.SUPPRESS)  # its former name
    _of_tasks(lister)
    lister.set_defaults(run=list_tasks)
    trainer = commands.add_parser("train", help="what AdamW reaches: loss and further measures")
    trainer.add_argument("names", nargs="+", help="NAME[:PRESET][@SCALE]")
    trainer.add_argument("--learning-rate", type=float, default=0.01, help="peak; default: 0.01")
    trainer.add_argument("--weight-decay", type=float, default=0.01, help="default: 0.01")
    trainer.add_argument("--seeds", type=int, default=1, help="0 to this many minus 1; default: 1")
    _of_tasks(trainer)
    trainer.set_defaults(run=train_tasks)
    converter = commands.add_parser("convert", help="images from anywhere to an IDX folder")
    converter.add_argument("data", help="a data setting, as images:FOLDER or hf:NAME")
    converter.add_argument("folder")
    converter.add_argument("--image-size", type=int, default=64)
    converter.add_argument("--fraction", type=float, default=1.0)
    converter.set_defaults(run=convert)
    return parser


def _of_tasks(parser: argparse.ArgumentParser) -> None:
    """Options of the commands that take names of tasks."""
    parser.add_argument("--tasks-file", metavar="FILE", help="Python file with tasks of your own")
    parser.add_argument(
        "--task-set", metavar="KEY=VALUE", action="append", default=[],
        help="a setting of all these tasks, or NAME.KEY=VALUE of one",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true")


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0, or 2 for a user's mistake."""
    options = _parser().parse_args(arguments or ["list"])
    try:
        options.run(options)
    except TaskError as error:
        complain(f"error: {error}")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(run_command(lambda: main(sys.argv[1:])))
