"""Statements that a compiler cannot see through: the compiled engine computes what they say.

Under `jit` a whole program is one computation, and XLA and LLVM rewrite it across its statements:
log(exp(x)) becomes x, (x * c) * d becomes x * (c * d), a division by a constant a multiplication,
a constant is folded with other subnormals than the hardware's, a product and a sum become one
rounding. Each is right for real numbers and another program for float32, where exp(1e-8) is 1 and
1e25 * 1e25 infinite. The interpreter, whose statements are branches of their own, does none of it.

So in the compiled engine every value, input and constant is replaced by itself with its bits
exclusive-or'd with a zero that is data: nothing changes, and the compiler cannot know that. What is
left is equal to the interpreter bit for bit, but for the order of sums and a last bit of `interp`.
It costs up to 5 % of a training step on the proxy tasks (AdamW, 10 live statements: ratios 1.05 on
vision_mlp and vision_vit, 0.98 on language_transformer, by scripts/bench evaluate), because the
statements are fused into the same loops as before. A `jax.lax.optimization_barrier` around every
value is as fast and stops XLA, but is gone when LLVM contracts products and sums.
"""

from __future__ import annotations

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax

from programs.execute import Tree, Value


def zero_from(count: jax.Array) -> jax.Array:
    """The int32 0, in a way that only a run can tell: `count` is never negative.

    The barrier is for a first step that is compiled with its initial state, where the count is a
    constant.
    """
    barrier: Callable[[jax.Array], jax.Array] = lax.optimization_barrier  # JAX gives it no types
    return barrier(jnp.minimum(count, 0))


@jax.custom_jvp
def isolated(x: jax.Array, zero: jax.Array) -> jax.Array:
    """The float32 x, bit for bit, opaque to the compiler; its derivative is that of x."""
    bits = lax.bitcast_convert_type(x, jnp.int32)
    return lax.bitcast_convert_type(bits ^ zero, jnp.float32)


isolated.defjvps(lambda tangent, _, *primals: tangent, None)


class IsolatedTree(Tree):
    """How functions run on values of JAX arrays, each result isolated from what comes after."""

    def __init__(self, zero: jax.Array):
        super().__init__(jnp)
        self.zero = zero

    def isolate(self, value: Value) -> Value:
        return Value(value.kind, tuple(isolated(leaf, self.zero) for leaf in value.leaves))

    def constant(self, number: float) -> Value:
        return self.isolate(super().constant(number))

    def apply(self, function: str, arguments: list[Value]) -> Value:
        return self.isolate(super().apply(function, arguments))
