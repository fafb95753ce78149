"""Which addresses of others this installation calls: public ones, and those of networks that a setting names.

A portal chooses its address itself. Without a check it could have us call what only we can reach: the database, the metadata service of
a cloud, a printer. The check of the text (`AddressPolicy.check`) is for people; the one that keeps is that of the address that is then
connected to (`AddressPolicy.admits`), because a name may lead somewhere else a second later.
"""

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Self, TypeAlias
from urllib.parse import SplitResult, urlsplit

from services.settings import Settings, SettingsError

Network: TypeAlias = IPv4Network | IPv6Network

LONGEST_URL = 2000
# A name of letters, digits and hyphens whose last label is no number: what looks like 0x7f.1 or 2130706433 is an address in disguise.
NAME = re.compile(r"(?=.{1,253}$)([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z]([a-z0-9-]{0,61}[a-z0-9])?\.?", re.IGNORECASE)
WRITTEN = re.compile(r"[!-~]+")
# Of the ports below it only those of HTTP: no mail server and no database shall be sent a request.
FIRST_FREE_PORT = 1024
HTTP_PORTS = (80, 443)
# The one block of which public IPv6 addresses are given out (RFC 4291, IANA): mapped, translated and local ones lie outside of it.
PUBLIC_V6 = ip_network("2000::/3")
# Within what counts as global: protocol assignments with Teredo, 6to4 and its relays (they carry another address), documentation, and
# the address under which a cloud's host answers its guests.
EXCEPT = tuple(
    ip_network(text)
    for text in ("192.0.0.0/24", "192.88.99.0/24", "168.63.129.16/32", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20")
)


class AddressRefused(ValueError):
    """The address is not one to call. The message says why, and how to mend it."""


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """What may be called. ``networks``: allowed although they are not public; ``http``: also without TLS."""

    networks: tuple[Network, ...] = ()
    http: bool = False

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The policy of this installation.

        Raises:
            SettingsError: the setting names something that is no network.
        """
        named = [part.strip() for part in settings.webhook_networks.split(",") if part.strip()]
        try:
            return cls(tuple(ip_network(text) for text in named), settings.webhook_http)
        except ValueError as error:
            raise SettingsError(
                f"DERMATRAIL_WEBHOOK_NETWORKS: {error}; write networks such as 10.20.0.0/16, separated by commas."
            ) from error

    def admits(self, address: str) -> bool:
        """Whether a connection to this address (IPv4 or IPv6, as text) may be made."""
        ip = ip_address(address.split("%", maxsplit=1)[0])
        if any(ip in network for network in self.networks):
            return True
        return _is_public(ip)

    def check(self, url: str) -> None:
        """Refuse an address that could never be called.

        Raises:
            AddressRefused: it is no URL that we would call.
        """
        if not WRITTEN.fullmatch(url) or len(url) > LONGEST_URL:
            raise AddressRefused(f"url: at most {LONGEST_URL} ASCII characters without spaces; write other letters as xn--… or %….")
        parts = _split(url)
        if parts.scheme != "https" and not (self.http and parts.scheme == "http"):
            raise AddressRefused("url: should begin with https://.")
        if parts.username is not None or parts.password is not None or parts.fragment:
            raise AddressRefused("url: no user, password or fragment; requests carry a signature instead.")
        self._check_port(parts)
        self._check_host(parts.hostname or "")

    def _check_port(self, parts: SplitResult) -> None:
        try:
            port = parts.port
        except ValueError:
            port = 0
        if port is not None and port not in HTTP_PORTS and port < FIRST_FREE_PORT:
            raise AddressRefused(f"url: the port should be 80, 443 or one from {FIRST_FREE_PORT} to 65535.")

    def _check_host(self, host: str) -> None:
        try:
            admitted = self.admits(host)
        except ValueError:
            local = "." not in host.strip(".") or host.rstrip(".").endswith((".localhost", ".local", ".internal"))
            if not NAME.fullmatch(host) or (local and not self.networks):
                raise AddressRefused("url: the host should be a public name such as portal.example.") from None
        else:
            if not admitted:
                raise AddressRefused("url: the host is not a public address.")


def _split(url: str) -> SplitResult:
    try:
        return urlsplit(url)
    except ValueError as error:
        raise AddressRefused("url: should be a web address such as https://portal.example/hooks.") from error


def _is_public(ip: IPv4Address | IPv6Address) -> bool:
    if ip.is_multicast or not ip.is_global or any(ip in network for network in EXCEPT):
        return False
    return isinstance(ip, IPv4Address) or ip in PUBLIC_V6
