# SPDX-License-Identifier: Apache-2.0
"""Messages that the standard library writes are read by us as it meant them."""

from __future__ import annotations

import email.policy
from email.message import EmailMessage

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.unit.wire.rendering import Read, leaves, read

NAMES = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=1, max_size=80
)
TEXTS = st.text(st.sampled_from("ab é日\n.-="), max_size=200)
FILES = st.tuples(NAMES, st.binary(max_size=400))


@st.composite
def messages(draw: st.DrawFn, depth: int = 2) -> EmailMessage:
    """A message with a text, perhaps HTML, files, and messages inside."""
    made = EmailMessage(policy=email.policy.SMTP)
    made["Subject"] = draw(
        st.text(st.characters(codec="ascii", categories=("L", "N")), max_size=40)
    )
    made["From"] = "alice@a.example"
    made.set_content(
        draw(TEXTS), cte=draw(st.sampled_from([None, "base64", "quoted-printable"]))
    )
    if draw(st.booleans()):
        made.add_alternative(draw(TEXTS), subtype="html")
    for name, octets in draw(st.lists(FILES, max_size=3)):
        made.add_attachment(octets, maintype="application", subtype="x", filename=name)
    if depth and draw(st.booleans()):
        made.add_attachment(draw(messages(depth=depth - 1)))
    return made


@settings(deadline=None)
@given(messages(), st.lists(st.integers(0, 3000), max_size=5))
def test_every_part_is_found_with_its_content(
    message: EmailMessage, cuts: list[int]
) -> None:
    octets = message.as_bytes()
    ours = read(octets, cuts)
    assert ours.rendering == octets
    wanted = [p for p in message.walk() if not p.is_multipart()]
    found = leaves(ours.root)
    assert [f"{p.type}/{p.subtype}" for p in found] == [
        p.get_content_type() for p in wanted
    ]
    for part, their in zip(found, wanted, strict=True):
        assert part.filename == their.get_filename()
        if part.type == "application":
            assert content(ours, part.blob) == their.get_payload(decode=True)
            assert part.decoded_size == len(content(ours, part.blob))


def content(ours: Read, blob: int | None) -> bytes:
    assert blob is not None
    return bytes(ours.pieces[blob].octets)
