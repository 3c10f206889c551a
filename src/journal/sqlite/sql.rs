//! Every statement. Times are RFC 3339 text with nanoseconds, plans, events and endings are JSON: all of it can be
//! read with the `sqlite3` shell, at 3 a.m., without this program.

pub(super) const IS_EMPTY: &str = "SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)";

/// `lease` is one row that never goes: the token outlives its lease. In `runs`, `head_seq` and `head_hash` are the
/// end of the run's chain (so that records missing at its end show), `blocks` says whether the run keeps others
/// from being opened, and `plan_hash` is the SHA-256 of `plan`.
pub(super) const SCHEMA: &str = "
CREATE TABLE lease (
    one       INTEGER PRIMARY KEY CHECK (one = 1),
    token     INTEGER NOT NULL,
    holder    TEXT,
    until     TEXT,
    CHECK ((holder IS NULL) = (until IS NULL))
) STRICT;
INSERT INTO lease (one, token) VALUES (1, 0);
CREATE TABLE runs (
    number    INTEGER PRIMARY KEY,
    run       TEXT NOT NULL UNIQUE,
    opened_at TEXT NOT NULL,
    plan      TEXT NOT NULL,
    plan_hash TEXT NOT NULL,
    head_seq  INTEGER NOT NULL DEFAULT 0,
    head_hash TEXT NOT NULL DEFAULT '',
    ending    TEXT,
    ended_at  TEXT,
    blocks    INTEGER NOT NULL DEFAULT 1 CHECK (blocks IN (0, 1)),
    abort_by  TEXT,
    abort_at  TEXT
) STRICT;
CREATE INDEX blocking ON runs (number) WHERE blocks = 1;
CREATE TABLE records (
    number    INTEGER NOT NULL REFERENCES runs (number),
    seq       INTEGER NOT NULL,
    at        TEXT NOT NULL,
    token     INTEGER NOT NULL,
    event     TEXT NOT NULL,
    hash      TEXT NOT NULL,
    PRIMARY KEY (number, seq)
) STRICT, WITHOUT ROWID;
";

/// Added with schema 2. `kept` says whether the note is part of what is withdrawn, and so never forgotten.
pub(super) const NOTES_SCHEMA: &str = "
CREATE TABLE notes (
    seq       INTEGER PRIMARY KEY AUTOINCREMENT,
    at        TEXT NOT NULL,
    word      TEXT NOT NULL,
    kept      INTEGER NOT NULL CHECK (kept IN (0, 1)),
    note      TEXT NOT NULL
) STRICT;
CREATE INDEX withdrawals ON notes (seq) WHERE kept = 1;
";

/// Added with schema 3. `opening_hash` is the SHA-256 of `opening`; `head_seq` and `head_hash` are the end of the chain.
pub(super) const PLAYS_SCHEMA: &str = "
CREATE TABLE plays (
    number       INTEGER PRIMARY KEY,
    play         TEXT NOT NULL UNIQUE,
    opened_at    TEXT NOT NULL,
    opening      TEXT NOT NULL,
    opening_hash TEXT NOT NULL,
    holder       TEXT,
    head_seq     INTEGER NOT NULL DEFAULT 0,
    head_hash    TEXT NOT NULL DEFAULT '',
    ending       TEXT,
    ended_at     TEXT
) STRICT;
CREATE TABLE play_records (
    number    INTEGER NOT NULL REFERENCES plays (number),
    seq       INTEGER NOT NULL,
    at        TEXT NOT NULL,
    event     TEXT NOT NULL,
    hash      TEXT NOT NULL,
    PRIMARY KEY (number, seq)
) STRICT, WITHOUT ROWID;
";

pub(super) const LEASE: &str = "SELECT token, holder, until FROM lease WHERE one = 1";
pub(super) const SET_LEASE: &str = "UPDATE lease SET token = ?1, holder = ?2, until = ?3 WHERE one = 1";
pub(super) const END_LEASE: &str = "UPDATE lease SET holder = NULL, until = NULL WHERE one = 1";

