"""FHIR Device: the models that answered, as one version of the pipeline. It is the same for all cases, so its id is the version's name."""

import re
from collections.abc import Sequence

from services.exchange.fhir_base import DISCLAIMER, Json, Release, concept, identifier, identifiers, of_release, resource
from services.records.history import UsedModel

NAME = "Dermatrail analysis pipeline"
MAKER = "Dermatrail"
PIPELINE = "urn:dermatrail:pipeline"


def device_id(pipeline_version: str) -> str:
    """The version's own name, in the letters that FHIR admits."""
    return re.sub(r"[^A-Za-z0-9.-]", "-", pipeline_version)[:64]


def device(*, pipeline_version: str, models: Sequence[UsedModel], release: Release) -> Json:
    """R4 has ``deviceName`` and one type, R5 ``name`` and several. The licences of the models are in the notes."""
    kind = concept(text="Machine-learning software for pictures of skin lesions")
    shape = of_release(
        release,
        r4={"deviceName": [{"name": NAME, "type": "user-friendly-name"}], "type": kind},
        r5={"name": [{"value": NAME, "type": "user-friendly-name"}], "type": [kind]},
    )
    named = [{"type": concept(text=model.kind.value), "value": f"{model.name} {model.version} ({model.digest})"} for model in models]
    licences = [{"text": f"{model.name} {model.version}: licence {model.licence}"} for model in models if model.licence]
    return resource(
        "Device",
        device_id(pipeline_version),
        identifier=identifiers(identifier(PIPELINE, pipeline_version)),
        status="active",
        manufacturer=MAKER,
        modelNumber=pipeline_version,
        **shape,
        version=[{"type": concept(text="pipeline"), "value": pipeline_version}, *named],
        safety=[concept(text=DISCLAIMER)],
        note=licences,
    )
