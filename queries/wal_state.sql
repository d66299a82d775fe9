-- How many pages the write-ahead log holds, and how many of them are in the file already.
PRAGMA wal_checkpoint(NOOP);
