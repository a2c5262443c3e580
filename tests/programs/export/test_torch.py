"""An exported torch optimizer is one like torch's own."""

import copy
import io

import numpy as np
import optax
import pytest

from programs import library, load, parse
from programs.export import to_torch
from tests.programs.export.trajectories import (
    TREES,
    by_the_table,
    by_torch,
    gradients,
    imported,
    noise,
)
from tests.strategies import random_programs

torch = pytest.importorskip("torch", reason="torch is not installed")

COMPILED = ("lion", "adamw", "lamb", "normalized_sgd", "program8", "sgd")


def exported(name, folder):
    return imported(to_torch(load(f"library:{name}")), folder).Rule


def model(seed=0, dtype=torch.float32):
    torch.manual_seed(seed)
    layers = torch.nn.Linear(3, 4), torch.nn.Tanh(), torch.nn.Linear(4, 2)
    return torch.nn.Sequential(*layers).to(dtype)


def train(net, optimizer, steps, after=lambda: None, first=0):
    for step in range(first, first + steps):
        [x] = noise([(8, 3)], np.float32, step)
        optimizer.zero_grad()
        (net(torch.tensor(x, dtype=next(net.parameters()).dtype)) ** 2).mean().backward()
        optimizer.step()
        after()
    return [p.detach().clone() for p in net.parameters()]


class LionByHand(torch.optim.Optimizer):
    """As the authors' release has it, and lion-pytorch: decay first, then the sign."""

    def __init__(self, params, lr, betas, weight_decay):
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                average = self.state[p].setdefault("exp_avg", torch.zeros_like(p))
                p.mul_(1 - group["lr"] * group["weight_decay"])
                update = average.clone().mul_(beta1).add(p.grad, alpha=1 - beta1).sign_()
                p.add_(update, alpha=-group["lr"])
                average.mul_(beta2).add_(p.grad, alpha=1 - beta2)


def assert_close(got, wanted, tolerance):
    for a, b in zip(got, wanted, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=tolerance)


def test_lion_is_that_of_lion_pytorch(tmp_path):
    one, other = model(dtype=torch.float64), model(dtype=torch.float64)
    ours = exported("lion", tmp_path)(one.parameters(), lr=1e-3, weight_decay=0.5)
    theirs = LionByHand(other.parameters(), 1e-3, (0.9, 0.99), 0.5)
    assert_close(train(one, ours, 200), train(other, theirs, 200), 1e-9)


def test_lion_is_that_of_the_package(tmp_path):
    package = pytest.importorskip("lion_pytorch", reason="lion-pytorch is not installed")
    one, other = model(dtype=torch.float64), model(dtype=torch.float64)
    ours = exported("lion", tmp_path)(one.parameters(), lr=1e-3, weight_decay=0.5)
    theirs = package.Lion(other.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=0.5)
    assert_close(train(one, ours, 200), train(other, theirs, 200), 1e-9)


def test_lion_is_that_of_optax(tmp_path):
    start = noise(TREES[0], np.float32, 1)
    source = to_torch(load("library:lion"))
    make = lambda module, params: module.Rule(params, lr=1e-2, weight_decay=0.1)
    theirs = optax.lion(1e-2, weight_decay=0.1)
    state = theirs.init(start)
    ours = by_torch(source, start, 50, tmp_path, make)
    w = start
    for step, got in enumerate(ours):
        updates, state = theirs.update(gradients(w, step), state, w)
        w = [np.asarray(x) for x in optax.apply_updates(w, updates)]
        for a, b in zip(got, w, strict=True):
            np.testing.assert_allclose(a, b, rtol=0, atol=1e-5)


