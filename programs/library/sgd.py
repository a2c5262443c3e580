# Stochastic gradient descent. Source: Robbins and Monro 1951. Peak learning rate 0.1.
def train(w, g, lr):
    lr = lr * 0.1
    update = g * lr
    return update
