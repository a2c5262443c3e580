"""Convolutional networks of the built-in tasks, in flax.

B batch, H height and width of an image, C channels.
"""

from __future__ import annotations

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp

AVERAGING = 0.9  # per step, of batch normalization's averages: trainings are a few hundred steps


class ResNet(nn.Module):
    """ResNet of basic blocks (He et al. 2016): images [B, H, H, C] -> logits [B, classes].

    Of three stages, each with half of the side and twice the channels of the one before; the first
    layer is a 3x3 convolution, as the paper has it for images of 32x32.

    blocks: of each stage. width: channels of the first stage. training: whether batch
      normalization takes its means from the batch, and updates its averages.
    """

    blocks: int
    width: int
    classes: int

    @nn.compact
    def __call__(self, images: jax.Array, training: bool = False) -> jax.Array:
        norm = partial(nn.BatchNorm, use_running_average=not training, momentum=AVERAGING)
        x = nn.Conv(self.width, (3, 3), use_bias=False, name="input")(images)
        x = nn.relu(norm(name="norm")(x))
        for stage in range(3):
            for block in range(self.blocks):
                name, stride = f"{stage}_{block}", 2 if stage and not block else 1
                channels = self.width << stage
                conv = partial(nn.Conv, channels, use_bias=False)
                y = conv((3, 3), stride, name=f"conv_{name}_a")(x)
                y = nn.relu(norm(name=f"norm_{name}_a")(y))
                y = conv((3, 3), name=f"conv_{name}_b")(y)
                # From zero: each block begins as the identity (Goyal et al. 2017).
                y = norm(name=f"norm_{name}_b", scale_init=nn.initializers.zeros)(y)
                if x.shape != y.shape:
                    x = norm(name=f"norm_{name}_skip")(
                        conv((1, 1), stride, name=f"conv_{name}_skip")(x)
                    )
                x = nn.relu(x + y)
        return nn.Dense(self.classes, name="output")(jnp.mean(x, axis=(1, 2)))
