-- Deletes a rollup.
DELETE FROM rollup WHERE id = :id;
