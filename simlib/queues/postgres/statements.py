"""How queues lie in a PostgreSQL server: schema, version 1, and the statements that keep them.

All queues of a database lie in two tables, version 1, which the first handle makes. In
``simlib_queue_1`` each queue has a row with its ``name`` and the ``last`` id it gave out; the row's
lock puts the puts in order, so that ids have no gaps. ``simlib_message_1`` has a row per message:
``attempts``, the ``owner`` that holds it (null: it waits), ``due``, the instant at which its delay
or its lease ends (null: neither is pending), ``priority``, ``headers`` as JSON text, and ``body``.

An owner is one open handle. As long as its session lives, it holds an advisory lock; the server
drops that with the session, however it ends. What is held without a lock goes back to the queue.
Owners are numbered in each schema, and locks count in the whole database: so a lock is named by the
schema's sequence of owners, too.
"""

from __future__ import annotations

__all__ = [
    "ACK",
    "ATTEMPT",
    "CHANNEL",
    "DELAYED",
    "DUE",
    "END_OTHER",
    "IDS",
    "LINK",
    "LOCKS",
    "LOCK_QUEUE",
    "NACK",
    "NEW_QUEUE",
    "OWNERS",
    "PUT",
    "READY",
    "READY_AND_DUE",
    "RELEASE",
    "RETURN",
    "RETURN_DEAD",
    "SCHEMA",
    "SESSION",
    "TAKE",
    "UNACKED",
    "WAITING",
    "XID",
]

LOCKS = 0x73514D71  # Lock 0 of it is for making the tables.
CHANNEL = "simlib_queue_1"

# A peer that has fallen silent is given up after 30 s, on either side.
LINK = {
    "connect_timeout": "10",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "4",
    "tcp_user_timeout": "30000",
}
SESSION = """
SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 4;
SET tcp_user_timeout = 30000; SET default_transaction_isolation = 'read committed';
SET client_min_messages = warning;
"""

SCHEMA = """
CREATE TABLE IF NOT EXISTS simlib_queue_1 (name text PRIMARY KEY, last bigint NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS simlib_message_1 (
  queue text NOT NULL REFERENCES simlib_queue_1 (name), id bigint NOT NULL,
  attempts bigint NOT NULL DEFAULT 0, owner integer, due double precision,
  priority bigint NOT NULL, headers text, body bytea NOT NULL, PRIMARY KEY (queue, id));
CREATE INDEX IF NOT EXISTS simlib_message_1_ready ON simlib_message_1 (queue, priority DESC, id)
  WHERE owner IS NULL AND due IS NULL;
CREATE INDEX IF NOT EXISTS simlib_message_1_due ON simlib_message_1 (queue, due)
  WHERE due IS NOT NULL;
CREATE INDEX IF NOT EXISTS simlib_message_1_held ON simlib_message_1 (queue, owner)
  WHERE owner IS NOT NULL;
CREATE SEQUENCE IF NOT EXISTS simlib_owner_1 AS integer CYCLE;
"""

