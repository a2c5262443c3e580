"""A comparison of optimizers as tables, sentences, files, figures and a page."""
