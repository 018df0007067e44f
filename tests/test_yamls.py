"""YAML as shapecheck reads it: bounded, with lines, and with an answer for everything that is none."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shapecheck import yamls
from shapecheck.errors import UserError

BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


def refusal(data: bytes | str) -> UserError:
    with pytest.raises(UserError) as caught:
        yamls.load(data.encode() if isinstance(data, str) else data, "spec.yaml")
    return caught.value


def test_mappings_know_their_line() -> None:
    document = yamls.load(b"checks:\n  - loss: a\n  # between\n  - loss: b\n    output: {shape: [1]}\n", "spec.yaml")
    first, second = document["checks"]
    assert [yamls.line_of(node) for node in (document, first, second, second["output"])] == [1, 2, 4, 5]
    assert yamls.line_of("text") is None


def test_json_and_a_byte_order_mark_are_yaml() -> None:
    assert yamls.load(b'\xef\xbb\xbf{"shape": [4, 1e2], "ok": true}', "spec.json") == {"shape": [4, "1e2"], "ok": True}


def test_merge_keys_may_be_overridden() -> None:
    text = b"- &a {loss: cross_entropy, output: [4]}\n- {<<: *a, output: [5]}\n- {x: {<<: *a, loss: b}, y: *a}\n"
    _, second, third = yamls.load(text, "spec.yaml")
    assert second == {"loss": "cross_entropy", "output": [5]}
    assert third["x"] == {"loss": "b", "output": [4]}


@pytest.mark.parametrize(
    ("data", "message", "line"),
    [
        ("loss: a\noutput: [4, 10\n\n", "is not YAML", 2),
        ("loss: a\n\tb: c", "is not YAML", 2),
        ("a: 1\nb: *nowhere", "undefined alias", 2),
        ("a: 1\n--- \nb: 2", "cannot be read: expected a single document", 2),
        ("loss: a\nloss: b", "the key 'loss' stands twice", 2),
        ("a:\n  ? [b]\n  : c", "a key must be a word", 2),
        ("a: !!python/object/apply:os.system [id]", "could not determine a constructor", 1),
        ("a: !thing b", "could not determine a constructor", 1),
        ('a: 1\nb: !!int ""', "'' is no int that can be read", 2),
        ("a: !!bool perhaps", "'perhaps' is no bool that can be read", 1),
        ("a: !!timestamp x", "'x' is no timestamp that can be read", 1),
        ("a: 2020-99-99", "'2020-99-99' is no timestamp that can be read", 1),
        ("a: " + "9" * 5000, "(5002 characters) is no int that can be read", 1),
        ("a: &a [*a]", "an alias 'a' inside of itself", 1),
        (BOMB, "expands to more than 500,000 values through its aliases", 6),
        ("[" * 100_000, "nested more than 100 levels deep", 1),
        ('{"a":' * 100_000, "nested more than 100 levels deep", 1),
        ("- " * 100_000, "nested more than 100 levels deep", 1),
        (b"loss: a\nb: \xff", "is not UTF-8: byte 0xff at offset 11", 2),
        (b"\xff\xfea\x00", "is not UTF-8: byte 0xff at offset 0", 1),
        (b"a\x00b: 1", "is not YAML", None),
        (b"\x7fELF\x02\x01\x01\x00\x00", "is not YAML", None),
    ],
)
def test_refused(data: bytes | str, message: str, line: int | None) -> None:
    error = refusal(data)
    assert message in error.message
    assert len(error.message) < 200
    assert "spec.yaml" in error.message
    assert (error.location.line if error.location else None) == line
    assert error.exit_status == 2


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    large = tmp_path / "large.yaml"
    with large.open("wb") as file:
        file.truncate(100_000_000)
    for path, message in (
        (large, "has 100,000,000 bytes, more than the 10,000,000 that are read"),
        (tmp_path, "Is a directory"),
        (tmp_path / "absent.yaml", "No such file or directory"),
    ):
        with pytest.raises(UserError) as caught:
            yamls.load_file(path, "shown.yaml")
        assert message in caught.value.message
        assert "shown.yaml" in caught.value.message


def test_values_of_options_name_the_option_and_no_place() -> None:
    assert yamls.load_value("[10]", "--arg n") == [10]
    assert yamls.load_value("", "--arg n") is None
    with pytest.raises(UserError) as caught:
        yamls.load_value("[10", "--arg n")
    assert caught.value.message.startswith("--arg n is not YAML")
    assert caught.value.location is None


@given(
    st.binary(max_size=60) | st.text(st.sampled_from("ab1:-[]{}&*!<>|#'\" \n\t?,%@`=~"), max_size=40).map(str.encode)
)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    refused: UserError | None = None
    try:
        yamls.load(data, "spec.yaml")
    except UserError as error:
        refused = error
    if refused is not None:
        assert refused.message.startswith("spec.yaml")
        line = refused.location.line if refused.location else None
        assert line is None or 1 <= line <= data.count(b"\n") + data.count(b"\r") + 1
