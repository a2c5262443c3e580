# AdaBelief without bias correction. Source: Zhuang et al. 2020. beta1 0.9, beta2 0.999, peak
# learning rate 0.001.
# Differs from optax.adabelief: no bias correction, so its first step is 3.2 times as long; and the
# guard of 1e-8 is added once, where optax adds 1e-16 in the average and in its root.
def train(w, g, m, v, lr):
    m = interp(g, m, 0.9)
    surprise = g - m
    surprise = square(surprise)
    v = interp(surprise, v, 0.999)
    sqrt_v = sqrt(v)
    update = m / sqrt_v
    lr = lr * 0.001
    update = update * lr
    return update, m, v
