# An evolved rule of Chen et al. 2023, Program 7, rebuilt from its description (the idea is the
# paper's, the constants are not): the second moment of g - m, as in AdaBelief.
def train(w, g, m, v, lr):
    surprise = g - m
    m = interp(g, m, 0.9)
    surprise = square(surprise)
    v = interp(surprise, v, 0.999)
    sqrt_v = sqrt(v)
    update = m / sqrt_v
    wd = w * 0.01
    update = update + wd
    lr = lr * 0.001
    update = update * lr
    return update, m, v
