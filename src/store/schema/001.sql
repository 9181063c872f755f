-- The first schema. Names, keys and hashes are sealed or keyed; numbers and times are in clear.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value ANY NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE albums (
    no             INTEGER PRIMARY KEY AUTOINCREMENT,
    remote         INTEGER UNIQUE,           -- NULL until the server has made it
    own            INTEGER NOT NULL,
    kind           TEXT NOT NULL,            -- the wire's word
    ino            INTEGER NOT NULL UNIQUE,
    key            BLOB NOT NULL,            -- sealed collection key
    create_request BLOB,                     -- the exact request that makes it, until it is made
    name           BLOB NOT NULL,            -- sealed: the album's name on the server
    want_name      BLOB,                     -- sealed: a rename that is not confirmed
    shown          BLOB,                     -- sealed: its directory's name
    shown_tag      BLOB UNIQUE,              -- keyed by the list it is in
    visibility     INTEGER NOT NULL,
    want_visibility INTEGER,                 -- archiving, hiding or showing that is not confirmed
    owner          INTEGER,                  -- whose it is, where somebody shares it with us
    owner_email    BLOB,                     -- sealed
    role           TEXT,                     -- what we may do there: the wire's word
    quick_link     INTEGER NOT NULL,
    shared         INTEGER NOT NULL,         -- has sharees or a public link
    state          INTEGER NOT NULL,         -- AlbumState
    complete       INTEGER NOT NULL,         -- its first pull is complete
    updation       INTEGER NOT NULL,
    cursor         INTEGER NOT NULL,         -- moves in the transaction of the rows it covers (I5)
    synced         INTEGER NOT NULL,         -- the updation that the cursor has caught up with
    create_after   INTEGER,                  -- an empty new album waits until then
    mtime          INTEGER NOT NULL
) STRICT;

CREATE TABLE files (
    id             INTEGER PRIMARY KEY,
    own            INTEGER NOT NULL,
    kind           INTEGER,                  -- NULL: cannot be read
    key            BLOB,                     -- sealed file key
    label          BLOB,                     -- sealed: title, edited name, capture time
    taken          INTEGER,                  -- capture time, for `Timeline/`
    hash_tag       BLOB,                     -- keyed: content hash and kind
    hidden         INTEGER NOT NULL,         -- legacy: hidden one by one
    trashed        INTEGER NOT NULL,         -- in Ente's trash, or deleted there for good
    delete_by      INTEGER,                  -- in the trash: when it is deleted for good
    stand_in       INTEGER NOT NULL,         -- its thumbnail is the stand-in
    previous       INTEGER NOT NULL,         -- another version took its place here
    content        INTEGER,                  -- the content it has now
    thumb_header   BLOB,
    meta_header    BLOB,                     -- server ciphertext as received
    meta           BLOB,
    pub_version    INTEGER,
    pub_header     BLOB,
    pub            BLOB,
    priv_version   INTEGER,
    priv_header    BLOB,
    priv           BLOB,
    want_name      BLOB                      -- sealed: an edited name that is not confirmed
) STRICT;
CREATE INDEX files_by_time ON files (taken) WHERE taken IS NOT NULL;
CREATE INDEX files_by_hash ON files (hash_tag) WHERE hash_tag IS NOT NULL;

CREATE TABLE contents (
    no             INTEGER PRIMARY KEY AUTOINCREMENT,
    file           INTEGER NOT NULL,
    part           INTEGER NOT NULL,
    header         BLOB NOT NULL,
    cipher_size    INTEGER NOT NULL,
    size           INTEGER NOT NULL,
    ino            INTEGER NOT NULL UNIQUE,  -- the album inode that names it
    mtime          INTEGER NOT NULL,
    ctime          INTEGER NOT NULL,
    mode           INTEGER,                  -- NULL: the mount's default
    uid            INTEGER,
    gid            INTEGER,
    macs           BLOB,                     -- 8 bytes a chunk
    -- Of a live photo's half, which lies in the object's zip:
    archive        INTEGER,                  -- the still's content: the zip's chunks and MACs are kept under its number
    extension      BLOB,                     -- sealed
    packed_at      INTEGER,                  -- in the zip; NULL: size and extension are hints, not verified yet
    packed_size    INTEGER,
    deflated       INTEGER
) STRICT;
CREATE INDEX contents_by_file ON contents (file);
CREATE INDEX contents_by_size ON contents (size);

