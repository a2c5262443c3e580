"""Jobs side by side: each training of theirs is a row of a batch (proxy_tasks/batch_training.py).

What the interpreter can run is batched, by task and capacity. The compiled engine's trainings run
one by one: each has code of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field

import jax

from programs.interpreter import Branching
from proxy_tasks.batch_memory import fitting_size
from proxy_tasks.batch_training import BatchTraining
from proxy_tasks.run_errors import is_out_of_memory
from proxy_tasks.training import Training, TrainingResult
from proxy_tasks.training_loop import Hyper
from search.config.machines import BatchSize
from search.evaluation.evaluator import Evaluator
from search.evaluation.fitness import Evaluation
from search.evaluation.jobs import AUTO, EvaluateTogether, Job, Result, attempt, failed
from search.evaluation.plan import Plan, plan
from search.evaluation.request import META, Request

LOG = logging.getLogger("search")


@dataclass(eq=False)
class _Course:
    """A job under way."""

    job: Job
    steps: Plan
    requests: tuple[Request, ...] = ()  # that are trained now
    arrived: dict[int, Evaluation] = field(default_factory=dict)  # of these, by index
    done: list[Evaluation] = field(default_factory=list)
    result: Result | None = None

    def take(self, index: int, evaluation: Evaluation) -> bool:
        """Takes in a result; whether it was the last of those that are trained now."""
        self.arrived[index] = evaluation
        return self.result is None and len(self.arrived) == len(self.requests)

    def proceed(self) -> None:
        """To the requests that follow from what has arrived, or to the result."""
        new = [self.arrived[index] for index in range(len(self.requests))]
        self.done += new
        self.arrived.clear()
        try:
            self.requests = self.steps.send(new) if self.done else next(self.steps)
        except StopIteration:
            self.result = Result(self.job, tuple(self.done))


Ticket = tuple[_Course, int]  # and the index of a request


def is_cpu() -> bool:
    """Whether trainings run on a CPU, which gains nothing by batches."""
    return jax.default_backend() == "cpu"


class Together(EvaluateTogether):
    """Evaluates jobs in batches.

    Args:
      evaluator: which keeps what is compiled.
      batch: rows of each batch; "auto": as many as `fitting_size` gives.
      branching: of the interpreter; None: `switch` on a CPU, else `select`.
    """

    def __init__(
        self, evaluator: Evaluator, batch: BatchSize, branching: Branching | None = None
    ) -> None:
        self.evaluator, self.batch = evaluator, batch
        self.size = AUTO if batch == "auto" else batch
        self.branching: Branching = branching or ("switch" if is_cpu() else "select")
        self._batches: dict[Training, BatchTraining] = {}
        self._waiting: dict[Training, list[tuple[Ticket, Hyper]]] = {}

    def __call__(self, job: Job) -> Sequence[Evaluation]:
        return list(self.evaluator.each(job))

    def together(self, jobs: Sequence[Job]) -> list[Result]:
        """Their results, in order. A batch that raises an error is run again one by one, so that
        only the culprit fails."""
        courses = [_Course(job, plan(job)) for job in jobs]
        for course in courses:
            self._proceed(course)
        while self._waiting:
            training = max(self._waiting, key=lambda key: len(self._waiting[key]))
            self._run(training)
        results = [course.result for course in courses]
        assert all(results)
        return [result for result in results if result]

    def _proceed(self, course: _Course) -> None:
        """Queues what a job asks for next; what is not batched is run at once."""
        try:
            while course.result is None and len(course.arrived) == len(course.requests):
                course.proceed()
                if course.result is not None:
                    return
                for index, request in enumerate(course.requests):
                    if self.evaluator.engine_of(request.task, request.program) == "compiled":
                        course.take(index, self.evaluator.run(request))
                    else:
                        training, hyper = self.evaluator.training(request, self.branching)
                        self._waiting.setdefault(training, []).append(((course, index), hyper))
        except Exception as error:  # the job's own
            course.result = failed(course.job, error)

    def _run(self, training: Training) -> None:
        """A training's batch until nothing waits for it."""
        while waiting := self._waiting.pop(training, []):
            batch = self._batch(training, waiting[0][1])
            try:
                self._submit(batch, waiting)
                while batch.outstanding:
                    for (course, index), result in batch.advance():
                        self._arrived(course, index, result)
                    self._submit(batch, self._waiting.pop(training, []))
            except Exception as error:
                asked = [(one.ticket, one.hyper) for one in batch.take_back()]
                if self._is_smaller(training, batch, error):
                    self._waiting[training] = asked
                    continue
                for course in {course for (course, _), _ in asked}:
                    course.result = course.result or attempt(self, course.job)

    def _submit(self, batch: BatchTraining, waiting: Sequence[tuple[Ticket, Hyper]]) -> None:
        for ticket, hyper in waiting:
            course, index = ticket
            if course.result is None:
                request = course.requests[index]
                batch.submit(
                    ticket,
                    hyper,
                    seed=request.seed,
                    hurdles=self.evaluator.hurdles_of(request),
                    meta=request.split == META,
                )

    def _arrived(self, course: _Course, index: int, result: TrainingResult) -> None:
        if course.result is not None:
            return
        evaluation = self.evaluator.evaluation(course.requests[index], result)
        if course.take(index, evaluation):
            self._proceed(course)

    def _batch(self, training: Training, hyper: Hyper) -> BatchTraining:
        if training not in self._batches:
            size = fitting_size(training, hyper) if self.batch == "auto" else self.batch
            self._batches[training] = BatchTraining(training, size)
        return self._batches[training]

    def _is_smaller(self, training: Training, batch: BatchTraining, error: Exception) -> bool:
        """Whether a batch that does not fit into memory has been replaced by half of it."""
        if not is_out_of_memory(error) or batch.size == 1:
            return False
        size = batch.size // 2
        task = training.task.name
        LOG.warning("out of device memory: %s in batches of %d, not %d", task, size, batch.size)
        self._batches[training] = BatchTraining(training, size)
        return True
