"""What a user gives to an exported torch optimizer, and what it refuses."""

import pytest

from programs import parse
from programs.export import to_torch
from tests.programs.export.test_torch import exported, model
from tests.programs.export.trajectories import imported

torch = pytest.importorskip("torch", reason="torch is not installed")


def test_mistakes(tmp_path):
    rule = exported("lion", tmp_path)
    with pytest.raises(ValueError, match=r"for real numbers, not for torch\.complex64"):
        rule([torch.nn.Parameter(torch.ones(2, dtype=torch.complex64))])
    table = torch.nn.Embedding(4, 2, sparse=True)
    table(torch.tensor([1])).sum().backward()
    with pytest.raises(RuntimeError, match="for dense gradients"):
        rule(table.parameters()).step()


def test_a_refused_group_is_not_there(tmp_path):
    optimizer = exported("lion", tmp_path)(model().parameters())
    p = torch.nn.Parameter(torch.ones(2))
    for group in ({"params": [torch.ones(2, dtype=torch.long)]}, {"params": p, "beta1": "0.9"}):
        with pytest.raises(ValueError, match="real number"):
            optimizer.add_param_group(group)
        assert len(optimizer.param_groups) == 1
    optimizer.add_param_group({"params": p})
    assert optimizer.param_groups[1]["params"] == [p]


@pytest.mark.parametrize("wrong", ["0.01", None, 1j, (0.1, 0.2), torch.ones(2)])
def test_a_hyperparameter_of_a_wrong_kind(wrong, tmp_path):
    rule = exported("lion", tmp_path)
    for name in ("lr", "weight_decay"):
        with pytest.raises(ValueError, match=f"{name}: expected one real number, got"):
            rule(model().parameters(), **{name: wrong})


@pytest.mark.parametrize("foreach", [False, True])
def test_a_tensor_of_one_number_is_a_number(foreach, tmp_path):
    rule, p, q = exported("adamw", tmp_path), *(torch.nn.Parameter(torch.ones(())) for _ in "pq")
    p.grad = q.grad = torch.ones(())
    rule([p], lr=torch.full((1,), 0.25), foreach=foreach).step()
    rule([q], lr=0.25, foreach=foreach).step()
    assert p.shape == () and p == q


@pytest.mark.parametrize("foreach", [False, True])
def test_half_precision_is_rounded_once(foreach, tmp_path):
    """1 - 0.00585 is 255/256 in bfloat16, but 1 minus 0.00585 in bfloat16 is 254/256."""
    program = parse("def train(w, g, lr):\n  update = g * lr\n  return update\n")
    rule = imported(to_torch(program), tmp_path).Rule
    p = torch.nn.Parameter(torch.ones(1, dtype=torch.bfloat16))
    p.grad = torch.ones_like(p)
    rule([p], lr=0.00585, foreach=foreach).step()
    assert p == 255 / 256 and 1 - torch.tensor(0.00585).to(p.dtype) == 254 / 256
