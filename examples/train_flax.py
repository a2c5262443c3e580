"""A program as the optimizer of a flax model: `python examples/train_flax.py`.

Trains a small network on 8x8 digits with the rule in cautious_lion.py and, beside it, with AdamW.
"""

from pathlib import Path

import jax
import jax.numpy as jnp
import optax
from flax import nnx
from sklearn.datasets import load_digits

from programs import load
from programs.transform import as_optax

STEPS, BATCH, TRAIN = 300, 64, 1500


class Network(nnx.Module):
    def __init__(self, rngs: nnx.Rngs):
        self.hidden = nnx.Linear(64, 32, rngs=rngs)
        self.out = nnx.Linear(32, 10, rngs=rngs)

    def __call__(self, x: jax.Array) -> jax.Array:
        return self.out(nnx.relu(self.hidden(x)))


def loss(model: Network, x: jax.Array, y: jax.Array) -> jax.Array:
    return optax.softmax_cross_entropy_with_integer_labels(model(x), y).mean()


@nnx.jit
def train_step(model: Network, optimizer: nnx.Optimizer, x: jax.Array, y: jax.Array) -> None:
    gradient = nnx.grad(loss)(model, x, y)
    optimizer.update(model, gradient)


def accuracy_after_training(rule: optax.GradientTransformation) -> float:
    """Share of held-out digits that the network, trained with the rule, recognises."""
    images, labels = load_digits(return_X_y=True)
    images, labels = jnp.asarray(images / 16.0, jnp.float32), jnp.asarray(labels)
    model = Network(nnx.Rngs(0))
    optimizer = nnx.Optimizer(model, rule, wrt=nnx.Param)
    for key in jax.random.split(jax.random.key(0), STEPS):
        batch = jax.random.choice(key, TRAIN, (BATCH,), replace=False)
        train_step(model, optimizer, images[batch], labels[batch])
    return float(jnp.mean(jnp.argmax(model(images[TRAIN:]), axis=1) == labels[TRAIN:]))


def main() -> None:
    schedule = optax.cosine_decay_schedule(1.0, STEPS)
    rule = as_optax(load(str(Path(__file__).parent / "cautious_lion.py")), schedule=schedule)
    adamw = optax.adamw(optax.cosine_decay_schedule(0.01, STEPS))
    for name, optimizer in (("cautious_lion.py", rule), ("optax.adamw", adamw)):
        print(f"{name:<17} {accuracy_after_training(optimizer):.1%} of held-out digits right")


if __name__ == "__main__":
    main()
