# Yogi without bias correction. Source: Zaheer et al. 2018. beta1 0.9, beta2 0.999, peak learning
# rate 0.01.
# Differs from optax.yogi: no bias correction, and the second moment starts at 0, not at 1e-6.
def train(w, g, m, v, lr):
    m = interp(g, m, 0.9)
    g2 = square(g)
    change = v - g2
    change = sign(change)
    change = change * g2
    change = change * 0.001
    v = v - change
    sqrt_v = sqrt(v)
    update = m / sqrt_v
    lr = lr * 0.01
    update = update * lr
    return update, m, v