def test_adamw_with_bias_correction_is_torchs(tmp_path):
    one, other = model(dtype=torch.float64), model(dtype=torch.float64)
    ours = exported("adamw_corrected", tmp_path)(one.parameters(), lr=1e-3, weight_decay=0.01)
    theirs = torch.optim.AdamW(other.parameters(), lr=1e-3, weight_decay=0.01)
    assert_close(train(one, ours, 200), train(other, theirs, 200), 1e-6)


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("sgd", lambda p: torch.optim.SGD(p, lr=0.1)),
        ("momentum", lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9)),
        ("nesterov", lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True)),
        ("adagrad", lambda p: torch.optim.Adagrad(p, lr=0.01, eps=1e-8)),
        ("rmsprop", lambda p: torch.optim.RMSprop(p, lr=0.001, alpha=0.9, eps=1e-8)),
    ],
)
def test_rules_that_torch_has_too(name, theirs, tmp_path):
    one, other = model(dtype=torch.float64), model(dtype=torch.float64)
    ours = exported(name, tmp_path)(one.parameters())
    assert_close(train(one, ours, 100), train(other, theirs(other.parameters()), 100), 1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("name", library())
def test_a_checkpoint_goes_on_as_if_nothing_had_been(name, dtype, tmp_path):
    rule, net = exported(name, tmp_path), model(dtype=dtype)
    optimizer = rule(net.parameters(), **({} if name == "sgd" else {"lr": 1e-3}))
    train(net, optimizer, 3)
    file = io.BytesIO()
    torch.save({"net": net.state_dict(), "optimizer": optimizer.state_dict()}, file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    again = model(1, dtype)
    again.load_state_dict(saved["net"])
    resumed = rule(again.parameters())
    resumed.load_state_dict(saved["optimizer"])
    for state in resumed.state.values():
        assert all(value.dtype == torch.float32 for value in state.values())
    assert_close(train(again, resumed, 3, first=3), train(net, optimizer, 3, first=3), 0)
    copied = copy.deepcopy(optimizer)
    assert copied.state_dict()["param_groups"] == optimizer.state_dict()["param_groups"]


def test_a_checkpoint_is_what_hooks_make_of_it(tmp_path):
    """What the last hook before returns is loaded, bit for bit; a hook after sees what was loaded."""
    rule, net = exported("lion", tmp_path), model(dtype=torch.bfloat16)
    optimizer = rule(net.parameters())
    train(net, optimizer, 2)
    resumed, seen = rule(net.parameters()), []

    def twice(_, given):
        states = {i: {"m": 2 * state["m"], "mine": 1} for i, state in given["state"].items()}
        return given | {"state": states}

    resumed.register_load_state_dict_pre_hook(twice)
    resumed.register_load_state_dict_post_hook(
        lambda loaded: seen.extend(state["m"] for state in loaded.state.values())
    )
    resumed.load_state_dict(optimizer.state_dict())
    wanted = [2 * state["m"] for state in optimizer.state.values()]
    assert_close(seen, wanted, 0)
    assert_close([state["m"] for state in resumed.state.values()], wanted, 0)
    resumed.load_state_dict(optimizer.state_dict())
    assert len(seen) == 2 * len(wanted)  # no hook of its own is left


@pytest.mark.parametrize("name", ["lion", "program8"])
def test_a_scheduler_changes_lr(name, tmp_path):
    """Against the program with the schedule value."""
    program, steps, peak = load(f"library:{name}"), 20, 1e-4 if name == "lion" else 1.0
    start = noise(TREES[0], np.float64, 1)

    def make(module, params):
        optimizer = module.Rule(params)
        assert optimizer.param_groups[0]["lr"] == peak
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step))
        optimizer.register_step_post_hook(lambda *_: scheduler.step())
        return optimizer

    ours = by_torch(to_torch(program), start, steps, tmp_path, make)
    wanted = by_the_table(program, start, steps, schedule=lambda step: 1 / (1 + step))
    for a, b in zip(ours, wanted, strict=True):
        for x, y in zip(a, b, strict=True):
            np.testing.assert_allclose(x, y, rtol=0, atol=1e-9)


