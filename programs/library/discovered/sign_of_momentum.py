# Sign of momentum: the sign of momentum. Source: a search with configs/discover.yaml, seed 1, 16,024 individuals; sign_of_momentum.md.
def train(w, g, m, lr):
    m = interp(m, g, 0.41382915)
    update = sign(m)
    update = update + 0.060211
    lr = cbrt(lr)
    lr = lr * 0.004631507
    update = update * lr
    return update, m
