"""Health check inside a container: `probe.py URL` exits 0 when the address answers 2xx. Standard library only."""

import sys
import urllib.request

TIMEOUT_SECONDS = 5

if __name__ == "__main__":
    urllib.request.urlopen(sys.argv[1], timeout=TIMEOUT_SECONDS).close()  # noqa: S310  (the compose file's own address)
