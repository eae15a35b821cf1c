"""Why a record is opened or written: the purposes that a person may give, each with the rule or code it stands for."""

from __future__ import annotations

from ledger.errors import BadInput

#: Purpose → its source: the HIPAA Privacy Rule, and the HL7 PurposeOfUse code where there is one.
PURPOSES = {
    "treatment": "45 CFR 164.506(c)(1)-(2); HL7 TREAT",
    "payment": "45 CFR 164.506(c)(1), (3); HL7 HPAYMT",
    "operations": "45 CFR 164.506(c)(1), (4); HL7 HOPERAT",
    "audit": "45 CFR 164.501, health care operations (4): auditing functions",
    "compliance": "45 CFR 164.501, health care operations (4): compliance programs; HL7 HCOMPL",
    "emergency": "45 CFR 164.506(c), 164.312(a)(2)(ii); HL7 ETREAT",
    "patient-request": "45 CFR 164.524; HL7 PATRQT",
    "oversight": "45 CFR 164.512(d): health oversight activities",
    "legal": "45 CFR 164.512(e)-(f): judicial proceedings, law enforcement; HL7 HLEGAL",
    "public-health": "45 CFR 164.512(b); HL7 PUBHLTH",
    "research": "45 CFR 164.512(i); HL7 HRESCH",
}


def check_purpose(field: str, purpose: str) -> str:
    """The purpose, if it is one of those above; ``BadInput`` naming the field and the purposes there are."""
    if purpose not in PURPOSES:
        raise BadInput(f"{field}: {purpose!r} is not a purpose; use one of {', '.join(PURPOSES)}")
    return purpose
