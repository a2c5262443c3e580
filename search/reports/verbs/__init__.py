"""What `python -m search.inspect` can be asked: each answer as plain values and as text.

The plain values are what `--json` prints and what pages are made of; docs/inspect.md lists them.
"""
