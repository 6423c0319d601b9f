"""What every test starts from."""

import signal


def pytest_configure() -> None:
    """Let signals do what they do for a program that somebody starts.

    Whoever starts the tests in the background, or with ``nohup``, leaves them with signals that are ignored;
    every process that a test starts would inherit that.
    """
    for number, handler in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)
