# AdEMAMix without bias correction and without schedules of its own: a fast and a slow momentum.
# Source: Pagliardini et al. 2024. beta1 0.9, beta2 0.999, beta3 0.9999, alpha 5, weight decay
# 0.01, peak learning rate 0.001.
# Differs from optax.contrib.ademamix: no bias correction, so its first step is 3.2 times as long; no
# warm-up of beta3 and alpha.
def train(w, g, m, slow, v, lr):
    g2 = square(g)
    m = interp(g, m, 0.9)
    slow = interp(g, slow, 0.9999)
    v = interp(g2, v, 0.999)
    mixed = slow * 5.0
    mixed = m + mixed
    sqrt_v = sqrt(v)
    update = mixed / sqrt_v
    wd = w * 0.01
    update = update + wd
    lr = lr * 0.001
    update = update * lr
    return update, m, slow, v
