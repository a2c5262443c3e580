"""Configs of small searches, for what disturbs them: kills, signals, damage."""

_ALL_PHASES = """\
evolution: {{children: {children}, population: {population}, repeats: 1, rounds: 1, window: 64}}
evaluation:
  tasks: [vision_mlp]
  settings: {{vision_mlp: {{steps: 40, hidden: 8}}}}
rescore: {{programs: 4, seeds: 4}}
funnel:
  families: 3
  head_start: {{draws: 6, keep: 2, seeds: 2}}
  stages:
    - {{name: A, scale: 1, seeds: 5, keep: 2, beat: false, tuning: {{draws: 1}}}}
    - {{name: B, scale: 2, seeds: 5, keep: 2, tuning: {{draws: 4, keep: 2, seeds: 2}}}}
  finals: {{tunings: 6, seeds: 1}}
tuning: {{draws: 16, keep: 2, seeds: 2}}
ablation: {{seeds: 4, confirm_seeds: 4, retuning: {{draws: 4, keep: 2, seeds: 2}}}}
workers: {{address: {address}, count: {workers}, timeout_s: 120}}
"""
AUDITED = """\
evolution: {children: 120, population: 20, repeats: 2, rounds: 1, window: 20}
evaluation: {tasks: toy, hurdles: {audit_share: 0.2}}
rescore: {programs: 2, seeds: 2}
workers: {address: in_process}
store: {commit_s: 0}
funnel: null
"""


def all_phases(children: int, population: int, *, address: str = "local", workers: int = 2) -> str:
    """With re-scoring, funnel, tuning, ablation and files, on real trainings."""
    return _ALL_PHASES.format(
        children=children, population=population, address=address, workers=workers
    )
