"""A program as a torch.optim.Optimizer: one file that needs torch alone."""

from __future__ import annotations

import functools
import textwrap
from string import Template

from programs.export.arrays import TOTAL, Rule, rule_of
from programs.export.form import (
    MASK,
    Form,
    Origin,
    about,
    form_of,
    formula,
    has_other_decay,
    listed,
    provenance,
    tuple_of,
)
from programs.export.names import check_name, names_in
from programs.program import Program

_MODULE = Template('''"""An update rule as a torch.optim.Optimizer.

$formula

The rule computes in float32, or in the dtype of the parameters where that is wider, and keeps its
states so. eps is 1e-8.

$provenance

Example:

    optimizer = $name(model.parameters(), $example)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10_000)
    for inputs, targets in batches:
        optimizer.zero_grad()
        loss(model(inputs), targets).backward()
        optimizer.step()
        schedule.step()
"""

from __future__ import annotations

from collections.abc import Callable$generator
from typing import Any

import torch

STATES = $states
SCALARS = $scalars


def rule(
    $rule_signature
) -> $rule_result:
    """The update of one parameter, to be subtracted from it$and_states.
$explanation
    w, g and states: tensors of one shape. All others: numbers, tensors of shape [].
    """
$body
    return $outputs

$together
class $name(torch.optim.Optimizer):
    """The rule for all parameters; each hyperparameter may differ between parameter groups.

    Args:
      $arguments
    """

    def __init__(
        self,
        params: Any,
        $signature
    ) -> None:
        super().__init__(params, {
            $defaults
        })

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        super().add_param_group(param_group)
        for p in self.param_groups[-1]["params"]:
            if not p.is_floating_point():
                raise ValueError(f"an update rule is for real numbers, not for {p.dtype}")

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
$step
        return loss

    def _values(self, p: torch.Tensor, group: dict[str, Any]) -> list[torch.Tensor]:
        """What the rule takes for a parameter: copies and states in the dtype that it computes in.
        """
        if p.grad.is_sparse:
            raise RuntimeError("an update rule is for dense gradients, not for sparse ones")
        dtype, state = torch.promote_types(p.dtype, torch.float32), self.state[p]
        for name in STATES:
            if name not in state:
                state[name] = torch.zeros_like(p, dtype=dtype)
        scalars = (torch.as_tensor(group[name], dtype=dtype) for name in SCALARS)
        return [p.to(dtype), p.grad.to(dtype), *(state[name] for name in STATES), *scalars]

    def _take(self, p: torch.Tensor, update: torch.Tensor, *states: torch.Tensor) -> None:
        """Subtracts the update, which is rounded to the parameter's dtype, and keeps the states."""
        for name, value in zip(STATES, states):
            self.state[p][name].copy_(value)
        p.sub_(update)
$load''')

_TOGETHER = '''
def together(rules: list[Any]) -> list[Any]:
    """The results of rules that run side by side: what each yields is summed over all of them."""
    results: list[Any] = []
    totals: list[Any] = [None] * len(rules)
    while rules and not results:
        shares = []
        for rule, total in zip(rules, totals):
            try:
                shares.append(rule.send(total))
            except StopIteration as end:
                results.append(end.value)
        total = sum(share.to(shares[0].device) for share in shares)
        totals = [total.to(share.device) for share in shares]
    return results

'''

_APART = """        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self._take(p, *rule(*self._values(p, group)))"""

_SIDE_BY_SIDE = """        chosen = [
            (p, group)
            for group in self.param_groups
            for p in group["params"]
            if p.grad is not None
        ]
        results = together([rule(*self._values(p, group)) for p, group in chosen])
        for (p, _), result in zip(chosen, results):
            self._take(p, *result)"""

_YIELDS = """
    Where a number depends on all parameters, this one's share is yielded, and the sum over all of
    them is what it gets back.
"""

_LOAD = """
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)  # which rounds the states to the parameters' dtype
        numbers = [i for group in state_dict["param_groups"] for i in group["params"]]
        params = [p for group in self.param_groups for p in group["params"]]
        for number, p in zip(numbers, params):
            for name, value in state_dict["state"].get(number, {}).items():
                dtype = torch.promote_types(p.dtype, torch.float32)
                self.state[p][name] = value.to(device=p.device, dtype=dtype, copy=True)
"""


def to_torch(program: Program, name: str = "Rule", origin: Origin = Origin()) -> str:  # noqa: B008
    """Source of a module that defines the program as a torch optimizer, a class called `name`.

    Where the program reads the schedule value only to multiply it by a constant, its `lr` is the
    learning rate, as torch's own have it; else the schedule value, with a peak of 1.

    Raises:
      ProgramError: the name is no identifier or one that the module needs, or a function of the
        user's own cannot be written for torch.
    """
    needed = _needed()
    check_name(name, needed)
    form = form_of(program, needed={*needed, name}, merge_rate=True, masked=has_other_decay)
    return _source(form, rule_of(form, "torch"), name=name, origin=origin)


def _source(form: Form, rule: Rule, *, name: str, origin: Origin) -> str:
    rate = 1.0 if form.rate is None else form.rate
    signature = [f"lr: float | torch.Tensor = {rate!r}"]
    signature += ["*"] if len(rule.scalars) > 1 else []
    signature += [f"{h}: float = {value!r}" for h, value in form.parameters.items()]
    signature += [f"{mask}: bool = True" for mask in form.mask]
    tensors = ", ".join(("w", "g", *form.states))
    outputs = ("update", *form.states)
    return _MODULE.substitute(
        formula=formula(form),
        provenance=provenance(form, origin),
        name=name,
        example=f"lr={rate!r}",
        generator=", Generator" if rule.shared else "",
        states=tuple_of(form.states),
        scalars=tuple_of(rule.scalars),
        rule_signature="\n    ".join(
            f"{v}: torch.Tensor," for v in (*tensors.split(", "), *rule.scalars)
        ),
        rule_result=_result(rule),
        and_states=", and its new states" if form.states else "",
        explanation=_YIELDS if rule.shared else "",
        body="\n".join(f"    {line}" for line in rule.body),
        outputs=", ".join(outputs) + ("," if len(outputs) == 1 else ""),
        together=_TOGETHER if rule.shared else "",
        arguments=listed({"params": "parameters, or groups of them.", **about(form)}),
        signature="\n        ".join(f"{parameter}," for parameter in signature),
        defaults="\n            ".join(f'"{scalar}": {scalar},' for scalar in rule.scalars),
        step=_SIDE_BY_SIDE if rule.shared else _APART,
        load=_LOAD if form.states else "",
    )


def _result(rule: Rule) -> str:
    result = "tuple[torch.Tensor, ...]"
    return f"Generator[torch.Tensor, torch.Tensor, {result}]" if rule.shared else result


@functools.cache
def _needed() -> frozenset[str]:
    """Names that the module needs for itself."""
    texts = "formula provenance example generator explanation body together step load and_states"
    blank = dict.fromkeys(texts.split(), "") | {"name": "torch", "states": "()", "scalars": "()"}
    blank |= {"rule_signature": "", "rule_result": "int", "outputs": "", "arguments": ""}
    source = _MODULE.substitute(blank, signature="", defaults="")
    pieces = (_TOGETHER, textwrap.dedent(_APART), textwrap.dedent(_SIDE_BY_SIDE))
    names = names_in(source).union(*map(names_in, (*pieces, textwrap.dedent(_LOAD))))
    return frozenset(names | {"xp", "jnp", "jax", TOTAL, MASK, "Generator", "super"})
