# Lion. Source: Chen et al. 2023, Program 1. beta1 0.9, beta2 0.99, weight decay 0.1, peak learning
# rate 0.0001.
def train(w, g, m, lr):
    update = interp(g, m, 0.9)
    update = sign(update)
    m = interp(g, m, 0.99)
    wd = w * 0.1
    update = update + wd
    lr = lr * 0.0001
    update = update * lr
    return update, m
