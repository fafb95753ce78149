"""Numbers and times in the desk's words: short, clinical, with units."""

from datetime import UTC, datetime, timedelta

_DAY = timedelta(days=1)
_MINUTE = timedelta(minutes=1)


def span(duration: timedelta) -> str:
    """A duration in its largest useful unit: `3 min`, `1 h 12`, `5 h`, `2 d`."""
    minutes = int(abs(duration) / _MINUTE)
    if minutes < 1:
        return "under 1 min"
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 3 * 60:
        return f"{minutes // 60} h {minutes % 60:02d}"
    if abs(duration) < 2 * _DAY:
        return f"{minutes // 60} h"
    return f"{int(abs(duration) / _DAY)} d"


def due(moment: datetime, now: datetime) -> str:
    """`due 1 h 12` or `overdue 3 h`."""
    return f"due {span(moment - now)}" if moment >= now else f"overdue {span(now - moment)}"


def ago(moment: datetime, now: datetime) -> str:
    """`3 h ago`."""
    return f"{span(now - moment)} ago"


def exact(moment: datetime) -> str:
    """The exact time for the hover: `2026-11-21 14:02 UTC`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M UTC")


def probability(value: float) -> str:
    """Two decimals, and never a false certainty: 0.999 reads `> 0.99`, 0.001 reads `< 0.01`."""
    if value > 0.99:
        return "> 0.99"
    if value < 0.01:
        return "< 0.01"
    return f"{value:.2f}"


def listed(parts: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
