# library:adamw_corrected on the cube root of its schedule.
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
    lr = cbrt(lr)
    lr = lr * 0.001
    update = update * lr
    return update, m, v, t
