-- The samples of a piece.
SELECT layout, body FROM journal WHERE id = :id;
