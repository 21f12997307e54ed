"""The caption store in one SQLite file, for one machine.

Several threads and processes may use the file at once (write-ahead log). A power failure may lose the last captions
and outcomes, which the local stack makes again when it starts; it never damages the file. The file grows by some 300
bytes per caption and is never pruned.

The file may be deleted or replaced at any time: the new one is opened, or made, before the next write is acknowledged
(`storage.sqlite`). A file that was cut short is refused until it is deleted or replaced.
"""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path

from captioning.caption import Caption
from captioning.errors import CAPTION_STORE_ERRORS, CaptionStoreDamagedError
from captioning.outcomes import Outcome
from captioning.stores.port import CaptionStore
from captioning.stores.records import load_caption, load_outcome
from storage.documents import DocumentError, Node
from storage.sqlite import Database, DatabaseKind

# After this wait it is faster to make the caption again.
BUSY_TIMEOUT_SECONDS = 1.0

_TABLES = {
    "ranked_captions": """
    CREATE TABLE ranked_captions (
        key TEXT PRIMARY KEY, text TEXT NOT NULL, confidence REAL NOT NULL, model_version TEXT NOT NULL,
        alternatives TEXT NOT NULL -- JSON: [[text, confidence], ...]
    ) STRICT, WITHOUT ROWID
    """,
    "outcomes": """
    CREATE TABLE outcomes (
        key TEXT PRIMARY KEY, sequencer TEXT NOT NULL,
        text TEXT, confidence REAL, model_version TEXT, -- null together, where there is no caption
        reason TEXT -- null where there is one
    ) STRICT, WITHOUT ROWID
    """,
    # A table of its own, so that a file serves this release and the one before.
    "sureness": """
    CREATE TABLE sureness (
        key TEXT PRIMARY KEY, sequencer TEXT NOT NULL, sure INTEGER NOT NULL -- of the outcome of this sequencer
    ) STRICT, WITHOUT ROWID
    """,
}


class SqliteCaptionStore(CaptionStore):
    """Captions in the file at `path`; its folder is made if it is missing."""

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._database = Database.at(self._path, _KIND)

    def get(self, key: str) -> Caption | None:
        """See CaptionStore."""
        with self._database.reading() as lent:
            row = lent.connection.execute(
                "SELECT text, confidence, model_version, alternatives FROM ranked_captions WHERE key = ?", (key,)
            ).fetchone()
        if row is None:
            return None
        text, confidence, model_version, alternatives = row
        try:
            return load_caption(text, confidence, model_version, Node(alternatives, "alternatives").json().value)
        except DocumentError as error:
            raise CaptionStoreDamagedError(f"{self._path}: the caption of {key} is damaged: {error}") from error

    def put(self, key: str, caption: Caption) -> None:
        """See CaptionStore."""
        alternatives = json.dumps([(one.text, one.confidence) for one in caption.alternatives])

        def write(connection: sqlite3.Connection) -> None:
            connection.execute(
                "INSERT INTO ranked_captions VALUES (?, ?, ?, ?, ?) ON CONFLICT (key) DO NOTHING",
                (key, caption.text, caption.confidence, caption.model_version, alternatives),
            )

        self._database.write(write)

    def outcome(self, key: str) -> Outcome | None:
        """See CaptionStore."""
        with self._database.reading() as lent:
            return self._outcomes(lent.connection, (key,)).get(key)

    def outcomes(self, keys: Sequence[str]) -> Mapping[str, Outcome]:
        """See CaptionStore."""
        with self._database.reading() as lent:
            return self._outcomes(lent.connection, keys)

    def record(self, outcome: Outcome) -> Outcome:
        """See CaptionStore."""
        caption = outcome.caption
        made = (None, None, None) if caption is None else (caption.text, caption.confidence, caption.model_version)

        def write(connection: sqlite3.Connection) -> Outcome | None:
            # One statement, so that no other writes between the comparison and the write.
            connection.execute(
                "INSERT INTO outcomes VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET"
                " sequencer = excluded.sequencer, text = excluded.text, confidence = excluded.confidence,"
                " model_version = excluded.model_version, reason = excluded.reason"
                " WHERE sequencer < excluded.sequencer",
                (outcome.key, outcome.sequencer, *made, outcome.reason),
            )
            if connection.execute("SELECT changes()").fetchone()[0] and outcome.sure is not None:
                connection.execute(
                    "INSERT OR REPLACE INTO sureness VALUES (?, ?, ?)",
                    (outcome.key, outcome.sequencer, int(outcome.sure)),
                )
            return self._outcomes(connection, (outcome.key,)).get(outcome.key)

        return self._database.write(write) or outcome

    def _outcomes(self, connection: sqlite3.Connection, keys: Sequence[str]) -> dict[str, Outcome]:
        # The keys are one value, because a statement has a limit of values.
        rows = connection.execute(
            "SELECT key, sequencer, reason, text, confidence, model_version, sure"
            " FROM outcomes LEFT JOIN sureness USING (key, sequencer)"
            " WHERE key IN (SELECT value FROM json_each(?))",
            (json.dumps(keys),),
        ).fetchall()
        return {key: self._loaded(key, row) for key, *row in rows}

    def _loaded(self, key: str, row: Sequence[object]) -> Outcome:
        try:
            sequencer, reason, *made, sure = row
            return load_outcome(key, sequencer, reason, made, sure)
        except DocumentError as error:
            raise CaptionStoreDamagedError(f"{self._path}: the outcome of {key!r} is damaged: {error}") from error

    def close(self) -> None:
        """See CaptionStore."""
        self._database.close()


def _prepare(connection: sqlite3.Connection, _path: Path) -> None:
    """Make the tables that are missing, in a new file or in one of an earlier release."""
    if _missing(connection):
        connection.execute("BEGIN IMMEDIATE")
        try:
            # Check again under the lock: another process may have made them meanwhile.
            for name in _missing(connection):
                connection.execute(_TABLES[name])
            connection.execute("COMMIT")
        finally:
            if connection.in_transaction:
                connection.execute("ROLLBACK")


def _missing(connection: sqlite3.Connection) -> list[str]:
    there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return [name for name in _TABLES if name not in there]


_KIND = DatabaseKind(
    prepare=_prepare,
    errors=CAPTION_STORE_ERRORS,
    busy_timeout=BUSY_TIMEOUT_SECONDS,
    retry_after=1,
    durable=False,
    anew=True,
)
