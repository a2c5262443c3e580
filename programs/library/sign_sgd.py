# Sign of the gradient. Source: Bernstein et al. 2018. Peak learning rate 0.001.
def train(w, g, lr):
    update = sign(g)
    lr = lr * 0.001
    update = update * lr
    return update
