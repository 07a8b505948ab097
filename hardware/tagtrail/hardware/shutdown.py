"""How every service is told to end: SIGTERM or SIGINT sets an event."""

import logging
import signal
import threading


def stop_on_signals(stop: threading.Event, log: logging.Logger) -> None:
    """Set ``stop`` when SIGTERM or SIGINT comes; does nothing outside of the main thread, where Python has no signals.

    A handler runs in the middle of whatever the main thread does, perhaps while that holds the event's lock: setting
    the event there could wait for ever for itself. So a thread of its own sets it. Further SIGTERMs change nothing
    (the kernel sends one per thread of a supervisor that dies); a second Ctrl-C ends the process at once.
    """
    if threading.current_thread() is not threading.main_thread():
        return

    def end(number: int) -> None:
        log.info("stopping (%s)", signal.Signals(number).name)
        stop.set()

    def on_signal(number: int, _frame: object) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        threading.Thread(target=end, args=(number,), name="shutdown", daemon=True).start()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
