"""The error for what a caller got wrong: everything else that is raised is a mistake of ours."""


class InvalidInput(ValueError):
    """An argument, a file or a command that cannot be used; the sentence says what, where and what to do instead.

    The command line prints it without a traceback. It is a ``ValueError``, so code that catches those catches it too.
    """
