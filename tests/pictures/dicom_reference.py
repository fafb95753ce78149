"""The colours of a DICOM file by other decoders than the product's: NumPy on the bytes, Pillow on the streams.

JPEG-LS and lossless JPEG have one decoder here: such a file is told as unknown.
"""

import io
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom import Dataset
from pydicom.encaps import get_frame
from pydicom.uid import RLELossless

Samples = NDArray[Any]
BASELINE = {"1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.51"}
JPEG_2000 = {f"1.2.840.10008.1.2.4.{end}" for end in (90, 91, 201, 202, 203)}


def reference(dataset: Dataset) -> Samples | None:
    """H×W×3 uint8 RGB of a file without window, palette and profile; None where nobody else can read it."""
    syntax = dataset.file_meta.TransferSyntaxUID
    if syntax in BASELINE:
        return _jpeg(dataset)
    if syntax in JPEG_2000:
        try:
            return _eight_bits(_opened(dataset), dataset)
        except OSError:
            return None
    if syntax == RLELossless:
        return _eight_bits(_run_lengths(dataset), dataset)
    if not syntax.is_encapsulated:
        return _eight_bits(_plain(dataset), dataset)
    return None


def _stream(dataset: Dataset) -> bytes:
    return bytes(get_frame(dataset.PixelData, 0, number_of_frames=1))


def _opened(dataset: Dataset) -> Samples:
    with Image.open(io.BytesIO(_stream(dataset))) as image:
        found: Samples = np.asarray(image).astype(np.int64)
    # Pillow lifts signed samples by half of their range.
    found -= (1 << (dataset.BitsStored - 1)) * int(dataset.PixelRepresentation)
    return found


def _jpeg(dataset: Dataset) -> Samples:
    """Pillow asks the stream's markers; where there are none, what the header says counts and the components are taken as they are."""
    stream = _stream(dataset)
    # A marker of Adobe counts where it is whole: without its last byte it names no transform.
    silent = b"JFIF\0" not in stream[:400] and b"\xff\xee\x00\x0eAdobe" not in stream[:400]
    with Image.open(io.BytesIO(stream)) as opened:
        image: Any = opened
        if silent and dataset.PhotometricInterpretation == "RGB" and {layer[1:3] for layer in image.layer} == {(1, 1)}:
            image.draft("YCbCr", image.size)
            return np.asarray(opened)
        return np.asarray(opened.convert("RGB"))


def _plain(dataset: Dataset) -> Samples:
    order = "<" if dataset.file_meta.TransferSyntaxUID.is_little_endian else ">"
    kind = f"{order}{'i' if dataset.PixelRepresentation else 'u'}{dataset.BitsAllocated // 8}"
    data = dataset.PixelData
    if dataset.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.2" and dataset["PixelData"].VR == "OW" and dataset.BitsAllocated == 8:
        data = np.frombuffer(data, "<u2").astype(">u2").tobytes()
    samples = np.frombuffer(data, kind)
    rows, columns = dataset.Rows, dataset.Columns
    if dataset.PhotometricInterpretation == "YBR_FULL_422":
        pairs = samples[: rows * columns * 2].reshape(rows, columns // 2, 4)
        full = np.stack([pairs[..., [0, 1]], pairs[..., [2, 2]], pairs[..., [3, 3]]], axis=-1).reshape(rows, columns, 3)
        return _to_rgb(full)
    if dataset.SamplesPerPixel == 1:
        return samples[: rows * columns].reshape(rows, columns)
    if dataset.PlanarConfiguration:
        found = samples[: rows * columns * 3].reshape(3, rows, columns).transpose(1, 2, 0)
    else:
        found = samples[: rows * columns * 3].reshape(rows, columns, 3)
    return _to_rgb(found) if dataset.PhotometricInterpretation == "YBR_FULL" else found


def _run_lengths(dataset: Dataset) -> Samples:
    """PS3.5 annex G: byte planes, the most significant byte of each sample first."""
    stream = _stream(dataset)
    header = np.frombuffer(stream[:64], "<u4")
    starts = [*header[1 : header[0] + 1].tolist(), len(stream)]
    size = dataset.Rows * dataset.Columns
    planes = [np.frombuffer(_unpacked(stream[a:b])[:size], np.uint8) for a, b in pairwise(starts)]
    deep = dataset.BitsAllocated // 8
    samples = [
        sum(planes[sample * deep + place].astype(np.int64) << (8 * (deep - 1 - place)) for place in range(deep)) for sample in range(3)
    ]
    return np.stack(samples, axis=-1).reshape(dataset.Rows, dataset.Columns, 3)


def _unpacked(segment: bytes) -> bytes:
    out, at = bytearray(), 0
    while at < len(segment) - 1:
        count = segment[at]
        if count < 128:
            out += segment[at + 1 : at + 2 + count]
            at += 2 + count
        else:
            out += segment[at + 1 : at + 2] * (257 - count if count > 128 else 0)
            at += 2 if count > 128 else 1
    return bytes(out)


def _to_rgb(ybr: Samples) -> Samples:
    """PS3.3 C.7.6.3.1.2."""
    y, cb, cr = (ybr[..., place].astype(float) - (128 if place else 0) for place in range(3))
    rgb = np.stack([y + 1.402 * cr, y - 0.344136 * cb - 0.714136 * cr, y + 1.772 * cb], axis=-1)
    found: Samples = rgb.round().clip(0, 255).astype(np.uint8)
    return found


def _eight_bits(samples: Samples, dataset: Dataset) -> Samples:
    deep = dataset.BitsStored
    if samples.ndim == 3:
        shifted: Samples = samples >> (deep - 8)
        return shifted.astype(np.uint8)
    low = -(1 << (deep - 1)) if dataset.PixelRepresentation else 0
    grey = ((samples.astype(float) - low) * 255 / ((1 << deep) - 1)).clip(0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2)
