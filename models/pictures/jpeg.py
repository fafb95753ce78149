"""JPEG: marker walk, decode at reduced scale, and removal of metadata without touching the pixels.

Marker codes and the colour rules follow ITU-T T.81, JFIF 1.02 and Adobe's APP14 as libjpeg reads them.
"""

import re
from dataclasses import dataclass

import numpy as np
import simplejpeg

from models.pictures.errors import PictureRefused, RefusalReason, refusing
from models.pictures.exif import orientation_of
from models.pictures.types import Rgb

_SOI = b"\xff\xd8"
_EOI, _SOS, _APP0, _APP1, _APP2, _APP14 = 0xD9, 0xDA, 0xE0, 0xE1, 0xE2, 0xEE
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # SOF0..15 without DHT, JPG, DAC
# Inside a scan: FF00 is a stuffed byte, FFD0..FFD7 restart markers, FFFF fill; any other FFxx ends the scan.
_SCAN_END = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
# Cameras write 1..10 scans. Each scan of a progressive file makes libjpeg pass over the whole picture again.
MAX_SCANS = 100
MAX_SEGMENTS = 4000


@dataclass(frozen=True, slots=True)
class Segment:
    """One marker segment: ``data[start:end]`` with its marker; for SOS the entropy-coded bytes are included."""

    marker: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, kw_only=True)
class JpegHeader:
    """What the markers say. ``adobe_transform`` is None without an APP14 marker; ``component_ids`` as in the frame header."""

    width: int
    height: int
    bits: int
    frame_marker: int
    component_ids: tuple[int, ...]
    subsampled: bool
    orientation: int
    jfif: bool
    adobe_transform: int | None
    icc: bytes
    header_segments: tuple[Segment, ...]


def read_header(data: bytes) -> JpegHeader:
    """Read the markers up to the first scan. Raises PictureRefused (truncated, damaged)."""
    with refusing():
        return _header(data, tuple(_segments_before_scan(data)))


def _segments_before_scan(data: bytes) -> list[Segment]:
    segments: list[Segment] = []
    position = 2
    while len(segments) < MAX_SEGMENTS:
        segment = _segment_at(data, position)
        segments.append(segment)
        if segment.marker == _SOS:
            return segments
        position = segment.end
    raise PictureRefused(RefusalReason.TOO_COMPLEX, f"More than {MAX_SEGMENTS} segments.")


def _segment_at(data: bytes, position: int) -> Segment:
    if position + 4 > len(data):
        raise PictureRefused(RefusalReason.TRUNCATED)
    if data[position] != 0xFF:
        raise PictureRefused(RefusalReason.DAMAGED, f"No marker at byte {position}.")
    start = position
    while data[position + 1] == 0xFF:
        position += 1
    length = int.from_bytes(data[position + 2 : position + 4], "big")
    end = position + 2 + length
    if end > len(data):
        raise PictureRefused(RefusalReason.TRUNCATED)
    if length < 2:
        raise PictureRefused(RefusalReason.DAMAGED, f"A segment without length at byte {position}.")
    return Segment(data[position + 1], start, end)


def _header(data: bytes, segments: tuple[Segment, ...]) -> JpegHeader:
    frame = next((s for s in segments if s.marker in _FRAMES), None)
    if frame is None:
        raise PictureRefused(RefusalReason.DAMAGED, "No frame header before the first scan.")
    body = _payload(data, frame)
    components = [body[6 + 3 * i : 9 + 3 * i] for i in range(body[5])]
    exif = _first(data, segments, _APP1, b"Exif\x00\x00")
    adobe = _first(data, segments, _APP14, b"Adobe")
    return JpegHeader(
        bits=body[0],
        height=int.from_bytes(body[1:3], "big"),
        width=int.from_bytes(body[3:5], "big"),
        frame_marker=frame.marker,
        component_ids=tuple(c[0] for c in components),
        subsampled=len({c[1] for c in components}) > 1,
        orientation=orientation_of(exif) if exif else 1,
        jfif=_first(data, segments, _APP0, b"JFIF\x00") is not None,
        adobe_transform=adobe[6] if adobe and len(adobe) > 6 else None,
        icc=_icc(data, segments),
        header_segments=segments,
    )


def _payload(data: bytes, segment: Segment) -> bytes:
    # A segment may be preceded by fill bytes; its payload is found from the declared length.
    start = segment.start
    while data[start + 1] == 0xFF:
        start += 1
    return data[start + 4 : segment.end]


def _first(data: bytes, segments: tuple[Segment, ...], marker: int, prefix: bytes) -> bytes | None:
    for segment in segments:
        if segment.marker == marker and (body := _payload(data, segment)).startswith(prefix):
            return body[len(prefix) :]
    return None


