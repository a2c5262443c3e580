"""A user-defined function. Give this file to a command by `--functions-file`."""

from programs import Function, register

register(
    Function(
        "softplus",
        1,
        lambda xp, x: xp.maximum(x, 0) + xp.log1p(xp.exp(-xp.abs(x))),
        source="jnp.maximum({0}, 0) + jnp.log1p(jnp.exp(-jnp.abs({0})))",
        array_source="{0}.clip(min=0) + xp.log1p(xp.exp(-xp.abs({0})))",
        properties=frozenset({"nonnegative"}),
    )
)
