# SGD with Nesterov momentum. Source: Nesterov 1983; Sutskever et al. 2013; as in
# optax.sgd(momentum=0.9, nesterov=True). Decay 0.9, peak learning rate 0.1.
def train(w, g, m, lr):
    decayed = m * 0.9
    m = g + decayed
    ahead = m * 0.9
    update = g + ahead
    lr = lr * 0.1
    update = update * lr
    return update, m
