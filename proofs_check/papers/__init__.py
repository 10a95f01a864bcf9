"""The producers of the papers' certificates: `SLUG.py`, or a package `SLUG`, with the paper's drafts in `drafts()`."""
