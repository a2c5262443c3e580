# AdaBelief without bias correction. Source: Zhuang et al. 2020. beta1 0.9, beta2 0.999, peak
# learning rate 0.001.
def train(w, g, m, v, lr):
    m = interp(g, m, 0.9)
    surprise = g - m
    surprise = square(surprise)
    v = interp(surprise, v, 0.999)
    sqrt_v = sqrt(v)
    update = m / sqrt_v
    lr = lr * 0.001
    update = update * lr
    return update, m, v
