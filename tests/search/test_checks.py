"""What a config asks for and cannot be had."""

import pytest

from search.checks import too_many_seeds
from search.config.load import ConfigError, loads

MINIMAL = b"evaluation: {tasks: [vision_mlp]}\n"


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("evaluation.seeds=1001", "search: 1001 seeds are more than the 1000 there are (0 to 999)"),
        ("rescore.seeds=1000000000", "re-scoring: 1000000000 seeds"),
        ("meta_validation.seeds=1001", "meta-validation: 1001 seeds"),
        ("ablation.seeds=1001", "ablation: 1001 seeds"),
        ("ablation.confirm_seeds=334", "confirmation: 1002 seeds"),
        ("ablation.retuning.seeds=1001", "tuning for the ablation: 1001 seeds"),
        ("tuning.seeds=1001", "tuning for the ablation: 1001 seeds"),
        ("funnel.head_start.seeds=1001", "head start: 1001 seeds"),
        ("funnel.stages.B.seeds=5001", "stage: 5001 seeds"),
        ("funnel.stages.B.tuning.seeds=5001", "tuning in a stage: 5001 seeds"),
        ("funnel.finals.seeds=50001", "finals: 50001 seeds"),
    ],
)
def test_more_seeds_than_a_purpose_has_are_refused_in_one_line(setting, said):
    assert loads(MINIMAL, check=too_many_seeds)
    with pytest.raises(ConfigError) as error:
        loads(MINIMAL, overrides=[setting], check=too_many_seeds)
    [line] = error.value.lines
    assert said in line and setting.split("=")[0].split(".")[-1] in line


def test_more_stages_than_there_are_seeds_for_are_refused():
    stages = ", ".join(f"{{name: s{i}}}" for i in range(90))
    text = MINIMAL + f"funnel: {{stages: [{stages}]}}".encode()
    with pytest.raises(ConfigError, match=r"stages\[89\].*seeds for 89 of them only"):
        loads(text, check=too_many_seeds)
