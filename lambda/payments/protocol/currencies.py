"""ISO 4217: the currencies and their minor units. Generated; `tests/payments/test_currencies.py` compares it with the
iso4217 package. Codes without a minor unit (metals, funds, tests) are left out: nobody pays with them."""

from typing import Final

_CODES: Final = {
    0: ("BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF"),
    2: (
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BOV BRL BSD BTN BWP BYN BZD CAD CDF CHE "
        "CHF CHW CNY COP COU CRC CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD "
        "HKD HNL HTG HUF IDR ILS INR IRR JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK "
        "MNT MOP MRU MUR MVR MWK MXN MXV MYR MZN NAD NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD "
        "RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH "
        "USD USN UYU UZS VED VES WST XAD XCD XCG YER ZAR ZMW ZWG"
    ),
    3: ("BHD IQD JOD KWD LYD OMR TND"),
    4: ("CLF UYW"),
}
MINOR_UNITS: Final = {code: units for units, codes in _CODES.items() for code in codes.split()}
"""Decimal places by the code of a currency that may be paid with."""

# Codes that ISO 4217 has dropped since 1999 and that had been on the list above, or in another version of it: what was
# paid in them stays readable. A code leaves the list above only for this one.
_WITHDRAWN: Final = {
    0: "ADP BEF ESP GRD ITL LUF MGF PTE ROL TPE TRL",
    2: "AFA ANG ATS AYM AZM BGL BGN BYB BYR CSD CUC CYP DEM EEK FIM FRF GHC GWP HRK IEP LTL LVL MRO MTL MZM NLG RUR "
    "SDD SIT SKK SLL SRG STD TMM VEB VEF XSU YUM ZMK ZWD ZWL ZWN ZWR",
}
UNITS: Final = {code: units for units, codes in _WITHDRAWN.items() for code in codes.split()} | MINOR_UNITS
"""Decimal places by the code of any currency that may have been paid with."""
