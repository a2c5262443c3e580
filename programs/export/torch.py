"""A program as a torch.optim.Optimizer: one file that needs torch alone."""

from __future__ import annotations

import functools
import textwrap
from collections.abc import Sequence
from string import Template

from programs.export import form as forms
from programs.export.arrays import TOTAL, Rule, rule_of
from programs.export.foreach import foreach_body
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

$foreach$together
def _dtype(p: torch.Tensor) -> torch.dtype:
    """What the rule computes in for a parameter."""
    return torch.promote_types(p.dtype, torch.float32)


def _scalars(group: dict[str, Any]) -> dict[torch.dtype, list[torch.Tensor]]:
    """The hyperparameters of a group, as numbers of each dtype that is computed in."""
    dtypes = dict.fromkeys(_dtype(p) for p in group["params"])
    numbers = [group[name] for name in SCALARS]
    return {d: [torch.as_tensor(x, dtype=d).reshape(()) for x in numbers] for d in dtypes}


def _mistake(group: dict[str, Any]) -> str:
    """What is wrong with the parameters or the hyperparameters of a group, or nothing."""
    for p in group["params"]:
        if not p.is_floating_point():
            return f"an update rule is for real numbers, not for {p.dtype}"
    for name in SCALARS:
        try:
            number = torch.as_tensor(group[name])
        except (TypeError, ValueError, RuntimeError):
            number = torch.empty(0)  # none at all
        if number.numel() != 1 or number.is_complex():
            return f"{name}: expected one real number, got {group[name]!r}"
    return ""


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
        super().add_param_group(param_group)  # which makes lists of names, tensors and generators
        if mistake := _mistake(self.param_groups[-1]):
            self.param_groups.pop()
            raise ValueError(mistake)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
$step
        return loss

    def _values(self, p: torch.Tensor) -> list[torch.Tensor]:
        """The parameter, its gradient and its states, in the dtype that the rule computes in."""
        if p.grad.is_sparse:
            raise RuntimeError("an update rule is for dense gradients, not for sparse ones")
        dtype, state = _dtype(p), self.state[p]
        for name in STATES:
            if name not in state:
                state[name] = torch.zeros_like(p, dtype=dtype)
        return [p.to(dtype), p.grad.to(dtype), *(state[name] for name in STATES)]

    def _take(self, p: torch.Tensor, update: torch.Tensor, *states: torch.Tensor) -> None:
        """Subtracts the update, rounds the difference to the parameter's dtype, keeps states."""
        for name, value in zip(STATES, states):
            self.state[p][name].copy_(value)
        p.sub_(update)
$in_lists$load''')

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
            scalars = _scalars(group)
            for p in group["params"]:
                if p.grad is not None:
                    self._take(p, *rule(*self._values(p), *scalars[_dtype(p)]))"""

_APART_OR_IN_LISTS = """        for group in self.param_groups:
            scalars = _scalars(group)
            params = [p for p in group["params"] if p.grad is not None]
            if group["foreach"]:
                self._step_in_lists(params, scalars)
                continue
            for p in params:
                self._take(p, *rule(*self._values(p), *scalars[_dtype(p)]))"""

_FOREACH_RULE = Template('''
def rule_foreach($arguments):
    """The same for lists of tensors, by torch's calls that take all of them at once."""
$body
    return $outputs

