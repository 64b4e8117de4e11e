-- Payments that are not judged: `young` ones, of which something is younger than a moment, and `old` ones, of which
-- nothing is as young as another, unless they have not ended.
SELECT payment, CASE WHEN max(moment) > $until THEN 'young' ELSE 'old' END AS why
FROM (
    SELECT payment, decided_at AS moment, false AS waits FROM records
    UNION ALL
    SELECT payment, decided_at AS moment, content IS NULL AS waits FROM cells
    UNION ALL
    SELECT payment, written_at AS moment, false AS waits FROM receipts
) everything
GROUP BY payment
HAVING max(moment) > $until OR (max(moment) < $since AND NOT bool_or(waits))
