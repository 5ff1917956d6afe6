"""Addresses: which are taken, and that no secret of one is shown."""

from __future__ import annotations

import pytest

from registry.errors import MissingPartError, UsageError
from registry.object_storage import addresses
from registry.object_storage.addresses import Address, is_address, without_secrets


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("s3://bucket", "bucket"),
        ("S3://bucket/art/", "art"),
        ("s3://bucket/a b/ä?#.csv", "ä?#.csv"),
        ("gs://bucket/list.parquet", "list.parquet"),
        ("https://host:8443/list.csv?key=1", "list.csv"),
        ("https://host:8443/@ada/list.csv", "list.csv"),
        ("s3://arn:aws:s3:eu-west-1:123456789012:accesspoint/works/a@b.csv", "a@b.csv"),
    ],
)
def test_addresses_that_are_taken(text: str, name: str) -> None:
    """The last part names the copy; a slash at the end is nothing."""
    address = Address.parse(text)
    assert address.name == name
    assert address.key == Address.parse(text.rstrip("/")).key


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("http://host/list.csv", "expected one that begins with s3://, gs://, https://"),
        ("ftp://host/list.csv", "expected one that begins"),
        ("simplecache::s3://bucket/list.csv", "expected one that begins"),
        ("s3:/bucket/list.csv", "expected one that begins"),
        ("memory://list.csv", "expected one that begins"),
        ("https://ada:secret@host/list.csv", "leave credentials to the environment"),
        ("s3://key:secret@bucket/list.csv", "leave credentials to the environment"),
        ("https://ada:a/secret@host/list.csv", "leave credentials to the environment"),
        ("s3://key:a/secret/it+is@bucket/list.csv", "leave credentials to the environment"),
        ("https://", "names no bucket or host"),
        ("s3:///list.csv", "names no bucket or host"),
        ("https://host/list.csv#part", "has a fragment"),
        ("https://host/a list.csv", "cannot be printed, or spaces"),
        ("s3://bucket/a\x1b[2J", "cannot be printed"),
        ("s3://bucket/" + "a" * 5000, "too long"),
    ],
)
def test_addresses_that_are_refused(text: str, why: str) -> None:
    """In one line that shows neither a password nor a control character."""
    with pytest.raises(UsageError, match=why) as told:
        Address.parse(text)
    assert "secret" not in str(told.value)
    assert str(told.value).isprintable()


def test_a_query_is_sent_but_never_shown() -> None:
    """It can be a signature that lets everybody read; another one has another copy."""
    address = Address.parse("https://host/list.csv?X-Signature=secret")
    assert address.text.endswith("?X-Signature=secret")
    assert address.shown == "https://host/list.csv?…"
    assert address.key != Address.parse("https://host/list.csv?X-Signature=other").key
    told = "403, message='Forbidden', url='https://ada:secret@host/x?X-Signature=secret'\x1b"
    assert "secret" not in without_secrets(told)


def test_what_is_an_address() -> None:
    """A drive of Windows and a name with a colon are none."""
    assert [is_address(text) for text in ("s3://b", "file:///a", "zip::s3://b")] == [True, True, True]
    assert [is_address(text) for text in ("C:/art", "art", "art:1/x", "/art")] == [False] * 4


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the extra that has it."""
    monkeypatch.setattr(addresses, "find_spec", lambda name: None if name == "s3fs" else name)
    with pytest.raises(MissingPartError, match=r"s3:// needs s3fs.*creditline\[storage\]"):
        Address.parse("s3://bucket").file_system()
