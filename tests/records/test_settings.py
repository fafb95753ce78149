"""Settings come from the environment, secrets from files too, and every one is documented."""

import re
from pathlib import Path

import pytest

from services.settings import PREFIX, Settings, SettingsError, is_secret, load_settings

PAGE = Path(__file__).resolve().parents[2] / "docs" / "settings.md"
REQUIRED = {
    "DERMATRAIL_DATABASE_URL": "postgresql+psycopg2://a:b@c/d",
    "DERMATRAIL_BROKER_URL": "redis://:x@h:1/0",
    "DERMATRAIL_S3_ENDPOINT": "h:8333",
    "DERMATRAIL_S3_ACCESS_KEY": "key",
    "DERMATRAIL_S3_SECRET_KEY": "secret",
}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment with the required settings and no other."""
    for name in Settings.model_fields:
        monkeypatch.delenv(PREFIX + name.upper(), raising=False)
        monkeypatch.delenv(f"{PREFIX}{name.upper()}_FILE", raising=False)
    for name, value in REQUIRED.items():
        monkeypatch.setenv(name, value)
    return monkeypatch


def test_the_required_settings_are_enough(environment: pytest.MonkeyPatch) -> None:
    settings = load_settings()
    assert settings.database_url.get_secret_value() == REQUIRED["DERMATRAIL_DATABASE_URL"]
    assert (settings.s3_encrypt, settings.secure_cookies, settings.session_secret) == (True, True, None)


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_setting_is_named(environment: pytest.MonkeyPatch, name: str) -> None:
    environment.delenv(name)
    with pytest.raises(SettingsError, match=name):
        load_settings()


def test_a_wrong_value_is_named_but_not_repeated(environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DERMATRAIL_MAX_FILES", "a-secret-typed-in-the-wrong-place")
    with pytest.raises(SettingsError, match="DERMATRAIL_MAX_FILES") as caught:
        load_settings()
    assert "wrong-place" not in str(caught.value)


def test_a_secret_may_come_from_a_file(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("from a file\n", encoding="utf-8")
    environment.delenv("DERMATRAIL_S3_SECRET_KEY")
    environment.setenv("DERMATRAIL_S3_SECRET_KEY_FILE", str(file))
    environment.setenv("DERMATRAIL_SESSION_SECRET_FILE", str(file))
    settings = load_settings()
    assert settings.s3_secret_key.get_secret_value() == "from a file"
    assert settings.session_secret is not None
    assert "from a file" not in repr(settings)


def test_a_secret_file_that_is_not_there_is_named(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("DERMATRAIL_BROKER_URL")
    environment.setenv("DERMATRAIL_BROKER_URL_FILE", "/nowhere/broker")
    with pytest.raises(SettingsError, match="DERMATRAIL_BROKER_URL_FILE: /nowhere/broker"):
        load_settings()


def test_only_secrets_come_from_files(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "bucket").write_text("other", encoding="utf-8")
    environment.setenv("DERMATRAIL_S3_BUCKET_FILE", str(tmp_path / "bucket"))
    assert load_settings().s3_bucket == "dermatrail"


def test_every_setting_is_documented_and_every_documented_setting_exists() -> None:
    rows = re.findall(r"^\| `DERMATRAIL_(\w+)` \| (.*?) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    documented = {name.lower(): default for name, default in rows}
    assert set(documented) == set(Settings.model_fields)
    for name, field in Settings.model_fields.items():
        assert ("*secret*" in documented[name]) == is_secret(field)
        assert ("required" in documented[name]) == field.is_required()


def test_no_secret_has_a_default() -> None:
    assert {field.default for field in Settings.model_fields.values() if is_secret(field) and not field.is_required()} == {None}
