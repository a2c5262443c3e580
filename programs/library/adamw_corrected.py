# AdamW with bias correction, as in optax.adamw: the step count is a third state, one number a
# weight. Source: Loshchilov and Hutter 2019. beta1 0.9, beta2 0.999, weight decay 0.01, peak
# learning rate 0.001.
def train(w, g, m, v, t, lr):
    t = t + 1.0
    g2 = square(g)
    m = interp(g, m, 0.9)
    v = interp(g2, v, 0.999)
    decay1 = power(0.9, t)
    decay1 = 1.0 - decay1
    decay2 = power(0.999, t)
    decay2 = 1.0 - decay2
    m_hat = m / decay1
    v_hat = v / decay2
    sqrt_v = sqrt(v_hat)
    update = m_hat / sqrt_v
    wd = w * 0.01
    update = update + wd
    lr = lr * 0.001
    update = update * lr
    return update, m, v, t
