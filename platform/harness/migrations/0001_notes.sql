-- What the harness's own tests migrate; no service uses it.
CREATE TABLE notes (id BIGSERIAL PRIMARY KEY, text TEXT NOT NULL);
