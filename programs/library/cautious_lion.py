# Cautious Lion: Lion's update only where it agrees in sign with the gradient. Source: Liang et al.
# 2024. beta1 0.9, beta2 0.99, weight decay 0.1, peak learning rate 0.0001.
# Differs from the authors' C-Lion: the update that is left is not divided by the share that is left.
def train(w, g, m, lr):
    update = interp(g, m, 0.9)
    update = sign(update)
    agree = update * g
    agree = sign(agree)
    agree = maximum(agree, 0.0)
    update = update * agree
    m = interp(g, m, 0.99)
    wd = w * 0.1
    update = update + wd
    lr = lr * 0.0001
    update = update * lr
    return update, m
