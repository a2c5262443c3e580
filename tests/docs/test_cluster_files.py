"""The files of configs/cluster, each read by what reads it, and what README says of them."""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from search.config.load import load
from search.run import _parser

ROOT = Path(__file__).parents[2]
CLUSTER = ROOT / "configs/cluster"
CONSTRAINTS = (ROOT / "constraints.txt").read_text()


def searched(words: list[str]):
    """What the command of a search asks for; its config is valid with its overrides."""
    assert words[1:3] == ["-m", "search.run"]
    options = _parser().parse_args(words[3:])
    return options, load(ROOT / options.config, options.set)


# ray up


def test_ray_up_accepts_the_file_for_aws():
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = yaml.safe_load((CLUSTER / "aws.yaml").read_text())
    prepared = prepare_config(config)
    validate_config(prepared)
    assert prepared["max_workers"] == prepared["available_node_types"]["worker"]["max_workers"]
    for commands in (config["head_start_ray_commands"], config["worker_start_ray_commands"]):
        assert "RAY_AUTH_MODE=token" in commands[-1]
    assert "--dashboard-host=127.0.0.1" in config["head_start_ray_commands"][-1]


def test_ray_up_would_refuse_a_mistake():
    from ray.autoscaler._private.util import prepare_config, validate_config

    config = yaml.safe_load((CLUSTER / "aws.yaml").read_text())
    with pytest.raises(Exception, match="max_worker"):
        validate_config(prepare_config({**config, "max_worker": 3}))


def test_machines_get_all_that_the_project_needs():
    """The code comes with the job, so nothing installs the project itself."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needed = {name.split(">=")[0] for name in project["dependencies"]}
    commands = " ".join(yaml.safe_load((CLUSTER / "aws.yaml").read_text())["setup_commands"])
    assert needed <= set(shlex.split(commands)), needed - set(shlex.split(commands))


# KubeRay

FIELDS = {  # of the resources' definitions (KubeRay 1.5), those that this manifest uses
    "RayJob": {"entrypoint": str, "runtimeEnvYAML": str, "submissionMode": str, "backoffLimit": int,
               "shutdownAfterJobFinishes": bool, "ttlSecondsAfterFinished": int, "rayClusterSpec": dict},
    "rayClusterSpec": {"rayVersion": str, "authOptions": dict, "headGroupSpec": dict, "workerGroupSpecs": list},
    "headGroupSpec": {"rayStartParams": dict, "template": dict},
    "workerGroupSpecs": {"groupName": str, "replicas": int, "minReplicas": int, "maxReplicas": int,
                         "rayStartParams": dict, "template": dict},
    "pod": {"containers": list, "volumes": list, "securityContext": dict, "terminationGracePeriodSeconds": int},
    "container": {"name": str, "image": str, "env": list, "ports": list, "resources": dict, "volumeMounts": list},
}  # fmt: skip


def check(part: dict, kind: str) -> dict:
    fields = FIELDS[kind]
    assert set(part) <= set(fields), f"{kind}: {set(part) - set(fields)}"
    for name, value in part.items():
        assert type(value) is fields[name], f"{kind}.{name}: {value!r}"
    return part


def pod_of(group: dict) -> dict:
    pod = check(group["template"]["spec"], "pod")
    assert all(type(value) is str for value in group["rayStartParams"].values())
    for container in pod["containers"]:
        check(container, "container")
        assert container["resources"]["requests"] == container["resources"]["limits"]
        mounts = {mount["name"] for mount in container.get("volumeMounts", ())}
        assert mounts <= {volume["name"] for volume in pod.get("volumes", ())}
    return pod


def test_the_rayjob_has_the_fields_that_kuberay_knows():
    claim, job = yaml.safe_load_all((CLUSTER / "kuberay.yaml").read_text())
    assert (claim["apiVersion"], claim["kind"]) == ("v1", "PersistentVolumeClaim")
    assert (job["apiVersion"], job["kind"]) == ("ray.io/v1", "RayJob")
    spec = check(job["spec"], "RayJob")
    assert spec["submissionMode"] in ("K8sJobMode", "HTTPMode", "InteractiveMode", "SidecarMode")
    cluster = check(spec["rayClusterSpec"], "rayClusterSpec")
    assert cluster["authOptions"] == {"mode": "token"}
    assert f"ray=={cluster['rayVersion']}\n" in CONSTRAINTS
    head = pod_of(check(cluster["headGroupSpec"], "headGroupSpec"))
    [volume] = head["volumes"]
    assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    [workers] = cluster["workerGroupSpecs"]
    pod_of(check(workers, "workerGroupSpecs"))
    options, config = searched(shlex.split(spec["entrypoint"]))
    assert options.resume_if_begun
    [mount] = head["containers"][0]["volumeMounts"]
    assert Path(config.store.run_dir).is_relative_to(mount["mountPath"])
    assert config.store.journal == "delete" and config.workers.address == "auto"
    cpus = int(workers["template"]["spec"]["containers"][0]["resources"]["limits"]["cpu"])
    assert config.workers.count == cpus * workers["replicas"]
    assert set(yaml.safe_load(spec["runtimeEnvYAML"])) == {"working_dir", "env_vars"}


# Slurm

STUB = """#!/bin/bash
echo "$(basename "$0") $*" >> "$LOG"
"""
SRUN = (
    STUB
    + """