def test_groups_have_hyperparameters_of_their_own(tmp_path):
    rule, one, other = exported("lion", tmp_path), model(), model()
    first, second = one[0].parameters(), one[2].parameters()
    together = rule([{"params": first, "lr": 1e-2, "weight_decay": 0.0}, {"params": second}])
    apart = rule(other[0].parameters(), lr=1e-2, weight_decay=0.0), rule(other[2].parameters())
    got = train(one, together, 5)
    for step in range(5):
        [x] = noise([(8, 3)], np.float32, step)
        other.zero_grad()
        (other(torch.tensor(x)) ** 2).mean().backward()
        for optimizer in apart:
            optimizer.step()
    assert_close(got, [p.detach() for p in other.parameters()], 0)


@pytest.mark.parametrize("name", ["normalized_sgd", "program8", "program5"])
def test_what_depends_on_all_parameters_counts_all_groups(name, tmp_path):
    rule, one, other = exported(name, tmp_path), model(), model()
    groups = rule([{"params": [p]} for p in one.parameters()])
    assert_close(train(one, groups, 5), train(other, rule(other.parameters()), 5), 1e-7)


def test_a_mask_where_no_hyperparameter_turns_the_decay_off(tmp_path):
    rule, one, other = exported("program8", tmp_path), model(), model()
    params = list(one.parameters())
    masked = rule([{"params": params[:1], "decay_mask": False}, {"params": params[1:]}])
    first, *others = train(one, masked, 1)
    decayed, *same = train(other, rule(other.parameters()), 1)
    assert_close(others, same, 0)
    assert not torch.equal(first, decayed)


def foreach_rules(folder):
    for name in library():
        source = to_torch(load(f"library:{name}"))
        if "foreach" in source:
            yield name, imported(source, folder).Rule


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_all_parameters_of_a_group_at_once(dtype, tmp_path):
    names = []
    for name, rule in foreach_rules(tmp_path):
        one, other = model(dtype=dtype), model(dtype=dtype)
        one[2].to(torch.float32), other[2].to(torch.float32)  # two dtypes in a group
        loops, lists = rule(one.parameters()), rule(other.parameters(), foreach=True)
        for step in range(10):
            for p, q in zip(one.parameters(), other.parameters()):
                [g] = noise([tuple(p.shape)], np.float32, step)
                p.grad = q.grad = torch.tensor(g, dtype=p.dtype)
            loops.step(), lists.step()
        for p, q in zip(one.parameters(), other.parameters()):
            torch.testing.assert_close(p, q, rtol=1e-6, atol=1e-6)
        names.append(name)
    assert {"lion", "adamw", "momentum", "signum"} <= set(names)


def test_constants_of_the_language_beside_lists(tmp_path):
    lines = ("a = get_pi()", "b = get_e()", "c = a * b", "d = get_eps()", "e = c + d")
    body = "\n  ".join((*lines, "update = g * e", "return update"))
    source = to_torch(parse(f"def train(w, g, lr):\n  {body}\n"))
    start = noise(TREES[0], np.float64, 1)
    loops = by_torch(source, start, 3, tmp_path)
    lists = by_torch(source, start, 3, tmp_path, lambda module, p: module.Rule(p, foreach=True))
    for a, b in zip(loops, lists, strict=True):
        np.testing.assert_allclose(np.concatenate(a, None), np.concatenate(b, None), rtol=1e-12)


@pytest.mark.parametrize("function, foreach", [("sign", False), ("sign", True), ("cbrt", False)])
def test_not_a_number_stays_so(function, foreach, tmp_path):
    program = parse(f"def train(w, g, lr):\n  update = {function}(g)\n  return update\n")
    rule = imported(to_torch(program), tmp_path).Rule
    p = torch.nn.Parameter(torch.zeros(6))
    grads = [np.nan, np.inf, -np.inf, -8.0, 0.0, 1e-30]
    p.grad = torch.tensor(grads)
    rule([p], **({"foreach": True} if foreach else {})).step()
    wanted = -getattr(np, function)(np.float32(grads))
    np.testing.assert_allclose(p.detach(), wanted, rtol=1e-5)


