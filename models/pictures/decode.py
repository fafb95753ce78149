"""Bytes → upright 8-bit sRGB pixels, at the smallest sufficient scale."""

from models.pictures import colour, dicom, dicom_pixels, jpeg, raster
from models.pictures.errors import refusing
from models.pictures.exif import upright, upright_size
from models.pictures.info import DEFAULT_MAX_PIXELS, MediaType, Picture, PictureInfo
from models.pictures.inspect import check_size, inspect
from models.pictures.sniff import media_type_of


def decode(data: bytes, *, min_side: int | None = None, max_pixels: int = DEFAULT_MAX_PIXELS) -> Picture:
    """Decode a file of any accepted format.

    JPEG (also inside DICOM) is decoded at the largest of 1/8, 1/4, 1/2 that keeps the long side ≥ ``min_side`` px; other
    formats, and ``min_side=None``, at full size. Profiles other than sRGB are converted. Thread-safe; the codecs run
    without the interpreter lock. Raises PictureRefused.
    """
    media_type = media_type_of(data)
    with refusing():
        if media_type is MediaType.JPEG:
            return _jpeg(data, min_side, max_pixels)
        if media_type is MediaType.DICOM:
            return _dicom(data, min_side, max_pixels)
        return _raster(data, inspect(data, max_pixels=max_pixels))


def _jpeg(data: bytes, min_side: int | None, max_pixels: int) -> Picture:
    header = jpeg.read_header(data)
    check_size(header.width, header.height, max_pixels)
    factor = jpeg.scale_for(header.width, header.height, min_side)
    rgb = colour.to_srgb(jpeg.decode_pixels(data, header, factor=factor), header.icc)
    width, height = upright_size(header.width, header.height, header.orientation)
    return Picture(rgb=upright(rgb, header.orientation), full_width=width, full_height=height, media_type=MediaType.JPEG)


def _dicom(data: bytes, min_side: int | None, max_pixels: int) -> Picture:
    dataset, header = dicom.read(data)
    check_size(header.columns, header.rows, max_pixels)
    return Picture(
        rgb=dicom_pixels.decode_pixels(dataset, header, min_side=min_side),
        full_width=header.columns,
        full_height=header.rows,
        media_type=MediaType.DICOM,
        pixel_spacing_mm=header.pixel_spacing_mm,
        declares_identity="YES" in (dataset.get("BurnedInAnnotation"), dataset.get("RecognizableVisualFeatures")),
    )


def _raster(data: bytes, info: PictureInfo) -> Picture:
    heic = info.media_type is MediaType.HEIC
    rgb = raster.decode_heic(data) if heic else raster.decode_pixels(data, info.media_type)
    return Picture(rgb=rgb, full_width=rgb.shape[1], full_height=rgb.shape[0], media_type=info.media_type)
