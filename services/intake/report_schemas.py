"""What may be asked of a report."""

from pydantic import Field

from services.intake.schemas import Strict


class ReportQuery(Strict):
    """In which language."""

    language: str | None = Field(
        default=None,
        max_length=35,
        description="A language tag such as `en`, `de` or `de-CH`. One that there is not is answered in English; `Content-Language` tells.",
        examples=["de"],
    )