@pytest.fixture
def mesh():
    """One process as a mesh of one."""
    from torch import distributed
    from torch.distributed.device_mesh import init_device_mesh

    distributed.init_process_group("gloo", store=distributed.HashStore(), rank=0, world_size=1)
    yield init_device_mesh("cpu", (1,))
    distributed.destroy_process_group()


def test_sharded_parameters_are_updated_alike(mesh, tmp_path):
    """As DTensor, which is what FSDP2 makes of parameters, and which knows fewer calls for lists."""
    from torch.distributed.tensor import Shard, distribute_tensor

    shard = lambda x: distribute_tensor(x, mesh, [Shard(0)])
    [start, g] = (torch.tensor(x) for x in noise([(4, 2)] * 2, np.float32, 1))
    names = []
    for name, rule in foreach_rules(tmp_path):
        whole, sharded = torch.nn.Parameter(start.clone()), torch.nn.Parameter(shard(start.clone()))
        optimizers = [rule([p], foreach=True) for p in (whole, sharded)]
        for step in range(2):
            whole.grad, sharded.grad = g * (1 + step), shard(g * (1 + step))
            for optimizer in optimizers:
                optimizer.step()
        assert torch.equal(whole, sharded.full_tensor()), name
        names.append(name)
    assert {"lion", "adamw", "momentum", "signum"} <= set(names)


def test_lists_of_random_programs(tmp_path):
    found = 0
    for program in random_programs(60, seed=4):
        source = to_torch(program)
        if "foreach" not in source:
            continue
        runs = [
            by_torch(source, noise(TREES[0], np.float64, 1), 3, tmp_path, make)
            for make in (None, lambda module, params: module.Rule(params, foreach=True))
        ]
        for a, b in zip(*runs):
            for x, y in zip(a, b):
                np.testing.assert_allclose(x, y, rtol=1e-9, atol=1e-9, err_msg=str(program))
        found += 1
    assert found > 10


@pytest.mark.slow  # seconds of compilation each
@pytest.mark.parametrize("name", COMPILED)
def test_compiled(name, tmp_path):
    try:
        torch.compile(lambda x: x + 1)(torch.ones(1))
    except Exception as error:  # no compiler on this machine
        pytest.skip(f"torch.compile does not work here: {str(error)[:80]}")
    rule, one, other = exported(name, tmp_path), model(), model()
    compiled, plain = rule(one.parameters()), rule(other.parameters())
    compiled.step = torch.compile(compiled.step)
    assert_close(train(one, compiled, 3), train(other, plain, 3), 1e-6)


def test_parameters_without_gradients_are_left_alone(tmp_path):
    for name in ("adamw", "normalized_sgd"):
        net = model()
        net[2].weight.requires_grad_(False)
        before = net[2].weight.clone()
        optimizer = exported(name, tmp_path)(net.parameters())
        optimizer.step()  # no gradients at all
        train(net, optimizer, 2)
        assert torch.equal(net[2].weight, before)


def test_closures_named_parameters_and_half_precision(tmp_path):
    net = model(dtype=torch.bfloat16)
    optimizer = exported("lion", tmp_path)(net.named_parameters(), lr=torch.tensor(1e-2))
    assert optimizer.step(lambda: torch.tensor(3.0)) == 3
    train(net, optimizer, 2)
    assert {p.dtype for p in net.parameters()} == {torch.bfloat16}


def test_a_rule_that_reads_no_learning_rate_has_a_factor(tmp_path):
    program = parse("def train(w, g, lr):\n  update = sign(g)\n  return update\n")
    rule = imported(to_torch(program), tmp_path).Rule
    p = torch.nn.Parameter(torch.zeros(2))
    p.grad = torch.ones(2)
    rule([p], lr=0.25).step()
    assert p.tolist() == [-0.25, -0.25]
