-- Brings the log's contents into the file and empties it.
PRAGMA wal_checkpoint(TRUNCATE);