CREATE TABLE members (
    album          INTEGER NOT NULL,         -- 0: Ente's trash
    file           INTEGER NOT NULL,
    live           INTEGER NOT NULL,         -- what the server said last
    want           INTEGER,                  -- what a pending change makes of it: 0 left, 1 entered
    updation       INTEGER NOT NULL,
    listing        BLOB,                     -- sealed: name, inode, size, times; NULL: not listed
    name_tag       BLOB,
    clip           BLOB,                     -- sealed: the same of a live photo's clip
    clip_tag       BLOB,
    stem_tag       BLOB,
    suffix         INTEGER,
    provisional    INTEGER NOT NULL DEFAULT 0, -- a suffix that may be given up: 2 given in this pull, 1 in the last
    PRIMARY KEY (album, file)
) STRICT, WITHOUT ROWID;
CREATE INDEX members_by_file ON members (file);
CREATE INDEX members_by_name ON members (album, name_tag) WHERE name_tag IS NOT NULL;
CREATE INDEX members_by_clip ON members (album, clip_tag) WHERE clip_tag IS NOT NULL;
CREATE INDEX members_by_stem ON members (album, stem_tag) WHERE stem_tag IS NOT NULL;
CREATE INDEX members_provisional ON members (album) WHERE provisional > 0;

-- Inodes born here: directories of drops, dropped files, and photos rewritten in place.
CREATE TABLE nodes (
    ino            INTEGER PRIMARY KEY,
    kind           INTEGER NOT NULL,         -- NodeKind
    mode           INTEGER NOT NULL,
    uid            INTEGER,
    gid            INTEGER,
    size           INTEGER NOT NULL,
    mtime          INTEGER NOT NULL,
    ctime          INTEGER NOT NULL,
    album          INTEGER,                  -- the album a directory maps to, or a file's photo was put in
    vault          BLOB,                     -- the bytes, while they are in the spool
    file           INTEGER,                  -- the photo it became
    content        INTEGER,
    taken          INTEGER,                  -- capture time of what was sent
    linked         INTEGER NOT NULL DEFAULT 0 -- has, or had, more than one name
) STRICT;
CREATE INDEX nodes_by_file ON nodes (file) WHERE file IS NOT NULL;

CREATE TABLE names (
    parent         INTEGER NOT NULL,
    tag            BLOB NOT NULL,
    name           BLOB NOT NULL,            -- sealed
    ino            INTEGER NOT NULL,
    PRIMARY KEY (parent, tag)
) STRICT, WITHOUT ROWID;
CREATE INDEX names_by_ino ON names (ino);

CREATE TABLE xattrs (
    ino            INTEGER NOT NULL,
    tag            BLOB NOT NULL,
    sealed         BLOB NOT NULL,            -- name and value
    PRIMARY KEY (ino, tag)
) STRICT, WITHOUT ROWID;

