# Adam without bias correction and without weight decay. Source: Kingma and Ba 2015. beta1 0.9,
# beta2 0.999, peak learning rate 0.001.
# Differs from torch.optim.Adam and optax.adam: no bias correction, so its first step is 3.2 times as
# long.
def train(w, g, m, v, lr):
    g2 = square(g)
    m = interp(g, m, 0.9)
    v = interp(g2, v, 0.999)
    sqrt_v = sqrt(v)
    update = m / sqrt_v
    lr = lr * 0.001
    update = update * lr
    return update, m, v