while [[ "$1" == -* ]]; do [ "$1" = -w ] && { machine="$2"; shift; }; shift; done
export MACHINE="$machine"; exec "$@"
"""
)
RAY = (
    STUB
    + """
[ "$1" = start ] && exec sleep 600
grep -q "^ray start.* --head" "$LOG"
"""
)
PYTHON = (
    STUB
    + """
[ "$1" = -c ] && { echo 0123456789abcdef; exit; }
echo "token $RAY_AUTH_MODE $RAY_AUTH_TOKEN" >> "$LOG"
until [ "$(grep -c '^ray start' "$LOG")" = 3 ]; do sleep 0.05; done
trap 'kill %1; exit 143' TERM
[ -z "${LASTS:-}" ] || { touch "$LOG.begun"; sleep 600 & wait; }
exit "${CODE:-0}"
"""
)


@pytest.fixture
def slurm(tmp_path):
    """Starts the script with a test's commands in the place of Slurm's, Python and Ray."""
    folder = tmp_path / "bin"
    folder.mkdir()
    scontrol = STUB + "printf 'node%d\\n' 1 2 3\n"
    hostname = "#!/bin/bash\necho 10.0.0.1 fe80::1\n"
    commands = {
        "srun": SRUN,
        "scontrol": scontrol,
        "ray": RAY,
        "python": PYTHON,
        "hostname": hostname,
    }
    for name, text in commands.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    environment = {
        "PATH": f"{folder}:{os.environ['PATH']}", "HOME": str(tmp_path), "LOG": str(tmp_path / "log"),
        "PYTHON": str(folder / "python"), "SLURM_SUBMIT_DIR": str(ROOT), "SLURM_JOB_ID": "123456",
        "SLURM_JOB_NODELIST": "node[1-3]", "SLURM_CPUS_PER_TASK": "16",
    }  # fmt: skip

    def start(*arguments: str, **more: str) -> subprocess.Popen:
        command = ["bash", str(CLUSTER / "slurm.sh"), *arguments]
        return subprocess.Popen(command, env=environment | more, start_new_session=True)

    start.log = tmp_path / "log"
    return start


def test_the_slurm_script_starts_a_head_the_others_and_the_search(slurm):
    assert subprocess.run(["bash", "-n", str(CLUSTER / "slurm.sh")]).returncode == 0
    assert slurm("configs/laptop.yaml", "--set", "seed=3", CODE="7").wait(60) == 7
    lines = slurm.log.read_text().splitlines()
    starts = [shlex.split(line) for line in lines if line.startswith("ray start")]
    address = "10.0.0.1:23456"
    assert ["--head" in start for start in starts] == [True, False, False]
    assert all("--num-cpus=16" in start for start in starts)
    assert all(f"--address={address}" in start for start in starts[1:])
    nodes = [
        shlex.split(line)[5] for line in lines if line.startswith("srun") and " start " in line
    ]
    assert sorted(nodes) == ["node1", "node2", "node3"]
    assert "token token 0123456789abcdef" in lines
    [search] = [shlex.split(line) for line in lines if line.startswith("python -m")]
    options, config = searched(search)
    assert options.resume_if_begun and options.config == "configs/laptop.yaml"
    assert config.seed == 3 and config.workers.address == address
    assert Path(config.store.run_dir) == slurm.log.parent / "update-rule-search/laptop"


def test_the_slurm_script_passes_on_the_notice_that_its_time_is_over(slurm):
    process = slurm(LASTS="1")
    end = time.monotonic() + 60
    while not slurm.log.with_name("log.begun").exists():
        assert time.monotonic() < end and process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert process.wait(60) == 143


# The upload


def test_what_a_job_uploads_is_small(tmp_path):
    """Neither runs nor environments nor Git's data: .gitignore and .rayignore leave them out."""
    code = (
        "import json, sys; from ray._private.runtime_env.packaging import create_package;"
        "create_package(sys.argv[1], __import__('pathlib').Path(sys.argv[2]), include_gitignore=True,"
        " excludes=['.git'])"
    )
    command = [sys.executable, "-c", code, str(ROOT), str(tmp_path / "upload.zip")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    listed = subprocess.run([sys.executable, "-m", "zipfile", "-l", tmp_path / "upload.zip"],
                            capture_output=True, text=True).stdout  # fmt: skip
    assert "search/run.py" in listed and "configs/cluster.yaml" in listed
    assert not any(word in listed for word in (".venv/", "runs/", "tests/", ".png"))
    assert (tmp_path / "upload.zip").stat().st_size < 3_000_000
