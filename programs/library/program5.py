# The rule of a search with less proxy data, as it was found: an Adam with a dynamic weight decay,
# dot(g, w), and the sine of the update. Source: Chen et al. 2023, Program 5.
def train(w, g, m, v, lr):
    m = interp(m, g, 0.16)
    g2 = square(g)
    v = interp(v, g2, 0.001)
    v753 = dot(g, w)
    sqrt_v = sqrt(v)
    update = m / sqrt_v
    wd = v753 * w
    update = sin(update)
    update = update + wd
    lr = lr * 0.0216
    update = update * lr
    v = sin(v)
    return update, m, v
