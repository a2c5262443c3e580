# A rule of a shorter search: an Adam that adds the gradient's square to the second moment before
# averaging, bounds that at pi and takes the hyperbolic sine of the update. Source: Chen et al. 2023,
# Program 6.
def train(w, g, m, v, lr):
    m = interp(m, g, 0.1)
    g2 = square(g)
    g2 = v + g2
    v = interp(v, g2, 0.0015)
    sqrt_v = sqrt(v)
    update = m / sqrt_v
    v70 = get_pi()
    v = minimum(v, v70)
    update = sinh(update)
    lr = lr * 0.0606
    update = update * lr
    return update, m, v
