"""All commands under one name: `update-rule-search COMMAND ...`, or `python -m search ...`."""

from __future__ import annotations

import runpy
import sys

from proxy_tasks.console import run_command

COMMANDS = {
    "run": ("search.run", "one search from one config, to its final program"),
    "inspect": ("search.inspect", "inspect a run, finished or in progress"),
    "report": ("search.report", "report one or several runs as one HTML page"),
    "evaluate": ("search.evaluate", "score a program on proxy tasks"),
    "compare": ("search.compare", "compare optimizers fairly, with intervals"),
    "funnel": ("search.funnel", "compare programs with tuned baselines at growing scale"),
    "simplify": ("search.simplify", "shorten a program, by proof and by measurement"),
    "programs": ("programs", "show, check, compare, simplify and export programs"),
    "tasks": ("proxy_tasks", "list the proxy tasks, or convert images for them"),
}
USAGE = "\n".join(
    [
        "usage: update-rule-search COMMAND ...   (COMMAND --help explains it)",
        *(f"  {name:<10} {text}" for name, (_, text) in COMMANDS.items()),
    ]
)


def _explain() -> int:
    print(USAGE)
    return 0


def main() -> None:
    """Runs a command as `python -m` would."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("-h", "--help"):
        sys.exit(run_command(_explain))
    elif name not in COMMANDS:
        from programs.suggest import did_you_mean  # with the package, which takes a moment

        near = did_you_mean(name, COMMANDS) or f"; expected one of {', '.join(COMMANDS)}"
        print(f"error: no command {name!r}{near}", file=sys.stderr)
        sys.exit(2)
    else:
        del sys.argv[1]
        runpy.run_module(COMMANDS[name][0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
