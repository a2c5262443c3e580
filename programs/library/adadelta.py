# AdaDelta. Source: Zeiler 2012. rho 0.9, epsilon 1e-6, peak learning rate 1.
def train(w, g, v, d, lr):
    g2 = square(g)
    v = interp(g2, v, 0.9)
    d_eps = d + 1e-06
    v_eps = v + 1e-06
    step = sqrt(d_eps)
    scale = sqrt(v_eps)
    step = step / scale
    step = step * g
    step2 = square(step)
    d = interp(step2, d, 0.9)
    update = step * lr
    return update, v, d
