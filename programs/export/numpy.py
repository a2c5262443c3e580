"""A program as two functions on numpy arrays: one file that needs numpy alone."""

from __future__ import annotations

import functools
from string import Template

from programs.export import form as forms
from programs.export.arrays import TOTAL, Rule, rule_of
from programs.export.names import check_name, names_in
from programs.program import Program

_MODULE = Template('''"""An update rule in numpy.

$formula

The rule computes in float32, or in the dtype of the parameters where that is wider, and keeps its
states so. eps is 1e-8.

$provenance

Example:

    optimizer = $name($example)
    state = optimizer.init(params)  # {"weights": array, "bias": array, ...}
    for step in range(1000):
        params, state = optimizer.step(params, gradients(params), state)
"""

from collections.abc import $abstract
from dataclasses import dataclass
from typing import Any

import numpy as np

STATES = $states
Params = Mapping[str, np.ndarray]
State = dict[str, tuple[np.ndarray, ...]]


def rule(
    $rule_signature
) -> $rule_result:
    """The update of one array, to be subtracted from it$and_states.
$explanation
    w, g and states: arrays of one shape. All others: numbers.
    """
$body
    return $outputs

$together
@dataclass(frozen=True)
class $name:
    """The rule for all arrays; `dataclasses.replace` gives it other hyperparameters.

    Attributes:
      $arguments
    """

    $fields

    def init(self, params: Params) -> State:
        """The states of each array: zeros."""
        return {
            key: tuple(np.zeros(np.shape(p), _dtype(key, p)) for _ in STATES)
            for key, p in params.items()
        }

    @np.errstate(all="ignore")  # as on accelerators, infinities and NaN are numbers like any other
    def step(self, params: Params, grads: Params, state: State) -> tuple[Params, State]:
        """The parameters and states after one step; grads: the gradient of each array."""
        rules = [rule(*self._values(key, p, grads[key], state[key])) for key, p in params.items()]
        new_params, new_state = {}, {}
        for (key, p), (update, *states) in zip(params.items(), $results):
            new_params[key] = np.asarray(p - update, p.dtype)
            new_state[key] = tuple(np.asarray(s) for s in states)
        return new_params, new_state

    def _values(
        self, key: str, p: np.ndarray, g: np.ndarray, states: tuple[np.ndarray, ...]
    ) -> list[Any]:
        """What the rule takes for an array, in the dtype that it computes in."""
        if np.shape(g) != np.shape(p):
            raise ValueError(f"the gradient of {key!r} has shape {np.shape(g)}, not {np.shape(p)}")
        if np.iscomplexobj(g):
            raise ValueError(f"the gradient of {key!r} is complex; a rule is for real numbers")
        numbers = ($numbers)
        return [np.asarray(x, _dtype(key, p)) for x in (p, g, *states, *numbers)]


def _dtype(key: str, p: np.ndarray) -> np.dtype[Any]:
    if not np.issubdtype(p.dtype, np.floating):
        raise ValueError(f"an update rule is for real numbers, but {key!r} is {p.dtype}")
    return np.result_type(p.dtype, np.float32)
''')

TOGETHER = '''
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
        total = sum(shares)
        totals = [np.asarray(total, share.dtype) for share in shares]  # each array keeps its dtype
    return results

'''

_YIELDS = """
    Where a number depends on all arrays, this one's share is yielded, and the sum over all of them
    is what it gets back.
"""

_NO_DECAY = "no_decay"


def to_numpy(
    program: Program,
    name: str = "Rule",
    origin: forms.Origin = forms.Origin(),  # noqa: B008
) -> str:
    """Source of a module that defines the program in numpy, as a frozen class called `name`.

    `lr` is the learning rate or the schedule value, as in `to_torch`.

    Raises:
      ProgramError: the name is no identifier or one that the module needs, or a function of the
        user's own cannot be written in numpy.
    """
    needed = _needed()
    check_name(name, needed)
    form = forms.form_of(program, needed={*needed, name}, merge_rate=True, masked=forms.has_decay)
    return _source(form, rule_of(form, "np"), name=name, origin=origin)


def _source(form: forms.Form, rule: Rule, *, name: str, origin: forms.Origin) -> str:
    rate = 1.0 if form.rate is None else form.rate
    fields = [
        f"{h}: float = {value!r}" for h, value in {forms.RATE: rate, **form.parameters}.items()
    ]
    descriptions, numbers = forms.about(form), [f"self.{h}" for h in (forms.RATE, *form.parameters)]
    if form.mask:
        fields.append(f"{_NO_DECAY}: frozenset[str] = frozenset()")
        numbers.append(f"key not in self.{_NO_DECAY}")
        descriptions = {k: v for k, v in descriptions.items() if k != forms.MASK}
        descriptions[_NO_DECAY] = "the arrays without weight decay, by name."
    arrays = ("w", "g", *form.states)
    outputs = ("update", *form.states)
    result = "tuple[Any, ...]"
    return _MODULE.substitute(
        formula=forms.formula(form),
        provenance=forms.provenance(form, origin),
        name=name,
        example=f"lr={rate!r}",
        abstract="Generator, Mapping" if rule.shared else "Mapping",
        states=forms.tuple_of(form.states),
        rule_signature="\n    ".join(f"{v}: Any," for v in (*arrays, *rule.scalars)),
        rule_result=f"Generator[Any, Any, {result}]" if rule.shared else result,
        and_states=", and its new states" if form.states else "",
        explanation=_YIELDS if rule.shared else "",
        body="\n".join(f"    {line}" for line in rule.body),
        outputs=", ".join(outputs) + ("," if len(outputs) == 1 else ""),
        together=TOGETHER if rule.shared else "",
        arguments=forms.listed(descriptions),
        fields="\n    ".join(fields),
        results="together(rules)" if rule.shared else "rules",
        numbers=", ".join(numbers) + ("," if len(numbers) == 1 else ""),
    )


@functools.cache
def _needed() -> frozenset[str]:
    """Names that the module needs for itself."""
    texts = (
        "formula provenance example explanation body together and_states arguments rule_signature"
    )
    blank = dict.fromkeys(texts.split(), "") | {"name": "np", "states": "()", "numbers": ""}
    source = _MODULE.substitute(
        blank, rule_result="int", outputs="", fields="", results="rules", abstract="Mapping"
    )
    names = names_in(source) | names_in(TOGETHER)
    return frozenset(names | {"xp", "jnp", "jax", TOTAL, forms.MASK, _NO_DECAY, "Generator"})
