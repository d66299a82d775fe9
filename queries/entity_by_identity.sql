-- The entity of a kind and identity.
SELECT id, ended_ms FROM entity WHERE kind = :kind AND identity = :identity;
