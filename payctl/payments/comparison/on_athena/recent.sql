-- Payments of which something is as young as that.
SELECT payment FROM all_records WHERE decided_at >= $since
UNION
SELECT payment FROM all_cells WHERE decided_at IS NULL OR decided_at >= $since
UNION
SELECT payment FROM all_receipts WHERE written_at >= $since
