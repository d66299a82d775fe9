-- A value of the store's own.
SELECT value FROM meta WHERE key = :key;
