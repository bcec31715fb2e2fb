//! The chat agent: turns a customer's sentences into calls of the lease API, and its 402 answers into payment requests.
