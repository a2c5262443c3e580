# An evolved rule of Chen et al. 2023, Program 6, rebuilt from its description (the idea is the
# paper's, the constants are not): the second moment is summed without decay, as in Adagrad.
def train(w, g, m, v, lr):
    g2 = square(g)
    m = interp(g, m, 0.9)
    v = v + g2
    sqrt_v = sqrt(v)
    update = m / sqrt_v
    wd = w * 0.01
    update = update + wd
    lr = lr * 0.01
    update = update * lr
    return update, m, v
