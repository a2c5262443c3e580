"""Runs as one HTML file that needs nothing else and runs nothing of theirs.

All text goes through `html.tag`, which escapes it; and the page's content security policy allows
the one script and the one style that stand in it, by their hashes, and nothing else.
"""
