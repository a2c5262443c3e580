# AdaMax without bias correction. Source: Kingma and Ba 2015, section 7.1. beta1 0.9, beta2 0.999,
# peak learning rate 0.002.
# Differs from torch.optim.Adamax and optax.adamax: no bias correction, so its first step is a tenth
# as long.
def train(w, g, m, u, lr):
    m = interp(g, m, 0.9)
    abs_g = abs(g)
    u = u * 0.999
    u = maximum(u, abs_g)
    update = m / u
    lr = lr * 0.002
    update = update * lr
    return update, m, u
