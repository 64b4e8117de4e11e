"""The payload that a record shows, as the registers hold it, in SQL that DuckDB and Athena read alike.

A record's Content does not name amount, currency, timestamp and details, but the hash of the payload that has them. So
the payload is written again from the columns of the record, as payments.protocol.values.text_of writes it. Of a source
a record keeps the end only, so that its hash cannot be computed: there the payload is compared with that of the cells.
"""

from collections.abc import Callable
from typing import Final

from payments.protocol.currencies import UNITS

Digest = Callable[[str], str]
"""The SQL of the SHA-256 of a text, in hexadecimal."""


def _whole(number: str, factor: str) -> str:
    """A number as canonical JSON has it where it is whole; what is none equals nothing that is."""
    digits = f"CAST(TRY_CAST({number} AS DECIMAL(30, 10)) * {factor} AS VARCHAR)"
    return f"trim(TRAILING '.' FROM trim(TRAILING '0' FROM {digits}))"


_FACTORS: Final = " ".join(
    f"WHEN currency IN ({', '.join(repr(code) for code, units in UNITS.items() if units == each)}) THEN {10**each}"
    for each in sorted(set(UNITS.values()) - {2})
)
PAYLOAD: Final = (
    f"""'{{"account":"' || account || '","amount":' || {_whole("amount", f"CASE {_FACTORS} ELSE 100 END")} || """
    """',"currency":"' || currency || '","id":"' || payment || '"' || """
    """CASE WHEN details = '' THEN '' ELSE ',' || substr(details, 2, length(details) - 2) END || """
    f"""',"timestamp":' || {_whole("moment", "1000000")} || '}}'"""
)
"""Of a record's account, amount, currency, payment, details ("" for none) and moment, as texts."""


def _whole_source(text: str, then: str = "") -> str:
    """Whether a text has not the end of a source only, as a record has it, and a cell that was taught from one. It is
    the last of the details (`then` more of a payload): a payer's note of this name stands before."""
    pattern = f"""'"source":"[*]{{4}}[^"]*"{then}[}}]$'"""
    return f"coalesce(regexp_extract({text}, {pattern}), '') = ''"


def comparable(payload: str, digest: Digest) -> str:
    """A digest of a payload and its `hash`. Of its source there is the end, which is all that a record keeps."""
    source, end = """'"source":"[^"]*","timestamp":[0-9]+[}]$'""", """'[^"]{4}","timestamp":[0-9]+[}]$'"""
    ended = f"regexp_replace({payload}, {source}, '') || coalesce(regexp_extract({payload}, {end}), '')"
    text = f"CASE WHEN strpos({payload}, '\"source\":') > 0 THEN {ended} ELSE {payload} END"  # most have none
    return f"substr({digest(f'{text} || hash')}, 1, 32)"


def of_record(digest: Digest) -> str:
    """Which columns of a record say something else than its Content, in words: `told` is its status, `told_in` its
    Region, and `hash` that of its payload; "" is none."""
    return (
        "concat_ws(', ', CASE WHEN status IS DISTINCT FROM told THEN 'Status' END, "
        "CASE WHEN decided_in IS DISTINCT FROM told_in THEN 'Region' END, "
        f"CASE WHEN {_whole_source('details')} AND {digest('payload')} IS DISTINCT FROM hash "
        "THEN 'Amount, Currency, Timestamp or Details' END)"
    )


def of_cell(digest: Digest) -> str:
    """Whether a cell's `payload` is not that of its `hash`."""
    whole = _whole_source("payload", ',"timestamp":[0-9]+')
    return f"{whole} AND {digest('payload')} IS DISTINCT FROM hash"
