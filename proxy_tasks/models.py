"""Models of the built-in tasks, in flax: an MLP, an n-gram MLP, Transformers, an MLP-Mixer.

B batch, L tokens of a window, W width, V vocabulary. No dropout: a rule is judged by what it does
to the weights. Convolutional networks are in convolutions.py.
"""

from __future__ import annotations

import flax.linen as nn
import jax
import jax.numpy as jnp


class MLP(nn.Module):
    """Hidden layers of equal width on flat inputs: [B, D] -> [B, outputs]."""

    hidden: int
    outputs: int
    layers: int = 1

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        for layer in range(self.layers):
            x = nn.gelu(nn.Dense(self.hidden, name=f"hidden_{layer}")(x))
        return nn.Dense(self.outputs, name="output")(x)


class NGram(nn.Module):
    """n-gram language model (Bengio et al. 2003): tokens [B, n] -> next-token logits [B, V]."""

    vocabulary: int
    embedding: int
    hidden: int
    layers: int

    @nn.compact
    def __call__(self, tokens: jax.Array) -> jax.Array:
        x = nn.Embed(self.vocabulary, self.embedding, name="embedding")(tokens)
        x = x.reshape(len(x), -1)
        return MLP(self.hidden, self.vocabulary, self.layers, name="mlp")(x)


class Block(nn.Module):
    """Pre-norm Transformer block on B windows of L tokens: [B * L, W] -> [B * L, W].

    Tokens are one axis wherever windows do not matter: the gradient of a layer's weights is then a
    product of two matrices, which XLA computes 4 times as fast on a CPU as one that sums over two
    axes.
    """

    length: int
    heads: int
    causal: bool

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        tokens, width = x.shape
        y = nn.LayerNorm(name="norm_attention")(x)
        # Queries, keys and values in one product: fewer operations per step.
        qkv = nn.Dense(3 * width, name="qkv")(y)
        qkv = qkv.reshape(-1, self.length, 3, self.heads, width // self.heads)
        q, k, v = (qkv[:, :, i] for i in range(3))
        y = jax.nn.dot_product_attention(q, k, v, is_causal=self.causal)
        x = x + nn.Dense(width, name="attention")(y.reshape(tokens, width))
        y = nn.LayerNorm(name="norm_mlp")(x)
        y = nn.gelu(nn.Dense(4 * width, name="mlp_in")(y))
        return x + nn.Dense(width, name="mlp_out")(y)


class ViT(nn.Module):
    """Mean-pooled ViT (Dosovitskiy et al. 2021): patches [B, L, D] -> logits [B, classes]."""

    layers: int
    width: int
    heads: int
    classes: int

    @nn.compact
    def __call__(self, patches: jax.Array) -> jax.Array:
        batch, length, pixels = patches.shape
        x = nn.Dense(self.width, name="patches")(patches.reshape(-1, pixels))
        x = x.reshape(batch, length, self.width) + _positions(self, length, self.width)
        x = x.reshape(-1, self.width)
        for layer in range(self.layers):
            x = Block(length, self.heads, causal=False, name=f"block_{layer}")(x)
        x = nn.LayerNorm(name="norm")(x).reshape(batch, length, self.width).mean(axis=1)
        return nn.Dense(self.classes, name="output")(x)


class Mixer(nn.Module):
    """MLP-Mixer (Tolstikhin et al. 2021), mean-pooled: patches [B, L, D] -> logits [B, classes].

    tokens: width of the MLPs over the tokens; those over the channels have 4 times the width.
    """

    layers: int
    width: int
    tokens: int
    classes: int

    @nn.compact
    def __call__(self, patches: jax.Array) -> jax.Array:
        batch, length, pixels = patches.shape
        x = nn.Dense(self.width, name="patches")(patches.reshape(-1, pixels))
        for layer in range(self.layers):
            y = nn.LayerNorm(name=f"norm_tokens_{layer}")(x).reshape(batch, length, self.width)
            y = y.swapaxes(1, 2).reshape(-1, length)
            y = MLP(self.tokens, length, name=f"mlp_tokens_{layer}")(y)
            y = y.reshape(batch, self.width, length).swapaxes(1, 2)
            x = x + y.reshape(-1, self.width)
            y = nn.LayerNorm(name=f"norm_channels_{layer}")(x)
            x = x + MLP(4 * self.width, self.width, name=f"mlp_channels_{layer}")(y)
        x = nn.LayerNorm(name="norm")(x).reshape(batch, length, self.width).mean(axis=1)
        return nn.Dense(self.classes, name="output")(x)


class Transformer(nn.Module):
    """Language model: tokens [B, L] -> logits of the next tokens, [B, L, V].

    Not causal: an encoder, logits of what stands at each position.
    """

    layers: int
    width: int
    heads: int
    vocabulary: int
    causal: bool = True

    @nn.compact
    def __call__(self, tokens: jax.Array) -> jax.Array:
        batch, length = tokens.shape
        x = _blocks(self, tokens)
        logits = nn.Dense(self.vocabulary, use_bias=False, name="output")(x)
        return logits.reshape(batch, length, self.vocabulary)


class TextEncoder(nn.Module):
    """Mean-pooled Transformer: tokens [B, L] -> [B, W], or [B, outputs].

    Its weights have the names of Transformer's, but for the output.
    """

    layers: int
    width: int
    heads: int
    vocabulary: int
    outputs: int = 0  # 0: as many as the width
    causal: bool = False

    @nn.compact
    def __call__(self, tokens: jax.Array) -> jax.Array:
        x = _blocks(self, tokens).reshape(*tokens.shape, self.width).mean(axis=1)
        return nn.Dense(self.outputs or self.width, name="output")(x)


def _blocks(model: Transformer | TextEncoder, tokens: jax.Array) -> jax.Array:
    """Embedding, positions and blocks of a model that is being called: [B, L] -> [B L, W]."""
    x = nn.Embed(model.vocabulary, model.width, name="embedding")(tokens)
    x = (x + _positions(model, tokens.shape[1], model.width)).reshape(-1, model.width)
    for layer in range(model.layers):
        x = Block(tokens.shape[1], model.heads, causal=model.causal, name=f"block_{layer}")(x)
    normalized: jax.Array = nn.LayerNorm(name="norm")(x)
    return normalized


def _positions(model: nn.Module, length: int, width: int) -> jax.Array:
    """Learnt embeddings of the positions: [1, L, W]."""
    shape = (1, length, width)
    return model.param("position", nn.initializers.normal(0.02), shape, jnp.float32)
