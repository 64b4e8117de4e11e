-- Receipts that have versions with different ETags: one of each.
SELECT receipts.region, receipts.payment, min(receipts.version) AS version
FROM receipts
JOIN (
    SELECT payment, region FROM receipts GROUP BY payment, region HAVING min(etag) <> max(etag)
) differing ON differing.payment = receipts.payment AND differing.region = receipts.region
GROUP BY receipts.region, receipts.payment, receipts.etag
