"""Every aggregate there is: importing this registers each event, command and decision. A new aggregate adds a line."""

from ledger.aggregates.access import Access
from ledger.aggregates.client import Client
from ledger.aggregates.contact import Contact
from ledger.aggregates.dispute import Dispute
from ledger.aggregates.engagement import Engagements
from ledger.aggregates.import_file import ImportedFile
from ledger.aggregates.note import Note
from ledger.aggregates.plan import Plan
from ledger.aggregates.policy import Policy
from ledger.aggregates.privacy import Privacy
from ledger.aggregates.staff import Staff
from ledger.aggregates.supervision import SupervisionSession
from ledger.aggregates.utilisation_review import UtilisationReview
from ledger.aggregates.view import ViewRecord
from ledger.aggregates.vocabulary import check_upcasters

AGGREGATES = (
    Access,
    Client,
    Contact,
    Dispute,
    Engagements,
    ImportedFile,
    Note,
    Plan,
    Policy,
    Privacy,
    Staff,
    SupervisionSession,
    UtilisationReview,
    ViewRecord,
)

check_upcasters()
