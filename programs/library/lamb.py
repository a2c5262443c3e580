# LAMB without bias correction: AdamW with one trust ratio per array. Source: You et al. 2020.
# beta1 0.9, beta2 0.999, weight decay 0.01, peak learning rate 0.01.
# Differs from optax.lamb: no bias correction. The trust ratio takes back what that does to the
# length of a step, but not what it does to the share of the weight decay in it.
def train(w, g, m, v, lr):
    g2 = square(g)
    m = interp(g, m, 0.9)
    v = interp(g2, v, 0.999)
    sqrt_v = sqrt(v)
    update = m / sqrt_v
    wd = w * 0.01
    update = update + wd
    size_w = norm(w)
    size_u = norm(update)
    trust = size_w / size_u
    update = update * trust
    lr = lr * 0.01
    update = update * lr
    return update, m, v
