"""What the pages for everybody need beside the desk: whether a picture may be tried, how often, and the bell for the worker."""

import ipaddress
from dataclasses import dataclass, field
from typing import cast

from flask import current_app

from services.doorbell import Doorbell
from services.review.throttle import SignInThrottle
from services.settings import Settings

EXTENSION = "dermatrail.visitors"
PICTURES_A_MINUTE = 6


@dataclass(frozen=True, slots=True)
class Visitors:
    """Made once per process. ``throttle`` counts the pictures of each address."""

    offered: bool
    bell: Doorbell
    throttle: SignInThrottle = field(default_factory=lambda: SignInThrottle(limit=PICTURES_A_MINUTE, window=60.0))

    @classmethod
    def on(cls, settings: Settings) -> "Visitors":
        """What these settings allow; the bell connects when it is first rung."""
        return cls(settings.public_trial, Doorbell.connect(settings))

    def wait(self, address: str | None) -> int:
        """Count a picture from an address, or return how many seconds it has to wait for its next one."""
        who = household(address)
        if seconds := self.throttle.wait(who):
            return seconds
        self.throttle.failed(who)
        return 0


def visitors() -> Visitors:
    """The process's visitors."""
    return cast(Visitors, current_app.extensions[EXTENSION])


def household(address: str | None) -> str:
    """Whom an address counts for: one IPv6 customer has 2⁶⁴ addresses and must not have as many turns."""
    try:
        found = ipaddress.ip_address(address or "")
    except ValueError:
        return "unknown"
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        return str(found.ipv4_mapped)
    return str(found) if found.version == 4 else str(ipaddress.ip_network((found, 64), strict=False))
