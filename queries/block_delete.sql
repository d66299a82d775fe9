-- Deletes a block.
DELETE FROM block WHERE id = :id;
