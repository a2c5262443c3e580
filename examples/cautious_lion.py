# Lion with caution: the sign of its blend, averaged with the sign of the present gradient. Where
# the two agree the step is Lion's, where they disagree the weight only decays.
# (After Liang et al. 2024, "Cautious Optimizers", who use a mask.)
def train(w, g, m, lr):
    blend = interp(g, m, 0.9)
    m = interp(g, m, 0.99)
    direction = sign(blend)
    now = sign(g)
    update = interp(direction, now, 0.5)
    wd = w * 0.1
    update = update + wd
    lr = lr * 0.003
    update = update * lr
    return update, m
