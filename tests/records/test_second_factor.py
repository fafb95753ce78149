"""Codes of an app and recovery codes: each works once, and nothing readable is stored."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pyotp
import pytest
from cryptography.fernet import Fernet
from sqlalchemy import Connection, text

from services.records import second_factor
from services.records.audit import Actor
from services.records.errors import AccessDenied, Conflict
from services.records.seal import Seal, SealBroken
from tests.records.worlds import Portal

NOW = datetime(2026, 11, 21, 12, 0, 10, tzinfo=UTC)
STEP = timedelta(seconds=30)
KEY = Fernet.generate_key().decode()
SEAL = Seal.of(KEY)


def code_of(secret: str, at: datetime = NOW) -> str:
    return pyotp.TOTP(secret).at(at)


def begin(portal: Portal) -> str:
    with portal.logins.review.transaction() as session:
        return second_factor.begin_enrolment(session=session, user_id=portal.user_id, seal=SEAL)


def confirm(portal: Portal, code: str) -> tuple[str, ...]:
    with portal.logins.review.transaction() as session:
        return second_factor.confirm_enrolment(session=session, user_id=portal.user_id, code=code, seal=SEAL, now=NOW)


def check(portal: Portal, code: str, *, now: datetime = NOW, seal: Seal = SEAL) -> str:
    with portal.logins.review.transaction() as session:
        return second_factor.check_code(session=session, user_id=portal.user_id, code=code, seal=seal, now=now)


@pytest.fixture
def enrolled(portal: Portal) -> tuple[str, tuple[str, ...]]:
    """The secret and the recovery codes; the code of NOW is used up."""
    secret = begin(portal)
    return secret, confirm(portal, code_of(secret))


def test_the_secret_stays_the_same_until_it_counts(portal: Portal) -> None:
    assert begin(portal) == begin(portal)


def test_neither_secret_nor_recovery_codes_can_be_read_in_the_database(
    portal: Portal, enrolled: tuple[str, tuple[str, ...]], behind: Connection
) -> None:
    stored = str(behind.execute(text("SELECT * FROM users")).all())
    secret, codes = enrolled
    assert len(set(codes)) == 8
    assert not any(plain in stored for plain in (secret, *codes, codes[0].replace("-", "")))


def test_a_second_factor_is_set_up_once(portal: Portal, enrolled: tuple[str, tuple[str, ...]]) -> None:
    with pytest.raises(Conflict):
        begin(portal)
    with pytest.raises(Conflict):
        confirm(portal, code_of(enrolled[0]))


def test_a_wrong_code_sets_nothing_up(portal: Portal) -> None:
    secret = begin(portal)
    wrong = f"{(int(code_of(secret)) + 1) % 1_000_000:06d}"
    with pytest.raises(AccessDenied):
        confirm(portal, wrong)
    with pytest.raises(AccessDenied):
        check(portal, code_of(secret))


@pytest.mark.parametrize(("drift", "counts"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_clock_may_be_off_by_one_step(portal: Portal, enrolled: tuple[str, tuple[str, ...]], drift: int, counts: bool) -> None:
    later = NOW + 10 * STEP
    code = code_of(enrolled[0], later + drift * STEP)
    if counts:
        assert check(portal, f"{code[:3]} {code[3:]}", now=later) == "code"
    else:
        with pytest.raises(AccessDenied):
            check(portal, code, now=later)


def test_a_code_works_once_and_so_does_none_before_it(portal: Portal, enrolled: tuple[str, tuple[str, ...]]) -> None:
    with pytest.raises(AccessDenied):
        check(portal, code_of(enrolled[0]))
    assert check(portal, code_of(enrolled[0], NOW + STEP)) == "code"
    for earlier in (NOW + STEP, NOW, NOW - STEP):
        with pytest.raises(AccessDenied):
            check(portal, code_of(enrolled[0], earlier))


def test_of_two_sign_ins_with_one_code_at_once_one_gets_in(portal: Portal, enrolled: tuple[str, tuple[str, ...]]) -> None:
    code = code_of(enrolled[0], NOW + STEP)

    def attempt(_: int) -> bool:
        try:
            check(portal, code)
        except AccessDenied:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(attempt, range(4))) == [False, False, False, True]


def test_a_recovery_code_works_once_however_it_is_typed(portal: Portal, enrolled: tuple[str, tuple[str, ...]]) -> None:
    first, second = enrolled[1][:2]
    assert check(portal, first.upper().replace("-", " ")) == "recovery code"
    with pytest.raises(AccessDenied):
        check(portal, first)
    assert check(portal, second) == "recovery code"


def test_what_is_removed_opens_nothing(portal: Portal, enrolled: tuple[str, tuple[str, ...]]) -> None:
    with portal.logins.review.transaction() as session:
        second_factor.remove_second_factor(session=session, user_id=portal.user_id, actor=Actor.user(portal.user_id))
    for code in (code_of(enrolled[0], NOW + STEP), enrolled[1][0]):
        with pytest.raises(AccessDenied):
            check(portal, code)
    assert begin(portal) != enrolled[0]


def test_keys_can_be_changed_and_a_lost_one_is_named(portal: Portal, enrolled: tuple[str, tuple[str, ...]]) -> None:
    new = Fernet.generate_key().decode()
    with pytest.raises(SealBroken, match="DERMATRAIL_DATA_KEY"):
        check(portal, code_of(enrolled[0], NOW + STEP), seal=Seal.of(new))
    assert check(portal, code_of(enrolled[0], NOW + STEP), seal=Seal.of(f"{new}, {KEY}")) == "code"


def test_the_qr_code_says_what_apps_read() -> None:
    address = second_factor.enrolment_address(secret="ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", email="dr@derma.example")
    assert address == "otpauth://totp/Dermatrail:dr%40derma.example?secret=ABCDEFGHIJKLMNOPQRSTUVWXYZ234567&issuer=Dermatrail"
