-- Hashes of transactions are random: on a long history each paid call read and wrote a page of its
-- own for this index, which only questions of operators were answered by.
DROP INDEX payments_transaction;
