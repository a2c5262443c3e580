# LARS: momentum with one trust ratio per array. Source: You et al. 2017. Momentum 0.9, weight
# decay 0.0001, trust coefficient 0.001, peak learning rate 1.
def train(w, g, m, lr):
    wd = w * 0.0001
    u = g + wd
    size_w = norm(w)
    size_u = norm(u)
    trust = size_w / size_u
    trust = trust * 0.001
    u = u * trust
    u = u * lr
    decayed = m * 0.9
    m = u + decayed
    update = m * 1.0
    return update, m
