# Adagrad, accumulator from 0. Source: Duchi et al. 2011. Peak learning rate 0.01.
# Differs from optax.adagrad: its accumulator starts at 0.1; torch.optim.Adagrad is the same as this.
def train(w, g, v, lr):
    g2 = square(g)
    v = v + g2
    sqrt_v = sqrt(v)
    update = g / sqrt_v
    lr = lr * 0.01
    update = update * lr
    return update, v
