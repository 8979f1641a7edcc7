# SPDX-License-Identifier: Apache-2.0
"""Every reply that receiving gives, apart from those of the grammar itself."""

from __future__ import annotations

from maild.mail.reply import LOCAL_ERROR, Reply
from maild.store.errors import NeverFitsError, OverQuotaError, StoreFullError

OK = Reply(250, "0.0", "ok")
SENDER_OK = Reply(250, "1.0", "sender ok")
RECIPIENT_OK = Reply(250, "1.5", "recipient ok")
GOODBYE = Reply(221, "0.0", "goodbye")
SEND_CONTENT = Reply(354, "", "end with <CR><LF>.<CR><LF>")
NO_VERIFY = Reply(252, "0.0", "send a message and see")

BAD_SYNTAX = Reply(500, "5.2", "that is no command")
UNKNOWN_COMMAND = Reply(500, "5.1", "the command is not known here")
LINE_TOO_LONG = Reply(500, "5.2", "the line is too long")
NOT_OFFERED = Reply(502, "5.1", "the command is not offered here")
BAD_ARGUMENT = Reply(501, "5.4", "the argument is malformed")
NO_ARGUMENT = Reply(501, "5.4", "the command takes no argument")

HELLO_FIRST = Reply(503, "5.1", "EHLO comes first")
MAIL_FIRST = Reply(503, "5.1", "MAIL comes first")
RCPT_FIRST = Reply(503, "5.1", "RCPT comes first")
NESTED_MAIL = Reply(503, "5.1", "a transaction is open already")
RCPT_TOO_LATE = Reply(503, "5.1", "the content has begun")
DATA_AFTER_BDAT = Reply(503, "5.1", "the content has begun with BDAT")
BINARY_NEEDS_BDAT = Reply(503, "5.1", "BODY=BINARYMIME needs BDAT")
AFTER_FAILURE = Reply(503, "5.1", "chunk dropped, the transaction has failed")
PIPELINED = Reply(503, "5.0", "nothing may be sent before this reply")

TLS_IS_ON = Reply(503, "5.1", "TLS is on already")
NO_TLS = Reply(454, "7.0", "TLS is not available")
TLS_FIRST = Reply(538, "7.11", "STARTTLS comes first")
TLS_NEEDED = Reply(530, "7.0", "STARTTLS comes first")
LOGIN_FIRST = Reply(530, "7.0", "authentication required")

LOGGED_IN = Reply(235, "7.0", "authenticated")
LOGGED_IN_ALREADY = Reply(503, "5.1", "authenticated already")
NOT_IN_TRANSACTION = Reply(503, "5.1", "a transaction is open")
BAD_MECHANISM = Reply(504, "5.4", "the mechanism is not offered")
LOGIN_CANCELLED = Reply(501, "7.0", "authentication cancelled")
BAD_BASE64 = Reply(501, "5.2", "that is not base64")
BAD_LOGIN = Reply(535, "7.8", "authentication failed")

NO_SUCH_USER = Reply(550, "1.1", "no such user here")
RELAYING_DENIED = Reply(550, "7.1", "relaying denied")
NOT_ROUTABLE = Reply(550, "7.1", "mail cannot be sent there")
NOT_YOUR_ADDRESS = Reply(550, "7.1", "that is not your address")
NEEDS_OFFER = Reply(550, "7.1", "content needs an accepted offer")
TOO_MANY_RECIPIENTS = Reply(452, "5.3", "too many recipients for one transaction")
TOO_LARGE = Reply(552, "3.4", "the message is larger than may be sent")
STORE_FULL = Reply(452, "3.1", "no room at the moment")
OVER_QUOTA = Reply(452, "2.2", "the account has no room for it at the moment")
NEVER_FITS = Reply(552, "2.2", "it is larger than all that the account may hold")
BARE_LINE_END = Reply(550, "5.2", "a bare CR, bare LF or NUL in the content")
LOOP = Reply(554, "4.6", "the message has been through too many hops")
NO_PARTS = Reply(554, "6.1", "an upload is one part")
BAD_CONFIRM = Reply(554, "5.4", "Share-Confirm is seconds, at most those of 30 days")
SENT_BEFORE = ", sent before"
"""Ends the 250 to a sending command that has changed nothing (docs/protocol.md)."""
BEING_SENT = Reply(554, "5.1", "it is being sent already, without waiting for go")
NOT_WHAT_WAS_OFFERED = Reply(554, "6.0", "that is not what was offered")
BAD_DIGEST = Reply(451, "6.0", "the content does not have its digest; send it again")

NOT_THAT_DOMAIN = Reply(450, "7.1", "the offer is not for that domain")
OFFER_IS_OVER = Reply(450, "7.1", "the offer is over")
NOT_THAT_END = Reply(503, "5.1", "that is for the other end of the offer")
NOT_IN_TLS = Reply(450, "7.1", "only a connection without TLS is turned here")
NOBODY_CAME = Reply(453, "4.1", "nobody has come with anything for you")
NOT_HERE = Reply(450, "4.1", "the other server is not here at the moment")
NUMBERS_ONLY_ASK = Reply(550, "3.3", "a number passes address requests only")
NUMBERS_GET_NO_MAIL = Reply(550, "3.3", "a number takes no mail")
NO_REQUEST = Reply(550, "6.0", "that is no address request, or it is malformed")
NOT_YOUR_REQUEST = Reply(550, "7.1", "that is not your request")
REQUEST_TOO_LATE = Reply(550, "4.7", "the address request has expired")
HOMELESS = Reply(550, "1.8", "this number has no mail address of its own yet")
TOO_MANY_REQUESTS = Reply(450, "7.1", "too many address requests; come back later")

BURL_NOT_YOURS = Reply(554, "7.0", "the URL is not one of your messages here")
BURL_NOT_FOUND = Reply(554, "6.6", "the URL names no item of your Library")
BURL_ONE_ONLY = Reply(554, "6.6", "a message can share one item")

IDLE = Reply(421, "4.2", "idle for too long")
CLOSING = Reply(421, "3.2", "the server is shutting down")
TOO_MANY_CONNECTIONS = Reply(421, "7.0", "too many connections")
TOO_MANY_ERRORS = Reply(421, "7.0", "too many errors")
TOO_MUCH_REFUSED = Reply(421, "7.0", "too much content after a refusal")


def again(final_reply: str) -> Reply:
    """Return a reply that was given before, and is kept as text."""
    status, _, text = final_reply.partition(" ")
    code, _, rest = text.partition(" ")
    return Reply(int(status), code.partition(".")[2], rest)


def for_error(error: Exception) -> Reply:
    """Return the reply for an error that is not the peer's fault: temporary.

    Only what can never fit is refused for good.
    """
    match error:
        case NeverFitsError():
            return NEVER_FITS
        case OverQuotaError():
            return OVER_QUOTA
        case StoreFullError():
            return STORE_FULL
        case _:
            return LOCAL_ERROR


def is_foreseen(error: Exception) -> bool:
    """Whether the log line of its reply says all there is to know."""
    return isinstance(error, OverQuotaError | StoreFullError)
