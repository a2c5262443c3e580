# Signum with decay: the sign of momentum, times a rate and weight decay (100.0% explained). Source: a search with configs/discover.yaml, seed 0, 20,002 individuals; signum_with_decay.md.
def train(w, g, m, lr):
    m = interp(g, m, 0.6820082)
    update = sign(m)
    wd = w * 0.21459703
    update = update + wd
    lr = lr * 0.0067968345
    update = update * lr
    return update, m
