-- Another entity of a kind whose identity lies in [from, until): begins with the same part.
SELECT id FROM entity
WHERE kind = :kind AND identity >= :from AND identity < :until
ORDER BY identity DESC
LIMIT 1;
