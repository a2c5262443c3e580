"""The models: what they may see, and attention against its formula."""

import jax
import jax.numpy as jnp
import numpy as np

from proxy_tasks.models import Block, Mixer, Transformer, ViT


def random_weights(model, inputs):
    """Random weights of the model's shapes; its own initial ones take seconds to compile."""
    rng = np.random.default_rng(0)
    shapes = jax.eval_shape(model.init, jax.random.key(0), inputs)
    return jax.tree.map(lambda s: 0.3 * rng.normal(size=s.shape).astype(np.float32), shapes)


def test_the_language_model_sees_the_past_only():
    model = Transformer(layers=2, width=16, heads=2, vocabulary=20)
    tokens = jax.random.randint(jax.random.key(0), (3, 10), 0, 20)
    params = random_weights(model, tokens)
    apply = jax.jit(model.apply)
    before = apply(params, tokens)
    after = apply(params, tokens.at[:, 6].set((tokens[:, 6] + 1) % 20))
    assert before.shape == (3, 10, 20)
    np.testing.assert_array_equal(before[:, :6], after[:, :6])
    assert (jnp.abs(before - after)[:, 6:].max(-1) > 1e-6).all()


def test_attention_equals_its_formula():
    """One block by hand in float64 (Vaswani et al. 2017; pre-norm), causal and not."""
    for causal in (False, True):
        block = Block(length=5, heads=2, causal=causal)
        x = jax.random.normal(jax.random.key(0), (2 * 5, 8))
        params = random_weights(block, x)
        p = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), params["params"])

        def norm(y, name, p=p):
            y = (y - y.mean(-1, keepdims=True)) / np.sqrt(y.var(-1, keepdims=True) + 1e-6)
            return y * p[name]["scale"] + p[name]["bias"]

        def dense(y, name, p=p):
            return y @ p[name]["kernel"] + p[name]["bias"]

        y = np.asarray(x, np.float64).reshape(2, 5, 8)
        qkv = dense(norm(y, "norm_attention"), "qkv").reshape(2, 5, 3, 2, 4)
        scores = np.einsum("bihd,bjhd->bhij", qkv[:, :, 0], qkv[:, :, 1]) / 2  # sqrt(4)
        if causal:
            scores = np.where(np.tri(5, dtype=bool), scores, -np.inf)
        weights = np.exp(scores) / np.exp(scores).sum(-1, keepdims=True)
        mixed = np.einsum("bhij,bjhd->bihd", weights, qkv[:, :, 2]).reshape(2, 5, 8)
        y = y + dense(mixed, "attention")
        hidden = dense(norm(y, "norm_mlp"), "mlp_in")
        inner = np.sqrt(2 / np.pi) * (hidden + 0.044715 * hidden**3)
        y = y + dense(hidden / 2 * (1 + np.tanh(inner)), "mlp_out")
        np.testing.assert_allclose(block.apply(params, x), y.reshape(10, 8), atol=1e-5)


def test_the_vit_knows_where_a_patch_is():
    model = ViT(layers=1, width=12, heads=3, classes=4)
    patches = jax.random.normal(jax.random.key(0), (2, 16, 4))
    params = random_weights(model, patches)
    apply = jax.jit(model.apply)
    logits = apply(params, patches)
    assert logits.shape == (2, 4)
    assert jnp.abs(apply(params, patches[:, ::-1]) - logits).max() > 1e-4


def test_the_mixer_mixes_tokens_and_knows_where_a_patch_is():
    model = Mixer(layers=1, width=6, tokens=5, classes=4)
    patches = jax.random.normal(jax.random.key(0), (2, 16, 4))
    params = random_weights(model, patches)
    apply = jax.jit(model.apply)
    logits = apply(params, patches)
    assert logits.shape == (2, 4)
    assert jnp.abs(apply(params, patches[:, ::-1]) - logits).max() > 1e-4
    changed = apply(params, patches.at[0, 3].add(1.0))
    np.testing.assert_allclose(changed[1], logits[1], rtol=1e-5)
    assert jnp.abs(changed[0] - logits[0]).max() > 1e-4
