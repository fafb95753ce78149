"""What every worker process has, whatever queue it serves. Imports nothing heavy: beat and idle workers stay small."""

import threading

stopping = threading.Event()
