# Damped sign: a damped sign of momentum, times a rate and weight decay (100.0% explained). Source: a search with configs/discover.yaml, seed 2, 16,184 individuals; damped_sign.md.
def train(w, g, m, lr):
    m2 = square(m)
    m = interp(m, g, 0.46836936)
    g2 = square(g)
    mean = interp(m2, g2, 0.19716306)
    sqrt_mean = sqrt(mean)
    update = m / sqrt_mean
    wd = w * 0.080418006
    update = update + wd
    lr = sqrt(lr)
    lr = lr * 0.008572131
    update = update * lr
    return update, m
