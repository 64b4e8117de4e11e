-- Do all versions of a receipt have the same bytes? Several equal ones are no fault: a receipt that two Regions wrote
-- is replicated onto itself.
SELECT
    'duplicate' AS kind,
    region,
    payment,
    CAST(count(DISTINCT digest) AS VARCHAR) || ' different receipts' AS detail,
    'compare its versions in the bucket; the right one says what payctl payments show ID says' AS remedy
FROM contents
GROUP BY payment, region
HAVING min(digest) <> max(digest)
