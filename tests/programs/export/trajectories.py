"""Two hundred steps of a program: by the table of functions, and by what was exported."""

import importlib.util
import sys
from itertools import count

import numpy as np

from programs import analyse, live_across_steps
from programs.execute import Tree, Value, interpret
from programs.functions import FUNCTIONS
from programs.kinds import Kind
from programs.program import OUTPUT

TREES = (((3, 2), (4,), ()), ((5,),), ((2, 0), (3,), (1, 1, 1)))
_number = count()


def imported(source, folder):
    """The module of a source."""
    path = folder / f"exported{next(_number)}.py"
    path.write_text(source)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # where dataclasses look for annotations
    spec.loader.exec_module(module)
    return module


class _TreeOf(Tree):
    """The functions in numpy at another precision than float32; disturb: draws by what last bits
    each statement's result is off, as those of two libraries are."""

    def __init__(self, dtype, disturb=None):
        super().__init__(np)
        self.dtype, self.disturb = dtype, disturb

    def constant(self, number):
        return Value(Kind.SCALAR, (self.dtype(number),))

    def apply(self, function, arguments):
        if not FUNCTIONS[function].arity:
            [number] = ({"get_pi": np.pi, "get_e": np.e, "get_eps": 1e-8}[function],)
            return self.constant(number)
        result = super().apply(function, arguments)
        if self.disturb is None:
            return result
        return Value(result.kind, tuple(self._disturbed(x) for x in result.leaves))

    def _disturbed(self, x):
        off = self.disturb.integers(-2, 3, np.shape(x)) * np.finfo(self.dtype).eps
        return np.asarray(x * (1 + off), self.dtype)


def noise(shapes, dtype, step):
    rng = np.random.default_rng(step)
    return [np.asarray(rng.normal(size=shape), dtype) for shape in shapes]


def gradients(w, step):
    """Those of a noisy quadratic."""
    return [
        (0.1 * x + 0.3 * y).astype(x.dtype)
        for x, y in zip(w, noise([x.shape for x in w], w[0].dtype, step))
    ]


def by_the_table(program, w, steps, *, schedule=lambda step: 1.0, disturb=None):
    """The weights after each step."""
    program, dtype = live_across_steps(program), w[0].dtype.type
    tree, states = _TreeOf(dtype, disturb), [[np.zeros_like(x) for x in w] for _ in program.states]
    for step in range(steps):
        trees = [Value(Kind.TENSOR, tuple(leaves)) for leaves in (w, gradients(w, step), *states)]
        lr = Value(Kind.SCALAR, (dtype(schedule(step)),))
        variables = dict(zip(program.inputs, [*trees, lr]))
        with np.errstate(all="ignore"):
            interpret(program, variables, constant=tree.constant, apply=tree.apply)
            w = [np.asarray(x - u) for x, u in zip(w, variables[OUTPUT].leaves)]
        states = [variables[name].leaves for name in program.states]
        yield w


def by_numpy(source, w, steps, folder):
    rule = imported(source, folder).Rule()
    params = {str(i): x for i, x in enumerate(w)}
    state = rule.init(params)
    for step in range(steps):
        g = gradients(list(params.values()), step)
        params, state = rule.step(params, dict(zip(params, g)), state)
        yield list(params.values())


def by_optax(source, w, steps, folder):
    import jax

    optimizer = imported(source, folder).rule()

    @jax.jit
    def step(w, g, state):
        updates, state = optimizer.update(g, state, w)
        return [x + u for x, u in zip(w, updates)], state

    state = optimizer.init(w)
    for i in range(steps):
        w, state = step(w, gradients(w, i), state)
        w = [np.asarray(x) for x in w]
        yield w


def by_torch(source, w, steps, folder, make=None):
    """make: the optimizer of parameters; by default one with a single group."""
    import torch

    module = imported(source, folder)
    params = [torch.nn.Parameter(torch.tensor(x)) for x in w]
    optimizer = (make or (lambda module, params: module.Rule(params)))(module, params)
    for step in range(steps):
        now = [np.array(p.detach()) for p in params]
        for p, g in zip(params, gradients(now, step)):
            p.grad = torch.tensor(g)
        optimizer.step()
        yield [np.array(p.detach()) for p in params]


TOLERANCE = {np.float32: 1e-4, np.float64: 1e-6}


def compared(program, engine, dtype, shapes=TREES[0], steps=200):
    """Compares step by step, to TOLERANCE of the way that the weights went and of their rounding.

    engine: (weights, steps) -> the weights after each step.

    Returns:
      How many steps were comparable: until numbers are not finite, or last bits of the statements'
      results make another trajectory.
    """
    analyse(program)
    start = noise(shapes, dtype, 10**6)
    unit = np.finfo(dtype).eps
    disturb = np.random.default_rng(0)
    tolerance, longest = TOLERANCE[dtype], max(1.0, *(abs(x).max(initial=0) for x in start))
    alike = by_the_table(program, start, steps, disturb=disturb)
    runs = by_the_table(program, start, steps), alike
    for step, (wanted, near, got) in enumerate(zip(*runs, engine(start, steps), strict=True)):
        sizes = [abs(x).max(initial=0) for x in (*wanted, *near)]
        if not np.isfinite(sizes).all():
            return step
        longest = max(longest, *sizes)
        way = max(abs(a - b).max(initial=0) for a, b in zip(wanted, start))
        allowed = tolerance * way + 4 * (step + 1) * unit * longest
        if max(abs(a - b).max(initial=0) for a, b in zip(wanted, near)) > allowed / 4:
            return step
        for a, b in zip(got, wanted, strict=True):
            assert a.dtype == dtype and a.shape == b.shape
            np.testing.assert_allclose(a, b, rtol=0, atol=allowed, err_msg=f"{step}\n{program}")
    return steps
