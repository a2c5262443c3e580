# A rule of a shorter search: AdamW whose second moment is that of the gradient minus its average, as
# in AdaBelief. Source: Chen et al. 2023, Program 7.
def train(w, g, m, v, lr):
    m = interp(m, g, 0.1)
    g = g - m
    g2 = square(g)
    v = interp(v, g2, 0.001)
    sqrt_v = sqrt(v)
    update = m / sqrt_v
    wd = w * 0.0238
    update = update + wd
    lr = lr * 0.03721
    update = update * lr
    return update, m, v
