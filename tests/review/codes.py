"""An authenticator app for tests."""

import re
import time

import pyotp

STEP = 30


def code(secret: str, *, steps: int = 0) -> str:
    """The code of the present time step, or of one `steps` later; never computed where the step is about to end."""
    left = STEP - time.time() % STEP
    if left < 4:
        time.sleep(left + 0.1)
    return pyotp.TOTP(secret).at(int(time.time()) + steps * STEP)


def secret_of(page: str) -> str:
    """The key that the set-up page shows beside the QR code."""
    found = re.search(r'<code class="secret"[^>]*>([A-Z2-7 ]+)</code>', page)
    assert found is not None
    return found[1].replace(" ", "")


def recovery_codes_of(page: str) -> list[str]:
    """The codes that are shown once."""
    return re.findall(r"<code>([a-z2-7]{4}(?:-[a-z2-7]{4}){3})</code>", page)
