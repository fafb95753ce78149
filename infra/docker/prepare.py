"""Prepare the servers for this version, before the application starts: migrate the database, make the bucket.

`python -m infra.docker.prepare`, with the settings of the application and the owner's database address. Can be repeated.
"""

from minio import Minio

from services.records import migrate
from services.settings import Settings, load_settings


def make_bucket(settings: Settings) -> None:
    """Make the bucket where there is none."""
    client = Minio(
        settings.s3_endpoint,
        access_key=settings.s3_access_key.get_secret_value(),
        secret_key=settings.s3_secret_key.get_secret_value(),
        secure=settings.s3_secure,
    )
    if not client.bucket_exists(settings.s3_bucket):
        client.make_bucket(settings.s3_bucket)


def main() -> None:
    """Bring both servers to this version."""
    settings = load_settings()
    migrate.upgrade(settings.database_url.get_secret_value())
    make_bucket(settings)
    print("the database is migrated and the bucket exists")


if __name__ == "__main__":
    main()
