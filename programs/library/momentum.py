# SGD with heavy-ball momentum. Source: Polyak 1964; as in optax.sgd(momentum=0.9). Decay 0.9, peak
# learning rate 0.1.
def train(w, g, m, lr):
    decayed = m * 0.9
    m = g + decayed
    lr = lr * 0.1
    update = m * lr
    return update, m
