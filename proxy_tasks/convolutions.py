"""Convolutional networks of the built-in tasks, in flax.

B batch, H height and width of an image, C channels.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp

AVERAGING = 0.9  # per step, of batch normalization's averages: trainings are a few hundred steps


class Conv(nn.Module):
    """flax.linen.Conv with padding size // 2, of the same weights: [B, H, H, C] -> [B, H', H', C'].

    Computed as a product of matrices, whose rows are neighbourhoods: within a loop, as a training
    is one, XLA takes 9 times as long for a convolution on a CPU.
    """

    channels: int
    size: int = 3
    stride: int = 1
    use_bias: bool = False
    kernel_init: Any = nn.initializers.lecun_normal()

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        batch, side, _, channels = x.shape
        shape = (self.size, self.size, channels, self.channels)
        kernel = self.param("kernel", self.kernel_init, shape, jnp.float32)
        edge = self.size // 2
        x = jnp.pad(x, ((0, 0), (edge, edge), (edge, edge), (0, 0)))
        shifts = [slice(i, i + side, self.stride) for i in range(self.size)]
        x = jnp.concatenate([x[:, i, j] for i in shifts for j in shifts], axis=-1)
        side = x.shape[1]
        y: jax.Array = x.reshape(batch * side * side, -1) @ kernel.reshape(-1, self.channels)
        if self.use_bias:
            y += self.param("bias", nn.initializers.zeros, (self.channels,), jnp.float32)
        return y.reshape(batch, side, side, self.channels)


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
        x = Conv(self.width, name="input")(images)
        x = nn.relu(norm(name="norm")(x))
        for stage in range(3):
            for block in range(self.blocks):
                name, stride = f"{stage}_{block}", 2 if stage and not block else 1
                channels = self.width << stage
                y = Conv(channels, 3, stride, name=f"conv_{name}_a")(x)
                y = nn.relu(norm(name=f"norm_{name}_a")(y))
                y = Conv(channels, name=f"conv_{name}_b")(y)
                # From zero: each block begins as the identity (Goyal et al. 2017).
                y = norm(name=f"norm_{name}_b", scale_init=nn.initializers.zeros)(y)
                if x.shape != y.shape:
                    x = Conv(channels, 1, stride, name=f"conv_{name}_skip")(x)
                    x = norm(name=f"norm_{name}_skip")(x)
                x = nn.relu(x + y)
        return nn.Dense(self.classes, name="output")(jnp.mean(x, axis=(1, 2)))


class UNet(nn.Module):
    """Denoiser of one level (Ho et al. 2020, much smaller): images [B, H, H, C], times [B] from 0
    to 1 -> noise [B, H, H, C]. H is even. It begins as 0.

    width: channels; twice as many at half of the side.
    """

    width: int

    @nn.compact
    def __call__(self, images: jax.Array, times: jax.Array) -> jax.Array:
        waves = 1000.0 * times[:, None] * jnp.exp(-jnp.linspace(0.0, 7.0, self.width))
        time = jnp.concatenate([jnp.sin(waves), jnp.cos(waves)], axis=1)
        time = nn.silu(nn.Dense(2 * self.width, name="time")(time))
        x = Conv(self.width, use_bias=True, name="input")(images)
        fine = _Residual(self.width, name="down")(x, time)
        x = Conv(2 * self.width, 3, 2, use_bias=True, name="to_half")(fine)
        x = _Residual(2 * self.width, name="middle")(x, time)
        x = jnp.repeat(jnp.repeat(x, 2, axis=1), 2, axis=2)
        x = _Residual(self.width, name="up")(jnp.concatenate([x, fine], axis=-1), time)
        x = nn.silu(_norm("norm")(x))
        zeros = nn.initializers.zeros
        return Conv(images.shape[-1], use_bias=True, kernel_init=zeros, name="output")(x)


class _Residual(nn.Module):
    """Two convolutions, told the time [B, T] between them."""

    width: int

    @nn.compact
    def __call__(self, x: jax.Array, time: jax.Array) -> jax.Array:
        y = Conv(self.width, use_bias=True, name="conv_a")(nn.silu(_norm("norm_a")(x)))
        y = y + nn.Dense(self.width, name="time")(time)[:, None, None]
        y = Conv(self.width, use_bias=True, name="conv_b")(nn.silu(_norm("norm_b")(y)))
        if x.shape[-1] != self.width:
            x = Conv(self.width, 1, name="skip")(x)
        return x + y


def _norm(name: str) -> nn.GroupNorm:
    """One group, so that any number of channels will do."""
    return nn.GroupNorm(num_groups=1, name=name)
