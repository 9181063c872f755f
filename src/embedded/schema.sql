-- Version 1. All times are microseconds since the Unix epoch, all sizes bytes of ciphertext.
-- Binary fields are kept as the base64 text that came, because the server gives them back unread.

CREATE TABLE server (
    -- Signs presigned URLs; made once.
    secret BLOB NOT NULL
);

CREATE TABLE users (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    email          TEXT NOT NULL UNIQUE,
    created_at     INTEGER NOT NULL,
    -- JSON as PUT /users/attributes sent it; NULL while sign-up is incomplete.
    key_attributes TEXT,
    email_mfa      INTEGER NOT NULL DEFAULT 0,
    -- Raw TOTP secret; NULL while the second factor is off.
    totp_secret    BLOB,
    has_passkey    INTEGER NOT NULL DEFAULT 0,
    storage        INTEGER NOT NULL,
    plan_expiry    INTEGER NOT NULL,
    -- Sum of the sizes of files that are not permanently deleted.
    usage          INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE tokens (
    token      TEXT PRIMARY KEY,
    user       INTEGER NOT NULL REFERENCES users(id),
    app        TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    last_used  INTEGER NOT NULL,
    ip         TEXT NOT NULL,
    agent      TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX tokens_of_user ON tokens(user);

CREATE TABLE codes (
    email      TEXT NOT NULL,
    app        TEXT NOT NULL,
    code       TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    misses     INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (email, app, code)
) WITHOUT ROWID;

CREATE TABLE srp (
    user        INTEGER PRIMARY KEY REFERENCES users(id),
    srp_user_id TEXT NOT NULL UNIQUE,
    salt        TEXT NOT NULL,
    verifier    BLOB NOT NULL
);

-- A log-in (salt and verifier NULL) or a setup (both set) that waits for the client's proof.
CREATE TABLE srp_sessions (
    id          TEXT PRIMARY KEY,
    user        INTEGER NOT NULL REFERENCES users(id),
    srp_user_id TEXT NOT NULL,
    salt        TEXT,
    verifier    BLOB,
    secret      BLOB NOT NULL,
    a_public    BLOB NOT NULL,
    created_at  INTEGER NOT NULL,
    misses      INTEGER NOT NULL DEFAULT 0,
    is_verified INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE INDEX srp_sessions_of_id ON srp_sessions(srp_user_id, created_at);

CREATE TABLE totp_setups (
    user       INTEGER PRIMARY KEY REFERENCES users(id),
    secret     BLOB NOT NULL,
    created_at INTEGER NOT NULL
);

-- Steps of the TOTP clock whose code has logged a user in.
CREATE TABLE totp_used (
    user INTEGER NOT NULL REFERENCES users(id),
    step INTEGER NOT NULL,
    PRIMARY KEY (user, step)
) WITHOUT ROWID;

CREATE TABLE totp_sessions (
    id         TEXT PRIMARY KEY,
    user       INTEGER NOT NULL REFERENCES users(id),
    created_at INTEGER NOT NULL,
    misses     INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

CREATE TABLE passkey_sessions (
    id          TEXT PRIMARY KEY,
    user        INTEGER NOT NULL REFERENCES users(id),
    created_at  INTEGER NOT NULL,
    verified_at INTEGER,
    fetches     INTEGER NOT NULL DEFAULT 0
) WITHOUT ROWID;

CREATE TABLE collections (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    owner          INTEGER NOT NULL REFERENCES users(id),
    app            TEXT NOT NULL,
    kind           TEXT NOT NULL,
    encrypted_key  TEXT NOT NULL,
    key_nonce      TEXT NOT NULL,
    encrypted_name TEXT NOT NULL,
    name_nonce     TEXT NOT NULL,
    -- JSON, as are all magic metadata envelopes below.
    attributes     TEXT NOT NULL,
    magic          TEXT,
    pub_magic      TEXT,
    updation_time  INTEGER NOT NULL,
    is_deleted     INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX collections_of_owner ON collections(owner, updation_time);
CREATE UNIQUE INDEX special_collections ON collections(owner, app, kind) WHERE kind IN ('favorites', 'uncategorized');

CREATE TABLE shares (
    collection    INTEGER NOT NULL REFERENCES collections(id),
    member        INTEGER NOT NULL REFERENCES users(id),
    role          TEXT NOT NULL,
    encrypted_key TEXT NOT NULL,
    magic         TEXT,
    shared_at     INTEGER NOT NULL,
    updation_time INTEGER NOT NULL,
    is_deleted    INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (collection, member)
) WITHOUT ROWID;
CREATE INDEX shares_of_member ON shares(member);

CREATE TABLE files (
    id              INTEGER PRIMARY KEY AUTOINCREMENT,
    owner           INTEGER NOT NULL REFERENCES users(id),
    file_key        TEXT NOT NULL,
    file_header     TEXT NOT NULL,
    file_size       INTEGER NOT NULL,
    thumb_key       TEXT NOT NULL,
    thumb_header    TEXT NOT NULL,
    thumb_size      INTEGER NOT NULL,
    metadata        TEXT NOT NULL,
    metadata_header TEXT NOT NULL,
    magic           TEXT,
    pub_magic       TEXT,
    updation_time   INTEGER NOT NULL,
    -- Permanently.
    is_deleted      INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX files_of_owner ON files(owner);

-- Which objects a registration has used up: those of live, trashed and permanently deleted files.
-- An update frees the replaced ones (data 3.5, replay table).
CREATE TABLE objects (
    object_key TEXT PRIMARY KEY,
    file       INTEGER NOT NULL REFERENCES files(id)
) WITHOUT ROWID;

-- Objects that no file names any more; the bytes go when they are due.
CREATE TABLE doomed_objects (
    object_key TEXT PRIMARY KEY,
    due_at     INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE memberships (
    collection    INTEGER NOT NULL REFERENCES collections(id),
    file          INTEGER NOT NULL REFERENCES files(id),
    -- The file's key wrapped by the collection's; what came first stays (data 6).
    encrypted_key TEXT NOT NULL,
    key_nonce     TEXT NOT NULL,
    added_at      INTEGER NOT NULL,
    updation_time INTEGER NOT NULL,
    is_deleted    INTEGER NOT NULL DEFAULT 0,
    action        TEXT,
    action_user   INTEGER,
    PRIMARY KEY (collection, file)
) WITHOUT ROWID;
CREATE INDEX memberships_by_time ON memberships(collection, updation_time);
CREATE INDEX memberships_of_file ON memberships(file);

CREATE TABLE trash (
    file        INTEGER PRIMARY KEY REFERENCES files(id),
    owner       INTEGER NOT NULL REFERENCES users(id),
    collection  INTEGER NOT NULL REFERENCES collections(id),
    created_at  INTEGER NOT NULL,
    updated_at  INTEGER NOT NULL,
    delete_by   INTEGER NOT NULL,
    is_deleted  INTEGER NOT NULL DEFAULT 0,
    is_restored INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX trash_by_time ON trash(owner, updated_at);

-- Multipart uploads that are not completed.
CREATE TABLE uploads (
    id          TEXT PRIMARY KEY,
    object_key  TEXT NOT NULL,
    -- Where every part's place in the object is known from the start; 0 elsewhere.
    part_length INTEGER NOT NULL,
    part_count  INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE upload_parts (
    upload TEXT NOT NULL REFERENCES uploads(id),
    number INTEGER NOT NULL,
    etag   TEXT NOT NULL,
    PRIMARY KEY (upload, number)
) WITHOUT ROWID;

-- Numbers as a real server gives them: large, and no two kinds alike.
INSERT INTO sqlite_sequence (name, seq) VALUES
    ('users', 1580559962386437), ('collections', 1580559962400000), ('files', 9999999);

PRAGMA user_version = 1;