OWNERS = "SELECT to_regclass('simlib_owner_1')::oid::bigint"
# Of this handle's own sessions, the one that the server still takes for alive.
END_OTHER = (
    "SELECT pg_terminate_backend(l.pid) FROM pg_locks AS l JOIN pg_database AS d "
    "ON d.oid = l.database AND d.datname = current_database() WHERE l.locktype = 'advisory' "
    "AND l.objsubid = 2 AND l.granted AND l.classid = %s::bigint::oid AND l.objid = %s "
    "AND l.pid <> pg_backend_pid()"
)
NEW_QUEUE = "INSERT INTO simlib_queue_1 (name) VALUES (%s) ON CONFLICT DO NOTHING"
LOCK_QUEUE = "SELECT 1 FROM simlib_queue_1 WHERE name = %s FOR UPDATE"
WAITING = (
    "SELECT count(*) FROM (SELECT 1 FROM simlib_message_1 WHERE queue = %s AND owner IS NULL "
    "LIMIT %s) AS waiting"
)
XID = "pg_current_xact_id_if_assigned()::text"
PUT = (
    "WITH numbered AS (UPDATE simlib_queue_1 SET last = last + %(count)s WHERE name = %(queue)s "
    "RETURNING last - %(count)s AS first), stored AS (INSERT INTO simlib_message_1 "
    "(queue, id, due, priority, headers, body) SELECT %(queue)s, first + place, %(due)s, "
    "%(priority)s, %(headers)s, body FROM numbered, unnest(%(bodies)s::bytea[]) WITH ORDINALITY "
    "AS given (body, place)) "
    f"SELECT {XID}, first, pg_notify('{CHANNEL}', %(queue)s) FROM numbered"
)
TAKE = (
    "WITH next AS MATERIALIZED (SELECT id FROM simlib_message_1 WHERE queue = %(queue)s "
    "AND owner IS NULL AND due IS NULL ORDER BY priority DESC, id LIMIT %(most)s "
    "FOR UPDATE SKIP LOCKED) UPDATE simlib_message_1 AS m SET owner = %(owner)s, "
    "due = %(until)s, attempts = attempts + 1 FROM next WHERE m.queue = %(queue)s "
    "AND m.id = next.id "
    f"RETURNING {XID}, m.id, m.body, m.headers, m.priority, m.attempts"
)
_THIS = (
    "WHERE queue = %s AND id = %s AND attempts = %s AND owner IS NOT NULL "
    "AND (due IS NULL OR due > %s)"
)
ACK = f"DELETE FROM simlib_message_1 {_THIS} RETURNING {XID}"
NACK = f"UPDATE simlib_message_1 SET owner = NULL, due = NULL {_THIS} RETURNING {XID}"
ATTEMPT = "SELECT attempts FROM simlib_message_1 WHERE queue = %s AND id = %s AND owner IS NOT NULL"
# What somebody else is dealing with at the moment is skipped: two that wait for each other's rows
# would be a deadlock.
_LEFT = (
    "UPDATE simlib_message_1 AS m SET owner = NULL, due = NULL FROM (SELECT id FROM "
    "simlib_message_1 AS m WHERE queue = %(queue)s AND {} FOR UPDATE OF m SKIP LOCKED) AS these "
    "WHERE m.queue = %(queue)s AND m.id = these.id"
)
RELEASE = _LEFT.format("due <= %(now)s")
RETURN = "UPDATE simlib_message_1 SET owner = NULL, due = NULL WHERE queue = %s AND owner = %s"
RETURN_DEAD = _LEFT.format(
    "owner IS NOT NULL AND owner <> %(owner)s AND NOT EXISTS (SELECT 1 FROM pg_locks AS l "
    "JOIN pg_database AS d ON d.oid = l.database AND d.datname = current_database() "
    "WHERE l.locktype = 'advisory' AND l.objsubid = 2 AND l.granted "
    "AND l.classid = %(space)s::bigint::oid AND l.objid = m.owner::oid)"
)
READY_AND_DUE = (
    "SELECT EXISTS (SELECT 1 FROM simlib_message_1 WHERE queue = %(queue)s AND owner IS NULL "
    "AND due IS NULL), (SELECT min(due) FROM simlib_message_1 WHERE queue = %(queue)s "
    "AND due IS NOT NULL)"
)
DUE = "SELECT min(due) FROM simlib_message_1 WHERE queue = %s AND due IS NOT NULL"
READY = "SELECT count(*) FROM simlib_message_1 WHERE queue = %s AND owner IS NULL AND due IS NULL"
DELAYED = (
    "SELECT count(*) FROM simlib_message_1 WHERE queue = %s AND due IS NOT NULL AND owner IS NULL"
)
UNACKED = "SELECT count(*) FROM simlib_message_1 WHERE queue = %s AND owner IS NOT NULL"
IDS = "SELECT id FROM simlib_message_1 WHERE queue = %s"
