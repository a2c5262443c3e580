# An evolved rule of Chen et al. 2023, Program 5, rebuilt from its description (the idea is the
# paper's, the constants are not): AdamW-like, with dot(g, w) as a dynamic weight decay, and the
# sine of the update.
def train(w, g, m, v, lr):
    g2 = square(g)
    m = interp(g, m, 0.9)
    v = interp(g2, v, 0.999)
    sqrt_v = sqrt(v)
    update = m / sqrt_v
    decay = dot(g, w)
    wd = w * decay
    wd = wd * 0.01
    update = update + wd
    update = sin(update)
    lr = lr * 0.001
    update = update * lr
    return update, m, v
