# AMSGrad without bias correction: the largest second moment so far is a third state. Source: Reddi
# et al. 2018. beta1 0.9, beta2 0.999, peak learning rate 0.001.
# Differs from torch.optim.Adam(amsgrad=True) and optax.amsgrad: no bias correction, so its first step
# is 3.2 times as long.
def train(w, g, m, v, v_max, lr):
    g2 = square(g)
    m = interp(g, m, 0.9)
    v = interp(g2, v, 0.999)
    v_max = maximum(v, v_max)
    sqrt_v = sqrt(v_max)
    update = m / sqrt_v
    lr = lr * 0.001
    update = update * lr
    return update, m, v, v_max
