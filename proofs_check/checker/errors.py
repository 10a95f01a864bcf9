"""The one exception of the checker."""


class Rejected(Exception):
    """The certificate does not prove what it says; the text says where and why."""
