"""The optimizers of optax that can be compared: one row each.

A row makes what turns a gradient into a direction. Weight decay and the rate follow for all rows
alike, decoupled as in AdamW: weights -= rate * schedule value * (direction + decay * weights). So a
row differs from another by its direction alone. Constants may be traced, so that one compilation
serves all their values.

The ranges are those that tuning draws from. They are wide enough that the best of the tasks of this
project lie inside; a comparison warns where one does not.

This file does not import optax: the process that starts workers reads it, and must stay without
JAX's threads. The rows get its module as their first argument.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Ends = tuple[float, float]
Constants = Mapping[str, Any]
"""A number by name, or what stands for one while a training for all of them is compiled."""

FACTORED = 8  # an array with two sides of this length or more has factored statistics in Adafactor


@dataclass(frozen=True)
class OptaxRow:
    """An optimizer of optax.

    direction: (optax's module, constants) -> the transformation of the gradient.
    space: the ends of each constant that is tuned; all rows have `rate` and `decay`.
    twin: the library program that computes the same, if there is one; it has the same ranges.
    ties: constants of the twin that have another's value.
    """

    direction: Callable[[Any, Constants], Any]
    space: Mapping[str, Ends]
    note: str
    twin: str | None = None
    ties: Mapping[str, str] = field(default_factory=dict)

    def optimizer(self, constants: Constants, schedule: Callable[[Any], Any]) -> Any:
        """The whole optimizer, on a schedule whose peak is 1."""
        import optax

        return optax.chain(
            self.direction(optax, constants),
            optax.add_decayed_weights(constants["decay"]),
            optax.scale_by_learning_rate(lambda step: constants["rate"] * schedule(step)),
        )


_FIRST = (0.1, 0.98)  # averages of the gradient, and momentum
_SECOND = (0.5, 0.999)  # averages of its square
_ADAM = {"rate": (3e-4, 0.3), "decay": (1e-4, 3.0)}
_SIGN = {"rate": (1e-4, 0.1), "decay": (1e-3, 10.0)}
_SGD = {"rate": (3e-3, 10.0), "decay": (1e-5, 0.3)}
_TWO = {"beta1": _FIRST, "beta2": _SECOND}


def _adafactor(optax: Any, c: Constants) -> Any:
    return optax.chain(
        optax.scale_by_factored_rms(min_dim_size_to_factor=FACTORED),
        optax.clip_by_block_rms(1.0),
        optax.ema(c["beta"], debias=False),
    )


def _by_signs(optax: Any, beta: Any, factor: Callable[[Any], Any]) -> Any:
    """The gradient times a factor of whether it agrees in sign with its average."""
    import jax
    import jax.numpy as jnp

    average = optax.ema(beta, debias=False)

    def update(gradient: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        m, state = average.update(gradient, state, params)
        scaled = jax.tree.map(lambda g, m: g * factor(jnp.sign(g) * jnp.sign(m)), gradient, m)
        return scaled, state

    return optax.GradientTransformation(average.init, update)


def _powersign(optax: Any, c: Constants) -> Any:
    import jax.numpy as jnp

    return _by_signs(optax, c["beta"], jnp.exp)


def _addsign(optax: Any, c: Constants) -> Any:
    return _by_signs(optax, c["beta"], lambda agree: agree + 1.0)


def _cautious(optax: Any, inner: Any) -> Any:
    """The inner direction where it agrees in sign with the gradient, else 0."""
    import jax
    import jax.numpy as jnp

    def update(gradient: Any, state: Any, params: Any = None) -> tuple[Any, Any]:
        direction, state = inner.update(gradient, state, params)
        kept = lambda u, g: jnp.where(u * g > 0, u, 0.0)
        return jax.tree.map(kept, direction, gradient), state

    return optax.GradientTransformation(inner.init, update)


def _lion(optax: Any, c: Constants) -> Any:
    return optax.scale_by_lion(c["beta1"], c["beta2"])


def _muon(optax: Any, c: Constants) -> Any:
    """Muon's direction has the sign and the rate of a whole optimizer in optax; both are undone."""
    return optax.chain(optax.contrib.muon(1.0, beta=c["beta"]), optax.scale(-1.0))


OPTAX: dict[str, OptaxRow] = {
    "adamw": OptaxRow(
        lambda optax, c: optax.scale_by_adam(c["beta1"], c["beta2"]),
        {**_ADAM, **_TWO},
        "with bias correction; Loshchilov and Hutter 2019",
        "library:adamw_corrected",
        {"c4": "beta1", "c6": "beta2"},
    ),
    "nadam": OptaxRow(
        lambda optax, c: optax.scale_by_adam(c["beta1"], c["beta2"], nesterov=True),
        {**_ADAM, **_TWO},
        "Adam with Nesterov momentum; Dozat 2016",
    ),
    "radam": OptaxRow(
        lambda optax, c: optax.scale_by_radam(c["beta1"], c["beta2"]),
        {**_ADAM, **_TWO},
        "rectified Adam; Liu et al. 2020",
    ),
    "amsgrad": OptaxRow(
        lambda optax, c: optax.scale_by_amsgrad(c["beta1"], c["beta2"]),
        {**_ADAM, **_TWO},
        "Adam over the largest second moment; Reddi et al. 2018",
    ),
    "adabelief": OptaxRow(
        lambda optax, c: optax.scale_by_belief(c["beta1"], c["beta2"]),
        {**_ADAM, **_TWO},
        "Adam over the deviation from the average; Zhuang et al. 2020",
    ),
    "rmsprop": OptaxRow(
        lambda optax, c: optax.scale_by_rms(c["beta"], eps=1e-8, eps_in_sqrt=False),
        {**_ADAM, "beta": _SECOND},
        "Tieleman and Hinton 2012",
        "library:rmsprop",
    ),
    "adafactor": OptaxRow(
        _adafactor,
        {**_ADAM, "beta": _FIRST},
        f"sides of {FACTORED} or more factored, clipped at 1, with momentum and without scaling by "
        "the weights; Shazeer and Stern 2018, as in Zhai et al. 2022",
    ),
    "lion": OptaxRow(
        _lion,
        {**_SIGN, **_TWO},
        "Chen et al. 2023",
        "library:lion",
    ),
    "cautious_lion": OptaxRow(
        lambda optax, c: _cautious(optax, _lion(optax, c)),
        {**_SIGN, **_TWO},
        "Lion's update where it agrees in sign with the gradient; Liang et al. 2024",
        "library:cautious_lion",
    ),
    "cautious_adamw": OptaxRow(
        lambda optax, c: _cautious(optax, optax.scale_by_adam(c["beta1"], c["beta2"])),
        {**_ADAM, **_TWO},
        "AdamW's update where it agrees in sign with the gradient; Liang et al. 2024",
    ),
    "signum": OptaxRow(
        lambda optax, c: optax.chain(optax.ema(c["beta"], debias=False), optax.scale_by_sign()),
        {**_SIGN, "beta": _FIRST},
        "sign of one-beta momentum; Bernstein et al. 2018",
        "library:signum",
    ),
    "sgd": OptaxRow(
        lambda optax, c: optax.identity(),
        _SGD,
        "without momentum",
        "library:sgd",
    ),
    "momentum": OptaxRow(
        lambda optax, c: optax.trace(c["momentum"]),
        {**_SGD, "momentum": _FIRST},
        "SGD with heavy-ball momentum; Polyak 1964",
        "library:momentum",
    ),
    "powersign": OptaxRow(
        _powersign,
        {**_SGD, "beta": _FIRST},
        "Bello et al. 2017",
        "library:powersign",
    ),
    "addsign": OptaxRow(
        _addsign,
        {**_SGD, "beta": _FIRST},
        "Bello et al. 2017",
        "library:addsign",
    ),
    "muon": OptaxRow(
        _muon,
        {"rate": (1e-3, 1.0), "decay": (1e-4, 3.0), "beta": (0.5, 0.98)},
        "orthogonal momentum of matrices, Adam for other arrays; Jordan et al. 2024",
    ),
}


def row_of_twin(program: str) -> OptaxRow | None:
    """The row that a library program is the twin of."""
    return next((row for row in OPTAX.values() if row.twin == program), None)
