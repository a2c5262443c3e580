# Adamw on a root schedule: Adam, times a rate and weight decay (100.0% explained). Source: a search with configs/discover.yaml, seed 2, 16,184 individuals; adamw_on_a_root_schedule.md.
def train(w, g, m, v, lr):
    m = interp(m, g, 0.42809418)
    g2 = square(g)
    v = interp(v, g2, 0.22882462)
    sqrt_v = sqrt(v)
    update = m / sqrt_v
    wd = w * 0.08658895
    update = update + wd
    lr = sqrt(lr)
    lr = lr * 0.015289848
    update = update * lr
    return update, m, v
