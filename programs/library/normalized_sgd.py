# Momentum scaled to a global norm of 1. Source: Hazan et al. 2015; Cutkosky and Mehta 2020. beta
# 0.9, peak learning rate 0.1.
def train(w, g, m, lr):
    m = interp(g, m, 0.9)
    size = global_norm(m)
    update = m / size
    lr = lr * 0.1
    update = update * lr
    return update, m
