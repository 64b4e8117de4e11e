-- Are the receipts of a payment equally long in all Regions? Equally long ones may differ, which only those tell that are
-- read; of these, and of versions that differ within a bucket, other questions tell.
SELECT
    'different' AS kind,
    array_join(array_agg(sizes.region ORDER BY sizes.region), ', ') AS region,
    sizes.payment,
    'receipts differ by Region: '
        || array_join(array_agg(CAST(sizes.size AS VARCHAR) ORDER BY sizes.region), ', ') || ' bytes' AS detail,
    'compare them in the buckets; the right one says what payctl payments show ID says' AS remedy
FROM (
    SELECT receipts.payment, receipts.region, max(receipts.size) AS size
    FROM receipts
    JOIN (
        SELECT payment FROM receipts GROUP BY payment HAVING min(size) <> max(size)
    ) uneven ON uneven.payment = receipts.payment
    GROUP BY receipts.payment, receipts.region
) sizes
LEFT JOIN (
    SELECT payment FROM contents WHERE digest <> expected GROUP BY payment
) read ON read.payment = sizes.payment
WHERE read.payment IS NULL
GROUP BY sizes.payment
HAVING min(sizes.size) <> max(sizes.size)
