# AdamW without bias correction, the search's warm start. Source: Chen et al. 2023, Program 3;
# Loshchilov and Hutter 2019. beta1 0.9, beta2 0.999, weight decay 0.01, peak learning rate 0.001.
# Differs from torch.optim.AdamW and optax.adamw: no bias correction, so its first step is 3.2 times
# as long; library:adamw_corrected has it.
def train(w, g, m, v, lr):
    g2 = square(g)
    m = interp(g, m, 0.9)
    v = interp(g2, v, 0.999)
    sqrt_v = sqrt(v)
    update = m / sqrt_v
    wd = w * 0.01
    update = update + wd
    lr = lr * 0.001
    update = update * lr
    return update, m, v
