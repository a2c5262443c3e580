# AddSign: a gradient that agrees in sign with its average counts twice, one that does not is left
# out. Source: Bello et al. 2017, section 4.3, found by a search as well. beta 0.9, peak learning
# rate 0.1.
def train(w, g, m, lr):
    m = interp(g, m, 0.9)
    sign_g = sign(g)
    sign_m = sign(m)
    agree = sign_g * sign_m
    factor = agree + 1.0
    update = g * factor
    lr = lr * 0.1
    update = update * lr
    return update, m
