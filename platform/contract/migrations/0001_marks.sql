-- What the contract's own tests migrate; no service uses it.
CREATE TABLE marks (id INT PRIMARY KEY);
