-- Rows that refer to rows which are not there: table, row, table referred to.
PRAGMA foreign_key_check;
