-- Gives free pages back to the file system, some at a time.
PRAGMA incremental_vacuum(500);
