-- The last number of each customer: its row is the lock that makes numbers rise as commits do.
CREATE TABLE customers (id BIGINT PRIMARY KEY, last BIGINT NOT NULL);
CREATE TABLE orders (customer BIGINT NOT NULL, number BIGINT NOT NULL, PRIMARY KEY (customer, number));
-- What was done. Nothing refuses a second one.
CREATE TABLE effects (
    id SERIAL_KEY,
    kind TEXT NOT NULL,
    customer BIGINT NOT NULL,
    number BIGINT NOT NULL,
    part BIGINT NOT NULL
);
CREATE INDEX effects_of ON effects (customer, number, kind);
