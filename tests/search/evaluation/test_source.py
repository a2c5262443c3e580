"""What a config asks of the proxy tasks, checked before anything starts."""

import pytest

from search.config.load import ConfigError, loads
from search.evaluation.source import ProxyTasks

TEXT = b"evaluation: {tasks: [vision_mlp, language_mlp]}\n"


@pytest.mark.parametrize(
    ("override", "lines"),
    [
        ("evaluation.tasks=[vision_mpl]",
         ["evaluation.tasks[0]: task 'vision_mpl': no task 'vision_mpl'; did you mean 'vision_mlp'?"]),
        ("evaluation.settings={vision_mlp: {stepz: 3, hidden: 0}}",
         ["evaluation.settings.vision_mlp.hidden: task vision_mlp: hidden: expected a whole number",
          "evaluation.settings.vision_mlp.stepz: task vision_mlp: no setting 'stepz'; did you mean 'steps'?"]),
        ("evaluation.settings={vision_mlp: {data: 'idx:/nowhere'}}",
         ["evaluation.settings.vision_mlp: "]),
        ("evaluation.settings={vision: {steps: 3}}",
         ["evaluation.settings.vision: is not one of evaluation.tasks"]),
        ("funnel.stages.B.tasks=[vision_mlp, vision_mpl]",
         ["funnel.stages[1].tasks[1]: task 'vision_mpl@10': no task 'vision_mpl'"]),
        ("evaluation.tasks=[vision_mlp@1000]",
         ["funnel.stages[2].scale: task 'vision_mlp@100000': scale: expected a number > 0 and <= 10000"]),
    ],
)  # fmt: skip
def test_mistakes_have_their_position(override, lines):
    with pytest.raises(ConfigError) as error:
        loads(TEXT, overrides=[override], check=ProxyTasks().mistakes)
    assert len(error.value.lines) == len(lines)
    for line, expected in zip(sorted(error.value.lines), lines):
        assert line.startswith(f"--set {override}: {expected}") or line.startswith(
            f"<text>:1:1: {expected}"
        )


def test_tasks_that_no_scale_can_be_given_are_reported_before_the_search(tmp_path):
    """One of a user's own, in a config with a funnel and meta-validation."""
    file = tmp_path / "mine.py"
    file.write_text(
        "from proxy_tasks import make_task, register\n"
        "@register\n"
        "def plain(steps: int = 3):\n"
        "    return make_task('vision_mlp', steps=steps)\n"
    )
    text = b"evaluation: {tasks: plain}\nmeta_validation: {every: 10}\nablation: {scale: 2}\n"
    with pytest.raises(ConfigError) as error:
        loads(text, "t", check=ProxyTasks(str(file)).mistakes)
    places = [line.split(": task ")[0] for line in error.value.lines]
    assert places == [
        "t:1:1: funnel.stages[1].scale", "t:1:1: funnel.stages[2].scale", "t:2:18: meta_validation.scale",
        "t:3:19: ablation.scale",
    ]  # fmt: skip
    assert all("no setting 'scale'" in line for line in error.value.lines)
    assert loads(text, overrides=["funnel=null", "meta_validation.every=0"],
                 check=ProxyTasks(str(file)).mistakes)  # fmt: skip


def test_nothing_is_wrong_with_the_default_funnel():
    source = ProxyTasks()
    config = loads(TEXT, overrides=["meta_validation.every=10"], check=source.mistakes)
    assert set(source.fingerprints(config)) == {"vision_mlp", "language_mlp"}
