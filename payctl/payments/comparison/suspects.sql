-- Receipts whose bytes are read: those that have versions with different ETags within a bucket, one of each, and those of
-- a bounded number of payments, to be held against their records: of some whose receipts are not equally long, and of a
-- sample of all others that are judged, another one in each run.
SELECT receipts.region, receipts.payment, min(receipts.version) AS version
FROM receipts
JOIN (
    SELECT payment, region FROM receipts GROUP BY payment, region HAVING min(etag) <> max(etag)
    UNION
    SELECT bounded.payment, regions.region
    FROM (
        SELECT payment
        FROM (
            SELECT payment FROM receipts GROUP BY payment HAVING min(size) <> max(size) ORDER BY payment LIMIT $most
        ) uneven
        UNION
        SELECT payment
        FROM (
            SELECT records.payment
            FROM records
            LEFT JOIN left_out ON left_out.payment = records.payment
            WHERE records.status = 'SETTLED' AND left_out.payment IS NULL
            ORDER BY records.content < '$first', records.content, records.payment
            LIMIT $rows -- of all Regions
        ) sample
    ) bounded
    CROSS JOIN regions
) chosen ON chosen.payment = receipts.payment AND chosen.region = receipts.region
GROUP BY receipts.region, receipts.payment, receipts.etag
