# RMSProp. Source: Tieleman and Hinton 2012; as in optax.rmsprop(decay=0.9, eps_in_sqrt=False).
# Decay 0.9, peak learning rate 0.001.
def train(w, g, v, lr):
    g2 = square(g)
    v = interp(g2, v, 0.9)
    sqrt_v = sqrt(v)
    update = g / sqrt_v
    lr = lr * 0.001
    update = update * lr
    return update, v
