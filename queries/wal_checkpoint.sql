-- Moves what is in the write-ahead log into the file, as far as readers and the writer need not wait for it.
PRAGMA wal_checkpoint(PASSIVE);
