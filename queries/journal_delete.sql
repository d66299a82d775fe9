-- Deletes a piece.
DELETE FROM journal WHERE id = :id;
