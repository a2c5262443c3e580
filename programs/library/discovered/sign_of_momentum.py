# Sign of momentum: the sign of momentum, times a rate and weight decay (100.0% explained). Source: a search with configs/discover.yaml, seed 1, 16,024 individuals; sign_of_momentum.md.
def train(w, g, m, lr):
    m = interp(m, g, 0.41382915)
    update = sign(m)
    wd = w * 0.15289892
    update = update + wd
    lr = cbrt(lr)
    lr = lr * 0.0075915344
    update = update * lr
    return update, m