''')

_IN_LISTS = """
    def _step_in_lists(
        self, params: list[Any], scalars: dict[torch.dtype, list[torch.Tensor]]
    ) -> None:
        alike: dict[Any, list[Any]] = {}
        for p in params:
            alike.setdefault((p.dtype, p.device), []).append(p)
        for (_, device), some in alike.items():
            lists = [list(column) for column in zip(*map(self._values, some))]
            numbers = [number.to(device) for number in scalars[_dtype(some[0])]]
            update, *states = rule_foreach(*lists, *numbers)
            for name, values in zip(STATES, states):
                kept = [self.state[p][name] for p in some]
                if all(type(value) is torch.Tensor for value in values):
                    torch._foreach_copy_(kept, values)
                else:  # DTensor, as FSDP2 has it, knows no such call
                    for old, value in zip(kept, values):
                        old.copy_(value)
            torch._foreach_sub_(some, update)
"""

_SIDE_BY_SIDE = """        chosen = [
            (p, group)
            for group in self.param_groups
            for p in group["params"]
            if p.grad is not None
        ]
        scalars = {id(group): _scalars(group) for group in self.param_groups}
        results = together(
            [rule(*self._values(p), *scalars[id(group)][_dtype(p)]) for p, group in chosen]
        )
        for (p, _), result in zip(chosen, results):
            self._take(p, *result)"""

_YIELDS = """
    Where a number depends on all parameters, this one's share is yielded, and the sum over all of
    them is what it gets back.
"""

_LOAD = """
    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        given: list[dict[str, Any]] = []  # what the hooks that are there before make of it
        hooks = (
            self.register_load_state_dict_pre_hook(lambda _, last: given.append(last)),
            self.register_load_state_dict_post_hook(lambda _: self._widen(given[-1]), prepend=True),
        )
        try:
            super().load_state_dict(state_dict)
        finally:
            for hook in hooks:
                hook.remove()

    def _widen(self, state_dict: dict[str, Any]) -> None:
        \"\"\"Takes the states once more, which torch has rounded to the parameters' dtype.\"\"\"
        numbers = [i for group in state_dict["param_groups"] for i in group["params"]]
        params = [p for group in self.param_groups for p in group["params"]]
        for number, p in zip(numbers, params):
            for name, value in state_dict["state"].get(number, {}).items():
                if name in STATES:
                    self.state[p][name] = value.to(device=p.device, dtype=_dtype(p), copy=True)
"""


def to_torch(
    program: Program,
    name: str = "Rule",
    origin: forms.Origin = forms.Origin(),  # noqa: B008
) -> str:
    """Source of a module that defines the program as a torch optimizer, a class called `name`.

    Where the program reads the schedule value only to multiply it by a constant, its `lr` is the
    learning rate, as torch's own have it; else the schedule value, with a peak of 1.

    Raises:
      ProgramError: the name is no identifier or one that the module needs, or a function of the
        user's own cannot be written for torch.
    """
    needed = _needed()
    check_name(name, needed)
    form = forms.form_of(
        program, needed={*needed, name}, merge_rate=True, masked=forms.has_other_decay
    )
    return _source(form, rule_of(form, "torch"), name=name, origin=origin)


def _source(form: forms.Form, rule: Rule, *, name: str, origin: forms.Origin) -> str:
    rate = 1.0 if form.rate is None else form.rate
    signature = [f"lr: float | torch.Tensor = {rate!r}"]
    lists = foreach_body(form, rule)
    options = [*rule.scalars, *(["foreach"] if lists else [])]
    signature += ["*"] if len(options) > 1 else []
    signature += [f"{h}: float = {value!r}" for h, value in form.parameters.items()]
    signature += [f"{mask}: bool = True" for mask in form.mask]
    signature += ["foreach: bool = False"] if lists else []
    tensors = ", ".join(("w", "g", *form.states))
    return _MODULE.substitute(
        formula=forms.formula(form),
        provenance=forms.provenance(form, origin),
        name=name,
        example=f"lr={rate!r}",
        generator=", Generator" if rule.shared else "",
        states=forms.tuple_of(form.states),
        scalars=forms.tuple_of(rule.scalars),
        rule_signature="\n    ".join(
            f"{v}: torch.Tensor," for v in (*tensors.split(", "), *rule.scalars)
        ),
        rule_result=_result(rule),
        and_states=", and its new states" if form.states else "",
        explanation=_YIELDS if rule.shared else "",
        body="\n".join(f"    {line}" for line in rule.body),
        outputs=_outputs(form),
        together=_TOGETHER if rule.shared else "",
        arguments=forms.listed(_arguments(form, lists)),
        signature="\n        ".join(f"{parameter}," for parameter in signature),
        defaults="\n            ".join(f'"{option}": {option},' for option in options),
        step=_SIDE_BY_SIDE if rule.shared else _APART_OR_IN_LISTS if lists else _APART,
        foreach=_foreach(form, rule, lists),
        in_lists=_IN_LISTS if lists else "",
        load=_LOAD if form.states else "",
    )


def _outputs(form: forms.Form) -> str:
    return ", ".join(("update", *form.states)) + ("" if form.states else ",")


def _foreach(form: forms.Form, rule: Rule, lists: Sequence[str]) -> str:
    if not lists:
        return ""
    return _FOREACH_RULE.substitute(
        arguments=", ".join(("w", "g", *form.states, *rule.scalars)),
        body="\n".join(f"    {line}" for line in lists),
        outputs=_outputs(form),
    )


def _arguments(form: forms.Form, lists: Sequence[str]) -> dict[str, str]:
    found = {"params": "parameters, or groups of them.", **forms.about(form)}
    if lists:
        found["foreach"] = "whether parameters are updated together: faster on GPUs, more memory."
    return found


def _result(rule: Rule) -> str:
    result = "tuple[torch.Tensor, ...]"
    return f"Generator[torch.Tensor, torch.Tensor, {result}]" if rule.shared else result


@functools.cache
def _needed() -> frozenset[str]:
    """Names that the module needs for itself."""
    texts = "formula provenance example generator explanation body together step load and_states"
    texts += " foreach in_lists"
    blank = dict.fromkeys(texts.split(), "") | {"name": "torch", "states": "()", "scalars": "()"}
    blank |= {"rule_signature": "", "rule_result": "int", "outputs": "", "arguments": ""}
    source = _MODULE.substitute(blank, signature="", defaults="")
    pieces = (_TOGETHER, _APART, _APART_OR_IN_LISTS, _SIDE_BY_SIDE, _IN_LISTS, _LOAD)
    names = names_in(source).union(*(names_in(textwrap.dedent(piece)) for piece in pieces))
    others = {"xp", "jnp", "jax", TOTAL, forms.MASK, "Generator", "super"}
    return frozenset(names | others | {"rule_foreach", "foreach"})
