-- Orders of customers, with no index on the customer: that is one of the faults.
CREATE TABLE planted_orders (
    id BIGINT PRIMARY KEY,
    customer BIGINT NOT NULL,
    total BIGINT NOT NULL,
    at BIGINT NOT NULL,
    note TEXT NOT NULL
);
CREATE TABLE planted_writes (id UUID PRIMARY KEY, at BIGINT NOT NULL);