pub(super) const RUN: &str = "SELECT number, head_seq, head_hash, ending FROM runs WHERE run = ?1";
pub(super) const ADD_RUN: &str = "INSERT INTO runs (run, opened_at, plan, plan_hash) VALUES (?1, ?2, ?3, ?4)";
pub(super) const BLOCKING: &str = "SELECT run FROM runs WHERE blocks = 1 ORDER BY number DESC LIMIT 1";
pub(super) const SET_HEAD: &str = "UPDATE runs SET head_seq = ?2, head_hash = ?3 WHERE number = ?1";
pub(super) const SET_ENDING: &str = "UPDATE runs SET ending = ?2, ended_at = ?3, blocks = ?4 WHERE number = ?1";

pub(super) const SUMMARY: &str = "SELECT run, opened_at, plan, plan_hash, ending, ended_at FROM runs WHERE run = ?1";
pub(super) const SUMMARIES: &str =
    "SELECT run, opened_at, plan, plan_hash, ending, ended_at FROM runs ORDER BY number DESC LIMIT ?1";

pub(super) const ADD_RECORD: &str =
    "INSERT INTO records (number, seq, at, token, event, hash) VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
pub(super) const RECORDS: &str = "SELECT seq, at, token, event, hash FROM records WHERE number = ?1 ORDER BY seq";

pub(super) const ASK_ABORT: &str =
    "UPDATE runs SET abort_by = ?2, abort_at = ?3 WHERE number = ?1 AND abort_by IS NULL";
pub(super) const ABORT_BY: &str = "SELECT abort_by FROM runs WHERE number = ?1";

pub(super) const HAS_NOTES: &str = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'notes')";
pub(super) const ADD_NOTE: &str = "INSERT INTO notes (at, word, kept, note) VALUES (?1, ?2, ?3, ?4)";
pub(super) const NOTES: &str = "SELECT seq, at, note FROM notes ORDER BY seq DESC LIMIT ?1";
pub(super) const WITHDRAWALS: &str =
    "SELECT seq, at, note FROM notes WHERE kept = 1 AND word NOT LIKE 'clone-%' ORDER BY seq";
pub(super) const CLONE_NOTES: &str =
    "SELECT seq, at, note FROM notes WHERE kept = 1 AND word LIKE 'clone-%' ORDER BY seq";
pub(super) const FORGET_NOTES: &str = "DELETE FROM notes WHERE kept = 0 AND seq <= ?1";

pub(super) const HAS_PLAYS: &str = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'plays')";
pub(super) const OPEN_PLAY: &str = "SELECT play FROM plays WHERE ending IS NULL ORDER BY number DESC LIMIT 1";
pub(super) const ADD_PLAY: &str =
    "INSERT INTO plays (play, opened_at, opening, opening_hash, holder) VALUES (?1, ?2, ?3, ?4, ?5)";
pub(super) const PLAY: &str = "SELECT number, head_seq, head_hash, ending, holder FROM plays WHERE play = ?1";
pub(super) const SET_PLAY_HOLDER: &str = "UPDATE plays SET holder = ?2 WHERE number = ?1";
pub(super) const SET_PLAY_HEAD: &str = "UPDATE plays SET head_seq = ?2, head_hash = ?3 WHERE number = ?1";
pub(super) const SET_PLAY_ENDING: &str = "UPDATE plays SET ending = ?2, ended_at = ?3 WHERE number = ?1";
pub(super) const ADD_PLAY_RECORD: &str =
    "INSERT INTO play_records (number, seq, at, event, hash) VALUES (?1, ?2, ?3, ?4, ?5)";
pub(super) const PLAY_RECORDS: &str = "SELECT seq, at, event, hash FROM play_records WHERE number = ?1 ORDER BY seq";
pub(super) const PLAY_SUMMARY: &str = "SELECT play, opened_at, opening, opening_hash, holder, ending, ended_at, head_seq, \
                                       head_hash FROM plays WHERE play = ?1";
pub(super) const PLAY_SUMMARIES: &str = "SELECT play, opened_at, opening, opening_hash, holder, ending, ended_at, head_seq, \
                                         head_hash FROM plays ORDER BY number DESC LIMIT ?1";
