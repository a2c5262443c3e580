"""For all tests."""

import signal
import threading

# A run in the background starts with SIGINT ignored, and so would the processes that tests interrupt.
if threading.current_thread() is threading.main_thread():
    signal.signal(signal.SIGINT, signal.default_int_handler)
