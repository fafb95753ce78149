"""One typed settings object for every process; nothing else reads the environment.

Each field is the environment variable ``DERMATRAIL_<FIELD>``. A secret can also come from a file:
``DERMATRAIL_<FIELD>_FILE`` names it, and one trailing newline is dropped. No secret has a default.
``docs/settings.md`` lists them all.
"""

import os
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

from pydantic import Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

PREFIX = "DERMATRAIL_"
# A bundle is named by its folder alone: a setting must not lead out of the folder of bundles.
FOLDER = r"^[A-Za-z0-9_-][A-Za-z0-9._-]*$"


class SettingsError(Exception):
    """The environment does not make valid settings. The message names each variable at fault."""


class Settings(BaseSettings):
    """What a process needs to know about its surroundings."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="ignore")

    database_url: SecretStr
    results_database_url: SecretStr | None = None
    broker_url: SecretStr
    s3_endpoint: str
    s3_access_key: SecretStr
    s3_secret_key: SecretStr
    s3_secure: bool = True
    s3_public_endpoint: str | None = None
    s3_region: str = "us-east-1"
    s3_bucket: str = "dermatrail"
    s3_encrypt: bool = True
    session_secret: SecretStr | None = None
    data_key: SecretStr | None = None
    require_second_factor: bool = True
    oidc_issuer: str | None = None
    oidc_client_id: str | None = None
    oidc_client_secret: SecretStr | None = None
    oidc_name: str = "single sign-on"
    public_url: str | None = None
    secure_cookies: bool = True
    public_trial: bool = False
    trusted_proxies: int = Field(default=0, ge=0, le=5)
    max_file_bytes: int = Field(default=30 * 1024 * 1024, ge=1)
    max_upload_bytes: int = Field(default=128 * 1024 * 1024, ge=1)
    upload_hours: int = Field(default=24, ge=1, le=168)
    max_batch_items: int = Field(default=10_000, ge=1, le=10_000)
    max_files: int = Field(default=20, ge=1)
    max_pixels: int = Field(default=100_000_000, ge=1)
    lease_seconds: int = Field(default=60, ge=5)
    claim_minutes: int = Field(default=15, ge=1)
    max_attempts: int = Field(default=3, ge=1)
    batch_size: int = Field(default=8, ge=1)
    sweep_seconds: int = Field(default=5, ge=1)
    reminder_seconds: int = Field(default=3600, ge=1)
    webhook_http: bool = False
    webhook_networks: str = ""
    dicom_capture: bool = False
    dicom_title: str = Field(default="DERMATRAIL", pattern=r"^[A-Z0-9_-]{1,16}$")
    dicom_address: str = "127.0.0.1"
    dicom_port: int = Field(default=11112, ge=0, le=65535)
    dicom_peers: SecretStr | None = None
    dicom_associations: int = Field(default=8, ge=1)
    dicom_tls_certificate: Path | None = None
    dicom_tls_key: Path | None = None
    dicom_tls_ca: Path | None = None
    device: Literal["auto", "cpu", "cuda"] = "auto"
    backend: Literal["torch", "openvino"] = "torch"
    bundles_dir: Path | None = None
    segmenter: str = Field(default="segmenter", pattern=FOLDER)
    classifier: str = Field(default="classifier", pattern=FOLDER)
    heatmap: Literal["cam", "gradcam", "off"] = "cam"
    metrics_port: int | None = Field(default=None, ge=1, le=65535)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments first, then variables, then the files that variables name."""
        return init_settings, env_settings, SecretFiles(settings_cls)


class SecretFiles(PydanticBaseSettingsSource):
    """Reads secrets from the files that ``DERMATRAIL_<FIELD>_FILE`` variables name."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return the file's text, or None where no file is named."""
        path = os.environ.get(f"{PREFIX}{field_name.upper()}_FILE")
        if not path or not is_secret(field):
            return None, field_name, False
        try:
            return Path(path).read_text(encoding="utf-8").removesuffix("\n"), field_name, False
        except OSError as error:
            raise SettingsError(f"{PREFIX}{field_name.upper()}_FILE: {path} cannot be read ({error.strerror}).") from error

    @cached_property
    def found(self) -> dict[str, Any]:
        """Every secret that a file gives."""
        values = {name: self.get_field_value(field, name)[0] for name, field in self.settings_cls.model_fields.items()}
        return {name: value for name, value in values.items() if value is not None}

    def __call__(self) -> dict[str, Any]:
        """Return what the files give, by field name."""
        return self.found


def is_secret(field: FieldInfo) -> bool:
    """Whether the field holds a secret, and so may come from a file."""
    return field.annotation is SecretStr or SecretStr in get_args(field.annotation)


def load_settings() -> Settings:
    """Return the settings of this process's environment.

    Raises:
        SettingsError: a variable is missing or not valid; the message never repeats a value.
    """
    try:
        return Settings()
    except ValidationError as error:
        faults = "\n".join(f"  {PREFIX}{str(fault['loc'][0]).upper()}: {fault['msg']}" for fault in error.errors())
        raise SettingsError(f"The settings are not complete (see docs/settings.md):\n{faults}") from None
