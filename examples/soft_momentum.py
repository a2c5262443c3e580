# Momentum whose size is softened: a rule with a user-defined function, softplus.py.
def train(w, g, m, lr):
    m = interp(g, m, 0.9)
    size = abs(m)
    size = softplus(size)
    update = m / size
    lr = lr * 0.01
    update = update * lr
    return update, m
