"""CouchDB's revisions: the number of edits (the generation), a dash, and a hash."""


def parse_revision(revision: str) -> tuple[int, str]:
    """Return generation and hash of a revision.

    Raises:
        ValueError: the text does not begin with a number.
    """
    generation, _, digest = revision.partition("-")
    return int(generation), digest


def generation_of(revision: str) -> int:
    """Return the number of edits that led to a revision; 0 for an empty or malformed one."""
    try:
        return parse_revision(revision)[0]
    except ValueError:
        return 0
