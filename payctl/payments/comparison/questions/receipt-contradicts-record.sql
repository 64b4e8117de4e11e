-- Are the receipts that were read those that the record makes? Not all are read: suspects.sql says which.
SELECT
    'different' AS kind,
    array_join(array_agg(wrong.region ORDER BY wrong.region), ', ') AS region,
    wrong.payment,
    'the receipt is not that of the record' AS detail,
    'compare it with payctl payments show ID; where the record is right, delete it there: payctl reconcile --repair '
        || 'writes it again' AS remedy
FROM (
    SELECT DISTINCT payment, region FROM contents WHERE digest <> expected
) wrong
LEFT JOIN (
    SELECT payment, region FROM contents GROUP BY payment, region HAVING min(digest) <> max(digest)
) versions ON versions.payment = wrong.payment AND versions.region = wrong.region
LEFT JOIN (
    SELECT records.payment
    FROM records
    JOIN (
        SELECT payment FROM contents WHERE digest <> expected GROUP BY payment
    ) few ON few.payment = records.payment
    GROUP BY records.payment
    HAVING min(records.content) <> max(records.content) OR min(records.payload) <> max(records.payload)
) torn ON torn.payment = wrong.payment
WHERE versions.payment IS NULL AND torn.payment IS NULL -- which are other questions
GROUP BY wrong.payment
