# SPDX-License-Identifier: Apache-2.0
"""What every enhanced status code means that this house can give (RFC 3463, RFC 5248).

A test compares the keys with the replies in the code: none is missing, none is more.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Meaning:
    """``title`` as registered, ``means`` here, and what to ``do``; whole sentences."""

    title: str
    means: str
    do: str


MEANINGS: Final[dict[str, Meaning]] = {
    "2.0.0": Meaning(
        "Other undefined status",
        "The command was carried out; after content, the server has taken "
        "responsibility for it.",
        "Nothing.",
    ),
    "2.1.0": Meaning(
        "Other address status",
        "The sender's address is accepted.",
        "Nothing.",
    ),
    "2.1.5": Meaning(
        "Destination address valid",
        "The recipient's address is accepted; of a prepared transfer: its server would "
        "take the content.",
        "Nothing.",
    ),
    "2.7.0": Meaning(
        "Other or undefined security status",
        "The login succeeded.",
        "Nothing.",
    ),
    "4.2.2": Meaning(
        "Mailbox full",
        "The account has no room for it: what it holds, what is arriving and what its "
        "accepted offers keep free would be more than its quota.",
        "A transfer goes on by itself once there is room. The account's owner deletes "
        "items or mail; the operator can give more: maild account quota.",
    ),
    "4.3.0": Meaning(
        "Other or undefined mail system status",
        "Something went wrong on the server that nobody foresaw, or an item has not "
        "arrived completely yet. Nothing is lost.",
        "The transfer is tried again by itself. If it stays, the operator finds the "
        "traceback in the log by the trace id.",
    ),
    "4.3.1": Meaning(
        "Mail system full",
        "The receiving server has no room, counting what it keeps free for accepted "
        "offers.",
        "The transfer goes on by itself, where it was, once there is room. The "
        "operator of that server can free space: maild gc, account rm.",
    ),
    "4.3.2": Meaning(
        "System not accepting network messages",
        "A server is shutting down or being restarted, or an attempt was stopped by "
        "it.",
        "Nothing: it goes on at the offset where it was.",
    ),
    "4.4.1": Meaning(
        "No answer from host",
        "The other server did not answer, or refused the connection.",
        "It is tried again by itself. If it stays, check the name, the port and the "
        "firewall of that server, or its peer entry.",
    ),
    "4.4.2": Meaning(
        "Bad connection",
        "A connection broke, stood still too long, or timed out.",
        "Nothing: the next attempt goes on at the offset that was acknowledged.",
    ),
    "4.4.3": Meaning(
        "Directory server failure",
        "The name servers of the recipient's domain do not answer.",
        "It is tried again by itself. If it stays, check [delivery] nameservers, or "
        "tell the domain's owner.",
    ),
    "4.4.4": Meaning(
        "Unable to route",
        "No server could be connected to for the recipient's domain at the moment.",
        "It is tried again by itself. Check the domain's MX and address records.",
    ),
    "4.4.7": Meaning(
        "Delivery time expired",
        "The transfer could not be made yet, or was not answered, or let go by its "
        "sender (mshare go), in time. A delayed one is still being tried.",
        "Nothing, while it is being tried. Once it has expired, send it again; queue "
        "show tells what stood in the way.",
    ),
    "4.5.0": Meaning(
        "Other or undefined protocol status",
        "The other server does not keep to SMTP: its reply makes no sense here.",
        "It is tried again by itself. If it stays, send the log lines of the trace id "
        "to that server's operator.",
    ),
    "4.5.3": Meaning(
        "Too many recipients",
        "More recipients in one transaction than are taken.",
        "Send to the others in another transaction; mail programs do so by themselves."
        " A push with a ticket has exactly one.",
    ),
    "4.6.0": Meaning(
        "Other or undefined media error",
        "The content that arrived does not have the digest that its sender announced, "
        "so it was thrown away.",
        "It is sent again by itself. If it stays, a disk or memory between the two is "
        "damaging octets: run maild fsck on both.",
    ),
    "4.7.0": Meaning(
        "Other or undefined security status",
        "Too many connections or errors from one client, or TLS is not available at "
        "the moment.",
        "Wait a little. For a server of your own, look at the limits in [smtp], "
        "[submission] and [imap].",
    ),
    "4.7.1": Meaning(
        "Delivery not authorized, message refused",
        "A number has asked for too many mail addresses, or has been asked by too many"
        " others who wait for its answer; or servers wanted to meet at a rendezvous for"
        " an offer that is over, or used up.",
        "Wait an hour, or until some of the requests are answered.",
    ),
    "4.7.4": Meaning(
        "Security features not supported",
        "Content with a ticket travels inside TLS to servers that can resume only, and"
        " the other server does not offer that now.",
        "Ask its operator to offer STARTTLS and the extensions. On a private network a"
        " peer entry may say plain = true.",
    ),
    "4.7.5": Meaning(
        "Cryptographic failure",
        "The other server's certificate cannot be trusted: it expired, has another "
        "name, or an unknown authority or fingerprint.",
        "Check its certificate with its operator. For a private authority set "
        "[delivery] ca_file, for one certificate a fingerprint in the peer entry.",
    ),
    "4.7.8": Meaning(
        "Authentication credentials invalid",
        "A rendezvous does not know the offer for which two servers were to meet "
        "there, or does not prove that it knows it.",
        "It is tried again by itself, the direct way first. If it stays, open that "
        "way.",
    ),
    "4.7.28": Meaning(
        "Mail flood detected",
        "More offers in a minute than one sender may make there.",
        "Nothing: they are made again by themselves, a few at a time. The operator of "
        "that server can allow more: [smtp] offers_per_minute.",
    ),
    "5.0.0": Meaning(
        "Other undefined status",
        "The other server refused for good and gave no enhanced code.",
        "Read the text of its reply; it is all that is known.",
    ),
    "5.1.1": Meaning(
        "Bad destination mailbox address",
        "There is no such account at the recipient's server.",
        "Check the spelling of the address.",
    ),
    "5.1.2": Meaning(
        "Bad destination system address",
        "The recipient's domain does not exist.",
        "Check the spelling of what follows the @.",
    ),
    "5.1.3": Meaning(
        "Bad destination mailbox address syntax",
        "The recipient's address is malformed.",
        "Write it as name@domain.",
    ),
    "5.1.7": Meaning(
        "Bad sender's mailbox address syntax",
        "The sender's address is malformed.",
        "Check the address that your program is set up with.",
    ),
    "5.1.8": Meaning(
        "Bad sender's system address",
        "The asking number has no mail address of its own yet, which the other would "
        "have to be told.",
        "Log in to the rendezvous again: mshare number login. It tells the address.",
    ),
    "5.1.10": Meaning(
        "Recipient address has null MX",
        "The recipient's domain says in DNS that it takes no mail.",
        "Use another address of the recipient.",
    ),
    "5.2.2": Meaning(
        "Mailbox full",
        "It is larger than all that the account may hold, even if it held nothing.",
        "Send something smaller, or ask the operator of that server for more: maild "
        "account quota.",
    ),
    "5.2.3": Meaning(
        "Message length exceeds administrative limit",
        "What is offered is larger than the rendezvous or the receiving server lets "
        "anybody offer.",
        "Send something smaller; the operator of that server can allow more: [smtp] "
        "offer_size_limit.",
    ),
    "5.3.3": Meaning(
        "System not capable of selected features",
        "A number at a rendezvous passes address requests: it has no library, sends no "
        "mail and takes none.",
        "Upload to your own server, and send to a mail address; mshare send finds the "
        "address of a number by itself.",
    ),
    "5.3.4": Meaning(
        "Message too big for system",
        "The message is larger than the receiving server takes. A server without maild"
        " takes content only as an attachment, about a third larger than the file.",
        "Send something smaller, or to an address on a server with maild, where large "
        "content waits for an accepted offer.",
    ),
    "5.4.4": Meaning(
        "Unable to route",
        "No server was found for the recipient's domain: it has neither MX nor address"
        " records.",
        "Check the spelling of the domain, or give it a peer entry.",
    ),
    "5.4.6": Meaning(
        "Routing loop detected",
        "The message comes back to a server that it has passed: some domain is sent "
        "round in a circle.",
        "Check the MX records and peer entries of the servers on its way; maild trace "
        "shows them.",
    ),
    "5.4.7": Meaning(
        "Delivery time expired",
        "The transfer could not be made in the time that the queue allows, or an offer "
        "or answer came when its time was over.",
        "Send it again once the other server can be reached; queue show tells what "
        "stood in the way. Refused at once: compare the clocks of both servers.",
    ),
    "5.5.0": Meaning(
        "Other or undefined protocol status",
        "The program sent commands before it was told that it may.",
        "Update or report the program. A stranger's program that does this sends spam.",
    ),
    "5.5.1": Meaning(
        "Invalid command",
        "The command is not known, not offered, or not in its place.",
        "Update or report the program that sent it.",
    ),
    "5.5.2": Meaning(
        "Syntax error",
        "The line cannot be read: too long, no command, no base64; or the content has "
        "a bare CR, bare LF or NUL outside BDAT.",
        "Update or report the program; text with other line ends is sent by BDAT.",
    ),
    "5.5.4": Meaning(
        "Invalid command arguments",
        "An argument or parameter is malformed or not known here.",
        "Update or report the program that sent it.",
    ),
    "5.5.5": Meaning(
        "Wrong protocol version",
        "The facts of an offer, answer or withdrawal (application/vnd.maild+json) "
        "cannot be read: they are malformed, or of a version that is not known there.",
        "Update or report the server that sent it; docs/protocol.md has the schema.",
    ),
    "5.6.0": Meaning(
        "Other or undefined media error",
        "The content is not what was offered or announced: another size, another "
        "digest, or no longer there. Or it was removed while it arrived.",
        "Offer or upload it again as it is now.",
    ),
    "5.6.1": Meaning(
        "Media not supported",
        "The message has a form that cannot be taken here: an upload is exactly one "
        "part; or files of the type that is offered are not taken there.",
        "Upload with mshare, or send it as ordinary mail. Which types are refused is "
        "for the operator of the other server to say: [smtp] offer_types_refused.",
    ),
    "5.6.3": Meaning(
        "Conversion required but not supported",
        "The message needs BINARYMIME or 8BITMIME, which the other server does not "
        "offer.",
        "Send it in another encoding; an item of the Library is encoded by itself.",
    ),
    "5.6.5": Meaning(
        "Conversion failed",
        "The thumbnail of an offer cannot be shown: more than one, more than 10 KiB or "
        "1024 pixels wide or high, or not a whole JPEG or PNG.",
        "Send it without: mshare send --no-thumbnail (or upload --again with it).",
    ),
    "5.6.6": Meaning(
        "Message content not available",
        "The URL names nothing that can be shared: no item of your Library, or more "
        "than one.",
        "Look at the Library again (mshare ls) and share one item at a time.",
    ),
    "5.6.7": Meaning(
        "Non-ASCII addresses not permitted for that sender/recipient",
        "An address has characters beyond ASCII, and SMTPUTF8 was not asked for or is "
        "not offered.",
        "Use an ASCII address of that person, or a program that knows SMTPUTF8.",
    ),
    "5.7.0": Meaning(
        "Other or undefined security status",
        "You have to log in, or start TLS, first; or a URL is not one of your own.",
        "Log in again: mshare login. In a mail program, choose TLS and the same user "
        "for sending as for reading.",
    ),
    "5.7.1": Meaning(
        "Delivery not authorized, message refused",
        "It is not allowed: content without an accepted offer, somebody else's sender "
        "address, a foreign recipient without login, or a destination that is no "
        "public mail server.",
        "For content, send an offer and wait until it is accepted: mshare send. For a "
        "server in a private network, the operator sets [delivery] private_networks or"
        " a peer entry.",
    ),
    "5.7.7": Meaning(
        "Message integrity failure",
        "An offer, answer or withdrawal says another sender or recipient than its "
        "envelope, or that its content comes from elsewhere: it was altered or forged.",
        "Send it from the server of the sender's own domain.",
    ),
    "5.7.8": Meaning(
        "Authentication credentials invalid",
        "Address and password do not fit together.",
        "Log in again: mshare login. The operator gives a new password with maild "
        "account passwd.",
    ),
    "5.7.11": Meaning(
        "Encryption required for requested authentication mechanism",
        "A password may only be sent inside TLS.",
        "Choose SSL/TLS or STARTTLS in the program.",
    ),
}
"""By code, class included."""

_CODE: Final = re.compile(r"(?<![0-9.])[245]\.[0-9]{1,3}\.[0-9]{1,3}(?![0-9.]*[0-9])")


def explain(text: str) -> tuple[str, Meaning] | None:
    """Return the first code in ``text`` with its meaning: a bare code or a reply line.

    A code that only its other class knows (4 for 5) is not guessed.
    """
    for found in _CODE.finditer(text):
        meaning = MEANINGS.get(found[0])
        if meaning is not None:
            return found[0], meaning
    return None
