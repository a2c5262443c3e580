"""Compare optimizers fairly: python -m search.compare --config configs/compare/laptop.yaml"""

from __future__ import annotations

import sys

if __name__ == "__main__":  # before the imports, which take seconds
    from proxy_tasks.console import open_streams
    from search.stopping import Stopping

    open_streams()
    STOPPING = Stopping()


from collections.abc import Sequence
from pathlib import Path

from search.api import compare
from search.comparing.optax_table import OPTAX
from search.config.comparison import ComparisonConfig
from search.console import ERRORS, EXIT_CODES, Parser, directory, leave, report
from search.evaluation.threads import single_threaded
from search.reports.commands import command
from search.reports.comparison.files import PAGE
from search.reports.comparison.terminal import show
from search.stopping import Stopping

DESCRIPTION = """\
Compare optimizers: each is tuned with the same budget on each task, several times over, and what a
tuning run has chosen is judged on the test split with seeds that tuned nothing. The result is a
table of differences to a baseline with intervals, corrected for their number, in RUN_DIR as CSV,
JSON, SVG and one HTML page. Every training is kept as it ends: the same command continues."""

EPILOG = f"""\
a config needs
  optimizers: [optax:adamw, library:lion, runs/discover/final.py]
                     rows of the table below, programs of the library, programs in files; or
                     {{rule: library:lion, name: Lion, space: {{rate: [1e-4, 0.1], beta1: 0.9}}}}
  tasks: [vision_mlp, language_mlp]
                     as python -m proxy_tasks lists them
and may have
  baseline: AdamW                        the optimizer to compare with (default: the first)
  tuning: {{runs: 5, draws: 24, keep: 3, seeds: 3}}
                                         the budget of each optimizer on each task
  test: {{seeds: 8}}                       fresh seeds for each tuning run
  batch_sizes: [8, 64, 512]              each task with each of them; hold: steps or examples
  schedules: [cosine, linear, constant, cube_root]  and warmups: [0.01, 0.05, 0.2]
  heat_map: {{constants: [rate, decay]}}   fitness over two constants
  noise: {{sizes: [0.01, 0.1]}}            flatness: the loss under noise on the weights
  speed: {{steps: 100}}                    seconds per step
docs/compare.md explains the method and each column; configs/compare/ has studies of each kind.

optax: {", ".join(OPTAX)}

examples:
  python -m search.compare --config configs/compare/smoke.yaml
  python -m search.compare --config configs/compare/laptop.yaml --set tuning.runs=8
  python -m search.compare --config configs/compare/laptop.yaml --set workers.address=in_process

{EXIT_CODES}"""


def _parser() -> Parser:
    parser = Parser("compare", DESCRIPTION, EPILOG)
    add = parser.add_argument
    add("--config", required=True, metavar="FILE", help="a YAML file, see below")
    add("--run-dir", type=directory, help="default: runs/compare/ and the config's name")
    parser.add_overrides("tuning.runs=3", 'settings."vision_mlp@0.5".steps=5')
    parser.add_keys(ComparisonConfig)
    parser.add_tasks_file()
    parser.add_functions_file()
    return parser


def main(argv: Sequence[str] | None = None, stopping: Stopping | None = None) -> int:
    """Returns the exit code (see EXIT_CODES).

    stopping: what catches signals; none: they are left alone.
    """
    options = _parser().parse_args(argv)
    stopping = stopping or Stopping(signals=())
    single_threaded()
    run_dir = options.run_dir or Path("runs/compare") / Path(options.config).stem
    try:
        stopping.prepare()
        result = compare(
            options.config,
            run_dir,
            overrides=options.set,
            tasks_file=options.tasks_file,
            functions_file=options.functions_file,
            view="plain",
            stopping=stopping,
            started=stopping.defer,
        )
        show(result)
        print(f"written: {run_dir / PAGE}, with its tables and figures beside it")
    except ERRORS as error:
        again = command("search.compare", *(argv or sys.argv[1:]))
        go_on = f"The same command continues from there:\n{again}"
        return report(error, running=stopping.is_running, go_on=go_on)
    return 0


if __name__ == "__main__":
    code = main(stopping=STOPPING)
    STOPPING.end()
    leave(code)
