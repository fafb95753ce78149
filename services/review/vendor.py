"""Browser libraries of others: installed at set-up, absent from the repository, served compressed when the browser takes it."""

import mimetypes
from pathlib import Path

from flask import Blueprint, current_app, request, send_from_directory
from flask.typing import ResponseReturnValue

blueprint = Blueprint("vendor", __name__)

FOLDER = Path(__file__).parent / "static" / "vendor"
NAMES = ("openseadragon.min.js", "uplot.min.js", "uplot.min.css")
CURE = "python -m infra.frontend"


def missing(folder: Path = FOLDER) -> tuple[str, ...]:
    """The libraries that pages load and `folder` lacks; CURE mends it."""
    return tuple(name for name in NAMES if not (folder / name).is_file())


@blueprint.get("/static/vendor/<name>")
def file(name: str) -> ResponseReturnValue:
    """A library's file, by a name without folders; its gzip (made at set-up) where there is one and the browser accepts it."""
    folder: Path = current_app.config["VENDOR_FOLDER"]
    packed = request.accept_encodings["gzip"] > 0 and (folder / f"{name}.gz").is_file()
    media_type = mimetypes.guess_type(name)[0] or "application/octet-stream"
    response = send_from_directory(folder, f"{name}.gz" if packed else name, mimetype=media_type)
    if packed:
        response.headers["Content-Encoding"] = "gzip"
    response.vary.add("Accept-Encoding")
    return response
