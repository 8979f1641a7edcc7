-- The index, version 1.  Times are Unix seconds (REAL), sizes octets (INTEGER).
-- AUTOINCREMENT: who remembers an id must never find something else under it.

CREATE TABLE account (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    address TEXT NOT NULL UNIQUE,            -- Address.key: local part case-folded
    scram_salt BLOB NOT NULL,
    scram_iterations INTEGER NOT NULL,
    scram_stored_key BLOB NOT NULL,
    scram_server_key BLOB NOT NULL,
    policy TEXT NOT NULL DEFAULT 'ask' CHECK (policy IN ('ask', 'contacts', 'anyone')),
    policy_size INTEGER NOT NULL DEFAULT 0,  -- largest item taken without asking
    quota INTEGER,                           -- octets; NULL: none
    uid_validity INTEGER NOT NULL DEFAULT 0, -- highest one given to a mailbox
    created REAL NOT NULL
);

-- Facts about this installation: secrets made once, such as the key of fake salts.
CREATE TABLE fact (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;

-- People an account has accepted from or sent to (policy 'contacts').
CREATE TABLE contact (
    account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    address TEXT NOT NULL,
    PRIMARY KEY (account_id, address)
) WITHOUT ROWID;

-- The octets of one large part.  Grows at its end only, then is sealed.
CREATE TABLE blob (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL UNIQUE,                -- file name below incoming/ while it grows
    sealed INTEGER NOT NULL DEFAULT 0,
    durable INTEGER NOT NULL DEFAULT 0,      -- octets synced and readable, by any process
    expected INTEGER,                        -- final size when announced
    sha256 TEXT,                             -- hex, once sealed; names the file
    inline BLOB,                             -- the octets themselves, at most 64 KiB
    refs INTEGER NOT NULL DEFAULT 0,         -- messages and renderings that need it
    created REAL NOT NULL,
    touched REAL NOT NULL                    -- when it last grew
);
-- Not unique: a blob that was read while it grew keeps its row; both share one file.
CREATE INDEX blob_by_digest ON blob (sha256) WHERE sealed = 1;
CREATE INDEX blob_unused ON blob (touched) WHERE refs = 0;

-- XXH3 of each 4 MiB segment that is durable; the last one may be short.
CREATE TABLE segment (
    blob_id INTEGER NOT NULL REFERENCES blob ON DELETE CASCADE,
    number INTEGER NOT NULL,
    digest BLOB NOT NULL,
    PRIMARY KEY (blob_id, number)
) WITHOUT ROWID;

-- What a message says: immutable, shared by its copies in several mailboxes.
CREATE TABLE content (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    trace TEXT NOT NULL,
    size INTEGER NOT NULL,                   -- octets of the rendering (RFC822.SIZE)
    pieces TEXT NOT NULL,                    -- the rope, see rope.py
    constants BLOB NOT NULL,                 -- its constant octets, end to end
    structure TEXT NOT NULL,                 -- mail.structure.Structure as JSON
    complete INTEGER NOT NULL DEFAULT 1,     -- 0 while a blob of it still grows
    refs INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE content_blob (
    content_id INTEGER NOT NULL REFERENCES content ON DELETE CASCADE,
    blob_id INTEGER NOT NULL REFERENCES blob,
    PRIMARY KEY (content_id, blob_id)
) WITHOUT ROWID;
CREATE INDEX content_blob_by_blob ON content_blob (blob_id);

CREATE TABLE mailbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    name TEXT NOT NULL,                      -- UTF-8, '/' between levels
    uid_validity INTEGER NOT NULL,
    uid_next INTEGER NOT NULL DEFAULT 1,
    mod_seq INTEGER NOT NULL DEFAULT 1,      -- highest one given (RFC 7162)
    special_use TEXT NOT NULL DEFAULT '',    -- '\Sent' (RFC 6154)
    subscribed INTEGER NOT NULL DEFAULT 1,
    UNIQUE (account_id, name)
);

CREATE TABLE message (
    id INTEGER PRIMARY KEY,
    mailbox_id INTEGER NOT NULL REFERENCES mailbox ON DELETE CASCADE,
    uid INTEGER NOT NULL,
    content_id INTEGER NOT NULL REFERENCES content,
    flags TEXT NOT NULL DEFAULT '',          -- sorted, space between: '$Offer \Seen'
    internal_date REAL NOT NULL,
    mod_seq INTEGER NOT NULL,
    UNIQUE (mailbox_id, uid)
);
CREATE INDEX message_by_change ON message (mailbox_id, mod_seq);
CREATE INDEX message_by_content ON message (content_id);

CREATE TABLE expunged (
    mailbox_id INTEGER NOT NULL REFERENCES mailbox ON DELETE CASCADE,
    mod_seq INTEGER NOT NULL,
    uid INTEGER NOT NULL,
    PRIMARY KEY (mailbox_id, uid)
) WITHOUT ROWID;
CREATE INDEX expunged_by_change ON expunged (mailbox_id, mod_seq);

CREATE TABLE metadata (
    account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    mailbox TEXT NOT NULL,                   -- '' is the server (RFC 5464 §3)
    entry TEXT NOT NULL,                     -- lower case, '/private/...'
    value BLOB NOT NULL,
    PRIMARY KEY (account_id, mailbox, entry)
) WITHOUT ROWID;

-- One entry of a Library: an own upload, or content received.
CREATE TABLE item (
    id TEXT PRIMARY KEY,                     -- the queue id given in the 250
    account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    own INTEGER NOT NULL,                    -- 1: uploaded by the account, 0: received
    content_id INTEGER NOT NULL REFERENCES content,   -- the rendering in Library
    blob_id INTEGER REFERENCES blob,         -- the file's octets; NULL when inline in content
    section TEXT NOT NULL DEFAULT '1',       -- where the file is in that rendering
    name TEXT NOT NULL,
    type TEXT NOT NULL,                      -- the real media type
    size INTEGER NOT NULL,
    sha256 TEXT,
    number TEXT,                             -- the terminal's Share-Number
    code TEXT,                               -- its random verification code
    terminal TEXT,                           -- which terminal's table the number is from
    sender TEXT,                             -- who sent it, for a received one
    library_uid INTEGER,
    items_uid INTEGER,                       -- its stub in Items
    inbox_uid INTEGER,
    trace TEXT NOT NULL,
    created REAL NOT NULL
);
CREATE INDEX item_by_account ON item (account_id, created);
CREATE INDEX item_by_number ON item (account_id, number);
CREATE INDEX item_by_library ON item (account_id, library_uid);
CREATE INDEX item_by_stub ON item (account_id, items_uid);
CREATE INDEX item_by_content ON item (content_id);
CREATE INDEX item_by_blob ON item (blob_id);

-- The bytes around an item's content as one destination server sees them, frozen at the
-- first attempt so that an offset means the same on every attempt.
CREATE TABLE rendering (
    id INTEGER PRIMARY KEY,
    item_id TEXT NOT NULL REFERENCES item ON DELETE CASCADE,
    next_hop TEXT NOT NULL,                  -- domain
    head BLOB NOT NULL,
    tail BLOB NOT NULL,
    created REAL NOT NULL,
    UNIQUE (item_id, next_hop)
);

-- One item (or message) to one recipient: the queue.
CREATE TABLE transfer (
    id TEXT PRIMARY KEY,                     -- what 250 replies, logs and `queue` name
    account_id INTEGER REFERENCES account ON DELETE CASCADE,
    kind TEXT NOT NULL,                      -- mail.transfer.Kind
    state TEXT NOT NULL,                     -- mail.transfer.State
    held INTEGER NOT NULL DEFAULT 0,
    item_id TEXT REFERENCES item,
    content_id INTEGER REFERENCES content,   -- the message itself, for mail and answer
    sender TEXT NOT NULL,                    -- '' is the null path
    recipient TEXT NOT NULL,
    smtputf8 INTEGER NOT NULL DEFAULT 0,
    note TEXT NOT NULL DEFAULT '',
    size INTEGER NOT NULL,                   -- octets of the file or message
    octets INTEGER NOT NULL DEFAULT 0,       -- of them acknowledged by the next hop
    nonce TEXT,                              -- of the offer
    ticket TEXT,                             -- hex, from the accepting answer
    ticket_size INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,
    claimed_by TEXT,                         -- which delivery process, while active
    due REAL NOT NULL,
    expires REAL NOT NULL,                   -- the offer's, then the queue lifetime
    warned INTEGER NOT NULL DEFAULT 0,       -- 1: a delayed notice was given; 2: the last
    status TEXT NOT NULL DEFAULT '',         -- last enhanced code
    reply TEXT NOT NULL DEFAULT '',          -- last reply text, cleaned
    relay TEXT NOT NULL DEFAULT '',          -- last next hop, host[ip]:port
    trace TEXT NOT NULL,
    created REAL NOT NULL,
    changed REAL NOT NULL,
    finished REAL,
    view_uid INTEGER,                        -- its message in Transfers
    name TEXT NOT NULL DEFAULT ''            -- of the item, or the Subject of a mail
);
CREATE INDEX transfer_by_due ON transfer (due)
    WHERE held = 0 AND state IN ('accepted', 'deferred', 'queued');
CREATE INDEX transfer_by_expiry ON transfer (expires)
    WHERE finished IS NULL AND held = 0;
CREATE INDEX transfer_by_account ON transfer (account_id, created);
CREATE INDEX transfer_by_item ON transfer (item_id, recipient);
CREATE INDEX transfer_by_content ON transfer (content_id);
CREATE INDEX transfer_by_view ON transfer (account_id, view_uid);
CREATE INDEX transfer_by_claim ON transfer (claimed_by) WHERE claimed_by IS NOT NULL;
CREATE INDEX transfer_by_end ON transfer (finished) WHERE finished IS NOT NULL;
CREATE INDEX transfer_to_tell ON transfer (changed)
    WHERE warned < 2 AND state IN ('declined', 'expired', 'failed');
CREATE INDEX transfer_late ON transfer (created)
    WHERE warned = 0 AND state = 'deferred';

-- An offer made to one of our accounts.
CREATE TABLE offer (
    id TEXT NOT NULL,
    account_id INTEGER NOT NULL REFERENCES account ON DELETE CASCADE,
    sender TEXT NOT NULL,
    recipient TEXT NOT NULL,
    nonce TEXT NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    size INTEGER NOT NULL,
    sha256 TEXT,
    home TEXT NOT NULL,
    note TEXT NOT NULL DEFAULT '',
    state TEXT NOT NULL DEFAULT 'open'
        CHECK (state IN ('open', 'accepted', 'declined', 'expired', 'arrived')),
    proof TEXT UNIQUE,                       -- what a push must present; of the ticket
    reserved INTEGER NOT NULL DEFAULT 0,     -- octets kept free for it
    item_id TEXT,                            -- what arrived for it
    final_reply TEXT,                        -- the 250 that was given, to be given again
    content_id INTEGER REFERENCES content,   -- the message that made it, while open
    expires REAL NOT NULL,
    trace TEXT NOT NULL,
    created REAL NOT NULL,
    decided REAL,
    PRIMARY KEY (account_id, id)
) WITHOUT ROWID;
CREATE INDEX offer_by_content ON offer (content_id) WHERE content_id IS NOT NULL;
CREATE INDEX offer_by_expiry ON offer (expires);
CREATE INDEX offer_by_reserve ON offer (reserved) WHERE reserved > 0;

-- What happened to a trace, hop by hop; `maild trace` tells it.
CREATE TABLE trace_event (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    trace TEXT NOT NULL,
    subject TEXT NOT NULL,                   -- queue id
    station TEXT NOT NULL,
    text TEXT NOT NULL
);
CREATE INDEX trace_event_by_trace ON trace_event (trace);
CREATE INDEX trace_event_by_subject ON trace_event (subject);
CREATE INDEX trace_event_by_time ON trace_event (at);
