# Adam with Nesterov momentum, without bias correction. Source: Dozat 2016. beta1 0.9, beta2 0.999,
# peak learning rate 0.001.
# Differs from torch.optim.NAdam and optax.nadam: no bias correction, so its first step is 4.1 times
# as long as optax's; torch has a schedule of beta1, too.
def train(w, g, m, v, lr):
    g2 = square(g)
    m = interp(g, m, 0.9)
    v = interp(g2, v, 0.999)
    ahead = interp(g, m, 0.9)
    sqrt_v = sqrt(v)
    update = ahead / sqrt_v
    lr = lr * 0.001
    update = update * lr
    return update, m, v
