"""What every table shares: constraint names, column types, an id and a birth date."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar
from uuid import UUID, uuid4

from sqlalchemy import DateTime, Enum, ForeignKey, MetaData, Text, Uuid, func
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlalchemy.orm import DeclarativeBase, Mapped, MappedColumn, mapped_column

NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """Maps Python types to column types once, for all tables."""

    metadata = MetaData(naming_convention=NAMES)
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: Text,
        UUID: Uuid,
        datetime: DateTime(timezone=True),
        dict[str, Any]: JSONB,
        list[str]: ARRAY(Text),
    }


class Born:
    """``id`` is made in Python, so that object keys exist before the row; the database dates the row."""

    id: Mapped[UUID] = mapped_column(primary_key=True, default=uuid4)
    created_at: Mapped[datetime] = mapped_column(server_default=func.now())


class Owned(Born):
    """A row of one tenant. Row-level security hides it from every other tenant."""

    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))


def words(kind: type[StrEnum], name: str, *, constrained: bool = True) -> Enum:
    """Return a text column type that admits exactly the values of ``kind``, by a check constraint."""
    return Enum(
        kind,
        name=name,
        native_enum=False,
        create_constraint=constrained,
        length=32,
        values_callable=lambda members: [member.value for member in members],
    )


def word_column(kind: type[StrEnum], name: str, **options: Any) -> MappedColumn[Any]:
    """Return a column of ``kind``; ``name`` is also the name of its check constraint."""
    return mapped_column(name, words(kind, name), **options)
