-- What `payctl reconcile` compares: one row for each thing that a Region shows of a payment.

CREATE TABLE run (
    now BIGINT,              -- seconds since 1970, before anything was read
    overdue_seconds BIGINT,  -- what may wait longer is late (alarms.overdue_seconds)
    file_from BIGINT,        -- the first and the last second of the processor's file's time, where it is known
    file_to BIGINT
);
CREATE TABLE regions (region VARCHAR, has_table BOOLEAN, has_register BOOLEAN, has_bucket BOOLEAN);

-- Public records. `content`: a digest of its result's bytes. `payload`: a digest of what was to be paid, of its amount,
-- currency, timestamp, account and details, and of the hash that the result has of it. `contradicts`: which of its columns
-- say something else than the result, '' for none.
CREATE TABLE records (
    payment VARCHAR, region VARCHAR, status VARCHAR, content VARCHAR, amount DECIMAL(38, 4), currency VARCHAR,
    rail VARCHAR, reference VARCHAR, decided_at BIGINT, payload VARCHAR, contradicts VARCHAR
);
-- Cells of the registers. `content`: as that of a record, NULL until the payment has ended there; `decided_at` is when it
-- was accepted until then. `payload`: as that of a record, of the intent and hash of the cell. `contradicts`: the hash is
-- not that of the intent.
CREATE TABLE cells (
    payment VARCHAR, region VARCHAR, status VARCHAR, content VARCHAR, decided_at BIGINT, due_at BIGINT, payload VARCHAR,
    contradicts BOOLEAN
);
-- Versions of receipts that are not deleted. Within a bucket, equal ETags are equal bytes; different ones may be. Those
-- of two Regions tell nothing: under keys of KMS an ETag is no digest (S3 API reference, "Common response headers").
CREATE TABLE receipts (
    payment VARCHAR, region VARCHAR, etag VARCHAR, version VARCHAR, written_at BIGINT, size BIGINT
);
-- The receipts that are to be read (suspects.sql).
CREATE TABLE suspected (region VARCHAR, payment VARCHAR, version VARCHAR);
-- Digests of those that were read. `expected`: of the receipt that the record makes, NULL where there is none, or one
-- that makes no receipt.
CREATE TABLE contents (payment VARCHAR, region VARCHAR, digest VARCHAR, expected VARCHAR);
-- The processor's own file, amounts in major units. `payment`: as the file names it, or of the record that has the
-- reference; where there is none, the reference itself. `charged_until`: the end of the day, where the file tells days.
CREATE TABLE charges (
    line BIGINT, payment VARCHAR, reference VARCHAR, amount DECIMAL(38, 4), currency VARCHAR, charged_at BIGINT,
    charged_until BIGINT
);
-- Payments that are compared, but not judged: `why` is young or old.
CREATE TABLE left_out (payment VARCHAR, why VARCHAR);
CREATE TABLE findings (
    kind VARCHAR, region VARCHAR, payment VARCHAR, detail VARCHAR, remedy VARCHAR, repaired BOOLEAN DEFAULT false
);
-- Findings that stayed on Athena, as they are only counted.
CREATE TABLE not_fetched (kind VARCHAR, number BIGINT);
CREATE VIEW counted AS
SELECT kind, 1 AS number, repaired FROM findings UNION ALL SELECT kind, number, false FROM not_fetched;
