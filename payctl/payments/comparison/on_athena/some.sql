-- What a table says of recent payments.
SELECT everything.* FROM all_$table everything JOIN recent ON recent.payment = everything.payment
