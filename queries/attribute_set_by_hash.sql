-- The attribute set of a content.
SELECT id FROM attribute_set WHERE hash = :hash AND body = :body;
