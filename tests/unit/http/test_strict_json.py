"""What is JSON here, and what only looks like it."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridgework.http.strict_json import MAX_DEPTH, BadJson, parse

REFUSED = [
    b"", b" ", b"{", b"}", b"nul", b"{}{}", b"{'a': 1}", b'{"a": 1,}', b"[1,]", b"01", b"+1", b".5", b"1.", b"0x10",
    b"1_000", b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e999", b"9" * 21, b"-" + b"9" * 20, b"0." + b"1" * 30,
    b'"a\nb"', b'"\x00"', b'"\\x41"', b'"\\u12"', b'"\\ud800"', b'"\\udc00\\ud800"', b'{"\\ud83d": 1}',
    b'["\\ud800x"]', b"\xef\xbb\xbf{}", "{}".encode("utf-16"), "{}".encode("utf-16-le"), "{}".encode("utf-32"),
    b"\xff", b'"\xc3"', b'"\xed\xa0\x80"', b'"\xc0\xaf"', b'{"a": 1, "a": 1}', b'{"a": 1, "\\u0061": 2}',
    b'[{"b": {"a": 1, "a": 2}}]', "[\u0661]".encode(), "[\uff11]".encode(), "\u00a0{}".encode(), b"\x0b{}", b"{}\x00",
    b"// no\n{}", b"[" * 33 + b"]" * 33, b'{"a":' * 33 + b"1" + b"}" * 33, b"[" * 100_000,
]  # fmt: skip


@pytest.mark.parametrize("body", REFUSED, ids=lambda body: ascii(body[:24]))
def test_refused(body):
    with pytest.raises(BadJson) as caught:
        parse(body)
    assert str(caught.value).endswith(".")
    str(caught.value).encode()


@pytest.mark.parametrize("body", [
    b"{}", b" [1, -2, 3.5, 1e3, true, null] ", b'"\\ud83d\\ude00"', '"\u00e9\u4e2d\U0001f600"'.encode(),
    b'"[[[[{{{{"', b'"\\"[\\\\"', b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, b'{"a": 1, "A": 2}', b"9" * 20, b'"\\u0000"',
])  # fmt: skip
def test_accepted_as_everybody_reads_it(body):
    assert parse(body) == json.loads(body)


@given(st.recursive(
    st.none() | st.booleans() | st.integers(-(10**18), 10**18) | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", max_size=2), inner, max_size=4),
    max_leaves=20,
))  # fmt: skip
def test_what_was_written_is_read(value):
    for ascii_only in (True, False):
        assert parse(json.dumps(value, ensure_ascii=ascii_only).encode()) == value


@given(st.binary(max_size=60) | st.text(st.sampled_from('{}[]",:\\u0123ntfe.-+ \n'), max_size=60).map(str.encode))
def test_whatever_comes_is_read_or_refused(body):
    try:
        value = parse(body)
    except BadJson:
        return
    assert value == json.loads(body)


@pytest.mark.parametrize("body", [
    b'"' + b'\\"' * 130_000, b'"\\' * 130_000, b'"\n' * 130_000, b'{"a":"' * 40_000, b'"a"' * 80_000, b"\\" * 260_000,
])  # fmt: skip
def test_no_body_takes_long(body):
    began = time.process_time()
    with pytest.raises(BadJson):
        parse(body)
    assert time.process_time() - began < 0.5
