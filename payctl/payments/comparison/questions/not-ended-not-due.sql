-- Is every payment that has not ended due in each register that holds it? Cells come with what is due, and only an end
-- takes that away (docs/protocol.md, "Why it holds"): where nothing is due, no janitor looks, and it may never end.
SELECT
    'different' AS kind,
    array_join(array_agg(region ORDER BY region), ', ') AS region,
    payment,
    'has not ended in the register, and nothing is due: no janitor looks at it' AS detail,
    'a repeat of the payment takes it further and charges once: payctl payments show ID; find out who changed the cell'
        AS remedy
FROM cells
WHERE content IS NULL AND due_at IS NULL
GROUP BY payment
