-- What SQLite itself finds wrong with the file, a line a fault, or `ok`.
PRAGMA integrity_check(100);
