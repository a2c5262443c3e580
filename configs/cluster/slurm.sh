#!/bin/bash
# The search on machines of a Slurm cluster: a Ray head on the first, and workers on all.
#
#   sbatch configs/cluster/slurm.sh                           # configs/cluster.yaml
#   sbatch configs/cluster/slurm.sh configs/laptop.yaml --set workers.count=64
#
# The run is kept in $RUN_DIR, by default on the home file system; a job that is submitted again,
# requeued or out of time continues it. $PYTHON has this project's dependencies on all machines.
# Checked by `bash -n` and with commands of a test in Slurm's place, never run on a Slurm cluster.
#
#SBATCH --job-name=update-rule-search
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=16
#SBATCH --exclusive
#SBATCH --time=24:00:00
#SBATCH --signal=B:TERM@120
#SBATCH --requeue
#SBATCH --open-mode=append
set -euo pipefail

cd "${SLURM_SUBMIT_DIR:?submit this with sbatch}"
CONFIG="${1:-configs/cluster.yaml}"
shift || true
PYTHON="${PYTHON:-$PWD/.venv/bin/python}"
RAY="$(dirname "$PYTHON")/ray"
RUN_DIR="${RUN_DIR:-$HOME/update-rule-search/$(basename "$CONFIG" .yaml)}"

# Machines of other users may reach the ports, so a token is asked for; it is this job's own.
export RAY_AUTH_MODE=token
export RAY_AUTH_TOKEN="$("$PYTHON" -c 'import secrets; print(secrets.token_hex(32))')"
# A machine that does not answer for some 25 s is lost; by default it takes Ray about a minute.
export RAY_health_check_period_ms=1000 RAY_health_check_timeout_ms=4000
export RAY_TMPDIR="${RAY_TMPDIR:-/tmp/ray-$SLURM_JOB_ID}"  # sockets need a local disk, a short path

mapfile -t machines < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
head="${machines[0]}"
port=$((20000 + SLURM_JOB_ID % 10000))
address="$(srun --nodes=1 --ntasks=1 -w "$head" hostname --ip-address | awk '{print $1}')"

start() {  # MACHINE OPTION...: a Ray node that ends with this job
  local machine="$1"
  shift
  srun --nodes=1 --ntasks=1 --overlap -w "$machine" "$RAY" start --block --disable-usage-stats \
    --num-cpus="$SLURM_CPUS_PER_TASK" "$@" &
}

start "$head" --head --node-ip-address="$address" --port="$port" --include-dashboard=false
for attempt in $(seq 60); do
  srun --nodes=1 --ntasks=1 --overlap -w "$head" \
    "$RAY" status --address="$address:$port" >/dev/null 2>&1 && break
  [ "$attempt" -lt 60 ] || { echo "error: no Ray head at $address:$port" >&2; exit 1; }
  sleep 2
done
for machine in "${machines[@]:1}"; do
  start "$machine" --address="$address:$port"
done

# A file system of the network has no shared memory for the store's log: journal=delete.
"$PYTHON" -m search.run --config "$CONFIG" --resume-if-begun --set workers.address="$address:$port" \
  --set store.run_dir="$RUN_DIR" --set store.journal=delete "$@" &
search=$!
trap 'stopped=1; kill -TERM "$search"' TERM INT  # comes before the time is over: a clean stop
code=0
wait "$search" || code=$?
if [ -n "${stopped:-}" ]; then
  code=0
  wait "$search" || code=$?
fi
kill $(jobs -p) 2>/dev/null || true
wait || true
exit "$code"
