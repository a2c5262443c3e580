# Sign of momentum cube decay: the sign of momentum, times a rate (99.9% explained). Source: a search with configs/discover.yaml, seed 4, 16,076 individuals; sign_of_momentum_cube_decay.md.
def train(w, g, m, lr):
    lr = cbrt(lr)
    cube_w = cube(w)
    update = lr * cube_w
    m = interp(m, g, 0.35995)
    sign_m = sign(m)
    update = update + sign_m
    lr = lr * 0.010637809
    update = update * lr
    return update, m
