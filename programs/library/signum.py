# Sign of one-beta momentum, with decoupled weight decay. Source: Bernstein et al. 2018. beta 0.95,
# weight decay 0.1, peak learning rate 0.0003.
def train(w, g, m, lr):
    m = interp(g, m, 0.95)
    update = sign(m)
    wd = w * 0.1
    update = update + wd
    lr = lr * 0.0003
    update = update * lr
    return update, m
