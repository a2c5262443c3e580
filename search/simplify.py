"""From an evolved program to one that a reader understands: exact passes, ablation, exact passes.

    python -m search.simplify library:program8 --task vision_mlp --task-set steps=2000 --tune 192

What keeps the outputs goes by proof (programs/simplify), what makes no measurable difference on
the tasks goes by measurement (search/shortening), and each step is written into a certificate. A
part of a program can only show its use where the program trains well, so its constants are tuned to
the tasks first; the result is given with the tuned constants and with the original ones.
"""

from __future__ import annotations

if __name__ == "__main__":  # before the imports, which take seconds
    from proxy_tasks.console import exit_on_sigint

    exit_on_sigint()


import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from programs import ProgramError, load, load_functions_file
from proxy_tasks.console import run_command
from proxy_tasks.errors import TaskError
from search import api
from search.checks import ablation_seeds, refused
from search.config.selection import FINAL_TUNING, AblationSettings, ShrinkSettings
from search.config.settings import Engine
from search.console import Parser, count, positive, report, writable
from search.evaluation.threads import single_threaded
from search.reports.certificate import as_data, certificate, result_lines, step_line


def _parser() -> Parser:
    parser = Parser("simplify", (__doc__ or "").splitlines()[0])
    add = parser.add_argument
    add("file", metavar="FILE", help="a program's text, or library:NAME")
    parser.add_tasks(required=True)
    parser.add_tasks_file()
    parser.add_functions_file()
    add("--seeds", type=count, default=12, help="seeds per comparison (default 12)")
    add("--confirm-seeds", type=count, default=24, help="fresh seeds for the result (default 24)")
    add("--tolerance", type=positive, help="loss of fitness that is accepted on each task")
    add("--tolerance-sd", type=positive, default=0.5, help="the same in standard deviations of "
        "the fitness over seeds (default 0.5)")  # fmt: skip
    add("--level", type=positive, default=0.05, help="chance of a wrong removal (default 0.05)")
    add("--tune", type=count, metavar="DRAWS", help="tune the constants on the tasks first")
    add("--evolve", type=count, metavar="CHILDREN", help="let evolution without insertion, the "
        "paper's way, make a proposal first")  # fmt: skip
    add("--price", type=positive, default=0.002, help="of a statement, with --evolve")
    add("--engine", choices=get_args(Engine), default="auto")
    add("--json", action="store_true", help="print JSON")
    add("--out", type=writable, metavar="FILE", help="write the program there")
    add(
        "--certificate",
        type=writable,
        metavar="FILE",
        help="write the certificate there (Markdown)",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """The command line; returns the exit code: 0 done, 2 bad input."""
    options = _parser().parse_args(argv)
    single_threaded()
    try:
        for option in ("seeds", "confirm_seeds"):
            if getattr(options, option) < 2:
                name = option.replace("_", "-")
                raise ValueError(f"--{name}: an interval needs at least 2 seeds")
        if options.tune == 1:
            raise ValueError("--tune: one draw tunes nothing; expected at least 2")
        out, page = (path and path.resolve() for path in (options.out, options.certificate))
        if out and out == page:
            raise ValueError(f"--certificate: {options.certificate} is where the program goes")
        if page and page == Path(options.file).resolve():
            raise ValueError(f"--certificate: {options.certificate} is the program itself")
        if not options.level < 0.5:
            raise ValueError("--level: expected a number below 0.5")
        rules = AblationSettings(
            seeds=options.seeds,
            confirm_seeds=options.confirm_seeds,
            tolerance=options.tolerance,
            tolerance_sd=options.tolerance_sd,
            level=options.level,
        )
        for path, message in refused(ablation_seeds(rules)):
            raise ValueError(f"--{path[-1]}: {message}".replace("_", "-"))
        if options.functions_file:
            load_functions_file(options.functions_file)
        program = load(options.file)
        from search.evaluation.evaluator import settings_for  # JAX, for the command line alone

        done = api.simplify(
            program,
            options.task,
            ablation=rules,
            tuning=FINAL_TUNING.model_copy(update={"draws": options.tune})
            if options.tune
            else None,
            shrinking=ShrinkSettings(children=options.evolve, price=options.price)
            if options.evolve
            else None,
            settings=settings_for(options.task, options.task_set, options.tasks_file),
            engine=options.engine,
            tasks_file=options.tasks_file,
            show=lambda step: print(step_line(step), file=sys.stderr, flush=True),
        )
        if options.out:
            options.out.write_text(str(done.program))
        if options.certificate:
            options.certificate.write_text(certificate(done))
    except (ProgramError, TaskError, ValueError, OSError) as error:
        return report(error)
    print(json.dumps(as_data(done), indent=2) if options.json else "\n".join(result_lines(done)))
    return 0


if __name__ == "__main__":
    sys.exit(run_command(main))