CREATE TABLE uploads (
    no             INTEGER PRIMARY KEY AUTOINCREMENT,
    ino            INTEGER NOT NULL,
    vault          BLOB NOT NULL UNIQUE,
    generation     INTEGER NOT NULL DEFAULT 0, -- its newest commit known to be durable; 0: none
    stage          INTEGER NOT NULL,         -- Stage
    size           INTEGER NOT NULL,
    due            INTEGER NOT NULL,         -- settle or retry time
    attempts       INTEGER NOT NULL DEFAULT 0,
    parked         TEXT,                     -- ParkReason
    since          INTEGER NOT NULL,
    as_is          INTEGER NOT NULL DEFAULT 0,
    target         INTEGER,                  -- AlbumNo
    supersedes     INTEGER,                  -- FileId of the version this one replaces
    hash_tag       BLOB,
    file           INTEGER,                  -- the photo it became or is linked to
    sent           INTEGER NOT NULL DEFAULT 0, -- a request that makes or links it may have reached the server
    frozen         INTEGER NOT NULL DEFAULT 0, -- was sealed once: its bytes never change again (I2)
    killed         INTEGER NOT NULL DEFAULT 0, -- its last writer was ended by a signal
    adopted        INTEGER NOT NULL DEFAULT 0, -- found without a row: a photo with its bytes is it, whatever its name
    kept           INTEGER NOT NULL DEFAULT 0, -- Kept: removed before it was in Ente, its bytes are kept for a while
    part           INTEGER,                  -- of a live photo being made: still or clip
    partner        INTEGER,                  -- and the other half's upload
    request_tag    BLOB                      -- keyed: the wrapped key in it, by which a pull knows it
) STRICT;
-- What steps of an upload leave for later ones. A row is written at each step, with all that is in it: these are apart.
CREATE TABLE upload_blobs (
    id             INTEGER PRIMARY KEY,      -- 8 × the upload's number, plus which it is, UploadBlob:
                                             -- 0 facts: hash, kind, name, times as prepared
                                             -- 1 prepared: keys, headers, part MD5s, sealed metadata, thumbnail
                                             -- 2 transfer: URLs and finished parts of a large file
                                             -- 3 request: the exact register request (I15)
                                             -- 4 detail: what happened, for people
                                             -- 5 told: what an import or a sidecar says of it
    sealed         BLOB NOT NULL
) STRICT;
CREATE INDEX uploads_by_due ON uploads (due) WHERE parked IS NULL;
-- Small ones first, without sorting all that waits for every one that is taken.
CREATE INDEX uploads_by_size ON uploads (size, no) WHERE parked IS NULL AND due < 9223372036854775807;
CREATE INDEX uploads_by_ino ON uploads (ino);
CREATE INDEX uploads_by_hash ON uploads (hash_tag) WHERE hash_tag IS NOT NULL;
CREATE INDEX uploads_by_request ON uploads (request_tag) WHERE request_tag IS NOT NULL;
CREATE INDEX uploads_by_old ON uploads (supersedes) WHERE supersedes IS NOT NULL;
CREATE INDEX uploads_by_file ON uploads (file) WHERE file IS NOT NULL;

-- Changes to the account that are not confirmed yet, in the order they were made.
CREATE TABLE ops (
    no             INTEGER PRIMARY KEY AUTOINCREMENT,
    kind           INTEGER NOT NULL,         -- OpKind
    file           INTEGER,
    from_album     INTEGER,
    to_album       INTEGER,
    name           BLOB,                     -- sealed
    due            INTEGER NOT NULL,
    attempts       INTEGER NOT NULL DEFAULT 0,
    detail         BLOB                      -- sealed: why it was refused, for people
) STRICT;
CREATE INDEX ops_by_file ON ops (file) WHERE file IS NOT NULL;

-- What somebody removed, moved or renamed at the mount, and how it was before: for `undo`, and for the brake.
CREATE TABLE journal (
    no             INTEGER PRIMARY KEY AUTOINCREMENT,
    at             INTEGER NOT NULL,
    weight         INTEGER NOT NULL,         -- what it counts for the brake
    kind           INTEGER NOT NULL,         -- ChangeKind
    file           INTEGER,
    album          INTEGER,                  -- where the photo was, or the album itself
    to_album       INTEGER,                  -- where it went
    joined         INTEGER NOT NULL,         -- it was not there before
    ino            INTEGER,                  -- an inode of this machine
    was            BLOB                      -- sealed: its name or path before
) STRICT;
CREATE INDEX journal_by_time ON journal (at);
CREATE INDEX journal_counted ON journal (at, weight) WHERE weight > 0;

-- Refused changes and other troubles, for `status`.
CREATE TABLE troubles (
    no             INTEGER PRIMARY KEY AUTOINCREMENT,
    at             INTEGER NOT NULL,
    kind           TEXT NOT NULL,
    sealed         BLOB NOT NULL
) STRICT;

-- What an import under way has handed over; gone when it has ended.
CREATE TABLE imported (
    job            BLOB NOT NULL,            -- keyed: sources and choice
    item           BLOB NOT NULL,            -- keyed: the file
    upload         INTEGER,                  -- NULL: Ente had it
    PRIMARY KEY (job, item)
) STRICT, WITHOUT ROWID;
