"""Rules of the ingress that need no cluster."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apg_core.errors import SetupError
from deployments.errors import OpenServiceError, UnauthorizedError
from deployments.http.auth import Keys, new_key
from deployments.http.ranges import UnsatisfiableRangeError, parse_range
from deployments.replicas.ingress import check_bound_address
from deployments.settings import AccessSettings


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_a_service_on_the_loopback_may_be_open(host: str) -> None:
    check_bound_address(host, AccessSettings())


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "my-machine"])
def test_a_service_that_others_can_reach_wants_keys(host: str) -> None:
    with pytest.raises(OpenServiceError, match="keys_file"):
        check_bound_address(host, AccessSettings())
    check_bound_address(host, AccessSettings(keys_file=Path("keys")))
    check_bound_address(host, AccessSettings(allow_open=True))


def test_a_new_key_works_with_the_line_that_comes_with_it(tmp_path: Path) -> None:
    (key, line), (other, _) = new_key("ann"), new_key("bob")
    (tmp_path / "keys").write_text(f"# keys\n\n{line}  # Ann's\n")
    keys = Keys.from_file(tmp_path / "keys")
    assert keys.owner_of(key) == "ann"
    assert key not in line
    for wrong in (other, "", None, key + "x"):
        with pytest.raises(UnauthorizedError):
            keys.owner_of(wrong)


@pytest.mark.parametrize("content", ["", "ann:123", "ann", "# nothing\n"])
def test_a_key_file_without_proper_keys_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "keys").write_text(content)
    with pytest.raises(SetupError, match="new-key"):
        Keys.from_file(tmp_path / "keys")


def test_a_name_that_the_key_file_cannot_hold_is_refused() -> None:
    with pytest.raises(SetupError, match="letters"):
        new_key("ann:bob")


@given(size=st.integers(1, 100), start=st.integers(0, 120), end=st.integers(0, 120))
def test_a_range_is_what_slicing_gives(size: int, start: int, end: int) -> None:
    content = bytes(range(size))
    try:
        span = parse_range(f"bytes={start}-{end}", size)
    except UnsatisfiableRangeError:
        assert content[start : end + 1] == b""
        return
    if end < start:
        assert span is None
    else:
        assert span is not None
        assert content[span[0] : span[0] + span[1]] == content[start : end + 1]


@given(size=st.integers(1, 100), last=st.integers(1, 120))
def test_a_suffix_range_is_the_end(size: int, last: int) -> None:
    span = parse_range(f"bytes=-{last}", size)
    assert span == (max(size - last, 0), min(size, last))