def _icc(data: bytes, segments: tuple[Segment, ...]) -> bytes:
    parts = [body for s in segments if s.marker == _APP2 and (body := _payload(data, s)).startswith(b"ICC_PROFILE\x00")]
    return b"".join(part[14:] for part in sorted(parts, key=lambda part: part[12:13]))


def split(data: bytes, header: JpegHeader) -> tuple[list[Segment], int]:
    """(every segment with its scan data, end of the picture): bytes after the end are no part of this picture."""
    segments = list(header.header_segments[:-1])
    scan: Segment = header.header_segments[-1]
    scans = 0
    while True:
        if scan.marker == _SOS:
            scans += 1
            scan = Segment(scan.marker, scan.start, _scan_end(data, scan.end))
        segments.append(scan)
        if scans > MAX_SCANS or len(segments) > MAX_SEGMENTS:
            raise PictureRefused(RefusalReason.TOO_COMPLEX, f"More than {MAX_SCANS} scans.")
        if data[scan.end + 1] == _EOI:
            return segments, scan.end + 2
        scan = _segment_at(data, scan.end)


def _scan_end(data: bytes, start: int) -> int:
    found = _SCAN_END.search(data, start)
    if found is None:
        raise PictureRefused(RefusalReason.TRUNCATED)
    return found.start()


def _is_needed(data: bytes, segment: Segment) -> bool:
    """Structure, JFIF, Adobe's colour transform and the colour profile stay; EXIF, XMP, IPTC, comments and previews go."""
    if segment.marker == _APP0:
        return _payload(data, segment).startswith(b"JFIF\x00")
    if segment.marker == _APP2:
        return _payload(data, segment).startswith(b"ICC_PROFILE\x00")
    if segment.marker == _APP14:
        return _payload(data, segment).startswith(b"Adobe")
    return not (0xE0 <= segment.marker <= 0xEF or segment.marker == 0xFE)


def has_metadata(data: bytes, header: JpegHeader) -> bool:
    """True when segments or trailing bytes hold more than this picture needs."""
    segments, end = split(data, header)
    return end != len(data) or not all(_is_needed(data, segment) for segment in segments)


def without_metadata(data: bytes, header: JpegHeader) -> bytes:
    """The same compressed pixels without EXIF, GPS, XMP, IPTC, comments, previews and trailing bytes."""
    segments, _ = split(data, header)
    kept = (data[segment.start : segment.end] for segment in segments if _is_needed(data, segment))
    return b"".join((_SOI, *kept, b"\xff\xd9"))


def scale_for(width: int, height: int, min_side: int | None) -> int:
    """The largest of 8, 4, 2, 1 that leaves the long side ≥ ``min_side`` px. Other DCT scales have no SIMD code."""
    if min_side is None:
        return 1
    return next((factor for factor in (8, 4, 2) if -(-max(width, height) // factor) >= min_side), 1)


def decode_pixels(data: bytes, header: JpegHeader, *, factor: int = 1) -> Rgb:
    """H×W×3 uint8 in the file's own colour space and orientation, at 1/``factor`` of the size.

    The whole entropy-coded data is read at every scale; any libjpeg warning is a refusal (truncated or damaged).
    """
    if header.bits != 8:
        raise PictureRefused(RefusalReason.UNSUPPORTED_COLOUR, f"{header.bits} bits per sample.")
    four = len(header.component_ids) == 4
    try:
        pixels: Rgb = simplejpeg.decode_jpeg(
            data,
            colorspace="CMYK" if four else "RGB",
            min_height=-(-header.height // factor),
            min_width=-(-header.width // factor),
            min_factor=factor,
        )
    except ValueError as error:
        early = "premature" in str(error).lower()
        raise PictureRefused(RefusalReason.TRUNCATED if early else RefusalReason.DAMAGED) from error
    return _from_cmyk(pixels, inverted=header.adobe_transform is not None) if four else pixels


def _from_cmyk(cmyk: Rgb, *, inverted: bool) -> Rgb:
    """Naive CMYK → RGB. Adobe stores ink as 255 = none, so the product of the stored values is the reflected light."""
    light = cmyk if inverted else 255 - cmyk
    black = light[..., 3:].astype(np.uint16)
    return ((light[..., :3] * black + 127) // 255).astype(np.uint8)


def encode(rgb: Rgb) -> bytes:
    """JPEG of an H×W×3 uint8 sRGB picture, quality 95, full chroma: no visible loss, no metadata."""
    encoded: bytes = simplejpeg.encode_jpeg(np.ascontiguousarray(rgb), quality=95, colorspace="RGB", colorsubsampling="444")
    return encoded
