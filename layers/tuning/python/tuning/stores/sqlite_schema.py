"""The schema of the SQLite observation store's file: what is in it, and how a file of an earlier release becomes one.

A file is migrated when it is opened, in one transaction: however many open it at once and wherever that is cut off, it
has the old schema or the new one. A file of something else, or of a later release, is left as it is.
"""

import sqlite3
from pathlib import Path

from tuning.errors import StoreCorruptError
from tuning.stores.records import load_setting

_APPLICATION_ID = 0x54554E45  # "TUNE": marks the file as ours

# A migration from each schema version to the next; a file's version is its `user_version`. Append, never edit.
_MIGRATIONS = (
    """
    CREATE TABLE studies (
        mode TEXT PRIMARY KEY,
        seed INTEGER NOT NULL,
        hyperparameters TEXT,
        fitted_on INTEGER NOT NULL DEFAULT 0
    );
    CREATE TABLE observations (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        mode TEXT NOT NULL,
        setting TEXT NOT NULL,
        rating REAL NOT NULL,
        recorded_at TEXT NOT NULL,
        suggestion_id TEXT
    );
    CREATE INDEX observations_of_mode ON observations (mode, id);
    CREATE TABLE idempotency_keys (
        key TEXT PRIMARY KEY,
        fingerprint TEXT NOT NULL,
        samples_seen INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE suggestions (
        id TEXT PRIMARY KEY,
        mode TEXT NOT NULL,
        setting_key TEXT NOT NULL,
        setting TEXT NOT NULL,
        suggested_at TEXT NOT NULL,
        expires_at TEXT NOT NULL,
        UNIQUE (mode, setting_key)
    );
    CREATE INDEX suggestions_by_expiry ON suggestions (expires_at);
    """,
    # A study's log is the rows of `entries` and `revisions` together, by their positions. Rows of a log stay as they
    # were written but for two columns of an entry, which say what its revisions have made of it: `counted` is the
    # rating as it counts, and `withdrawn`. A mode's `ratings` is how many count, since to count rows takes as long as
    # there are many. Suggestions stay for ever and are numbered in the order claimed.
    #
    # What was there becomes the study `default`: a position is an old id, and what was answered is known by its id.
    """
    ALTER TABLE studies RENAME TO old_studies;
    ALTER TABLE suggestions RENAME TO old_suggestions;
    CREATE TABLE studies (
        name TEXT PRIMARY KEY,
        created_at TEXT,
        based_on TEXT,
        note TEXT,
        archived_at TEXT,
        last_position INTEGER NOT NULL DEFAULT 0,
        last_activity TEXT
    ) WITHOUT ROWID;
    INSERT INTO studies (name, last_position, last_activity)
        SELECT 'default', COALESCE(MAX(id), 0), MAX(CASE WHEN recorded_at LIKE '____-__-__T%' THEN recorded_at END)
        FROM observations;
    CREATE TABLE modes (
        study TEXT NOT NULL,
        mode TEXT NOT NULL,
        seed INTEGER NOT NULL,
        hyperparameters TEXT,
        learned_as_of INTEGER NOT NULL DEFAULT 0,
        ratings INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (study, mode)
    ) WITHOUT ROWID;
    INSERT INTO modes (study, mode, seed, hyperparameters)
        SELECT 'default', mode, seed, hyperparameters FROM old_studies;
    INSERT INTO modes (study, mode, seed)
        SELECT 'default', mode, random() & 281474976710655 FROM (SELECT DISTINCT mode FROM observations) AS rated
        WHERE NOT EXISTS (SELECT 1 FROM old_studies WHERE old_studies.mode = rated.mode);
    UPDATE modes SET ratings = (SELECT COUNT(*) FROM observations WHERE observations.mode = modes.mode);
    CREATE TABLE entries (
        study TEXT NOT NULL,
        position INTEGER NOT NULL,
        mode TEXT NOT NULL,
        setting TEXT NOT NULL,
        rating REAL,
        reason TEXT,
        recorded_at TEXT NOT NULL,
        suggestion_id TEXT,
        rater TEXT,
        picture TEXT,
        comment TEXT,
        counted REAL,
        withdrawn INTEGER NOT NULL DEFAULT 0,
        PRIMARY KEY (study, position)
    ) WITHOUT ROWID;
    INSERT INTO entries (study, position, mode, setting, rating, recorded_at, suggestion_id, counted)
        SELECT 'default', id, mode, setting, rating, recorded_at, suggestion_id, rating FROM observations ORDER BY id;
    CREATE INDEX entries_of_mode ON entries (study, mode, position);
    CREATE INDEX entries_that_count ON entries (study, mode, counted DESC, recorded_at, position)
        WHERE counted IS NOT NULL;
    CREATE INDEX entries_of_suggestion ON entries (study, suggestion_id, position) WHERE suggestion_id IS NOT NULL;
    CREATE INDEX entries_of_rater ON entries (study, rater, position) WHERE rater IS NOT NULL;
    CREATE INDEX entries_of_picture ON entries (study, picture, position) WHERE picture IS NOT NULL;
    CREATE TABLE revisions (
        study TEXT NOT NULL,
        position INTEGER NOT NULL,
        mode TEXT NOT NULL,
        target INTEGER NOT NULL,
        number INTEGER NOT NULL,
        rating REAL,
        comment TEXT,
        withdrawn INTEGER NOT NULL,
        made_at TEXT NOT NULL,
        reviser TEXT,
        PRIMARY KEY (study, position)
    ) WITHOUT ROWID;
    CREATE UNIQUE INDEX revisions_of_entry ON revisions (study, target, number);
    CREATE INDEX revisions_of_mode ON revisions (study, mode, position);
    CREATE TABLE suggestions (
        number INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        study TEXT NOT NULL,
        mode TEXT NOT NULL,
        setting_key TEXT NOT NULL,
        setting TEXT NOT NULL,
        suggested_at TEXT NOT NULL,
        expires_at TEXT NOT NULL,
        outstanding INTEGER NOT NULL
    );
    INSERT INTO suggestions (id, study, mode, setting_key, setting, suggested_at, expires_at, outstanding)
        SELECT suggestion_id, 'default', mode, setting_key(setting), setting, recorded_at, recorded_at, 0
        FROM observations
        WHERE id IN (SELECT MIN(id) FROM observations WHERE suggestion_id IS NOT NULL GROUP BY suggestion_id
            HAVING COUNT(DISTINCT mode || ' ' || setting_key(setting)) = 1)
            AND NOT EXISTS (SELECT 1 FROM old_suggestions WHERE old_suggestions.id = suggestion_id)
        ORDER BY id;
    INSERT INTO suggestions (id, study, mode, setting_key, setting, suggested_at, expires_at, outstanding)
        SELECT id, 'default', mode, setting_key, setting, suggested_at, expires_at, 1
        FROM old_suggestions ORDER BY suggested_at, rowid;
    CREATE INDEX suggestions_of_place ON suggestions (study, mode, setting_key, number);
    CREATE UNIQUE INDEX outstanding_of_place ON suggestions (study, mode, setting_key) WHERE outstanding = 1;
    CREATE INDEX outstanding_by_expiry ON suggestions (expires_at) WHERE outstanding = 1;
    CREATE TABLE receipts (
        key TEXT PRIMARY KEY,
        fingerprint TEXT NOT NULL,
        samples_seen INTEGER NOT NULL,
        study TEXT NOT NULL,
        positions TEXT,
        replaced TEXT,
        corrected INTEGER,
        number INTEGER
    ) WITHOUT ROWID;
    INSERT INTO receipts (key, fingerprint, samples_seen, study)
        SELECT key, fingerprint, samples_seen, 'default' FROM idempotency_keys;
    DROP TABLE old_studies;
    DROP TABLE old_suggestions;
    DROP TABLE observations;
    DROP TABLE idempotency_keys;
    """,
)


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Make a new file a store, and one of an earlier release a store of this one.

    Raises:
        StoreCorruptError: the file is not a store, or a later release's.
    """
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != len(_MIGRATIONS):
        _migrate(connection, path.name)
    elif connection.execute("PRAGMA application_id").fetchone()[0] != _APPLICATION_ID:
        raise _foreign(path.name)


def _migrate(connection: sqlite3.Connection, name: str) -> None:
    connection.create_function("setting_key", 1, _setting_key, deterministic=True)
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Read again under the lock: another process may have migrated meanwhile.
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        if version > len(_MIGRATIONS):
            raise StoreCorruptError(
                f"{name} has schema version {version}, written by a newer release;"
                f" this one reads up to {len(_MIGRATIONS)}"
            )
        tables = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
        ours = connection.execute("PRAGMA application_id").fetchone()[0] == _APPLICATION_ID
        if tables and not ours:
            raise _foreign(name)
        for script in _MIGRATIONS[version:]:
            for statement in script.split(";"):
                connection.execute(statement)
        connection.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {len(_MIGRATIONS)}")
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _setting_key(stored: object) -> str:
    """Return the key of a stored setting; nothing of a damaged one, which is found when it is read."""
    try:
        return load_setting(stored).key
    except ValueError:
        return ""


def _foreign(name: str) -> StoreCorruptError:
    return StoreCorruptError(f"{name} is a SQLite database of something else")
