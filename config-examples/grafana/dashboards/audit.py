"""The three dashboards over events: logons, SharePoint, and sensitivity labels."""

from collections.abc import Sequence

from .conditions import All, Any, Condition, Has, Is, Like, Not
from .panels import SOME_ARE_NOTED, Board, bars, lines, number
from .stores import MakeStore, Parts, Store

NO_EVENTS = "No such event in this time. Look at the panel “Fields”: it says whether the store has the fields."

# Steps of an ordinary sign-in that Microsoft Entra writes as failures: no session yet, a second factor or consent wanted.
# The detections leave out the same.
STEPS = Is(
    "o365.audit.ErrorNumber",
    *("50058", "50072", "50074", "50076", "50079", "50097", "50125", "50129", "50140", "50199", "65001", "70043", "70044"),
)

ENTRA_LOGON = Is("event.code", "AzureActiveDirectoryStsLogon", "AzureActiveDirectoryAccountLogon")
MAILBOX_LOGON = Is("event.action", "MailboxLogin")
LOGON = Any(ENTRA_LOGON, MAILBOX_LOGON)
SUCCEEDED = Is("event.outcome", "success")
FAILED = All(Is("event.outcome", "failure"), Not(STEPS))
# Each logon is in exactly one of them.
OUTCOMES: Parts = {
    "succeeded": SUCCEEDED,
    "failed": FAILED,
    "step of a sign-in": All(Is("event.outcome", "failure"), STEPS),
    "outcome unknown": Not(Is("event.outcome", "success", "failure")),
}


def link(kind: str, verb: str, *scopes: str) -> Condition:
    """Links of a kind that were made, changed or used: in the operations of the kind, or in those of all with a scope."""
    of_any_kind = All(Is("event.action", f"SharingLink{verb}"), Is("o365.audit.SharingLinkScope", *scopes))
    return Any(Is("event.action", f"{kind}Link{verb}"), of_any_kind)


def links(verb: str) -> Parts:
    return {
        "anonymous": link("Anonymous", verb, "Anonymous", "Anyone"),
        "company": link("Company", verb, "Organization"),
        "secure": link("Secure", verb, "Users", "SpecificPeople"),
    }


LINKS_MADE = links("Created")
LINKS_USED = links("Used")
LINK_MADE = Any(*LINKS_MADE.values())
LINK_USED = Any(*LINKS_USED.values())
SHAREPOINT = Is("event.provider", "SharePoint", "OneDrive")

LABELLED = Any(
    # Desktop applications and the labelling client write SensitivityLabel…, SharePoint FileSensitivityLabel….
    Like("event.action", "*SensitivityLabel*"),
    Is(
        "event.code",
        "MIPLabel",
        "MipAutoLabelSharePointItem",
        "MipAutoLabelSharePointPolicyLocation",
        "MipAutoLabelExchangeItem",
        "AipDiscover",
        "AipProtectionAction",
        "AipFileDeleted",
    ),
)
CHANGED_LABEL: Parts = {
    "applied": Any(
        Like("event.action", "*SensitivityLabelApplied"),
        Is("event.action", "MipLabel", "MipAutoLabelSharePointItem", "MipAutoLabelExchangeItem"),
    ),
    "changed": Any(Like("event.action", "*SensitivityLabelChanged"), Like("event.action", "*SensitivityLabelUpdated")),
    "removed": Like("event.action", "*SensitivityLabelRemoved"),
}
DOWNGRADED = Is("o365.label.action", "downgraded")
WEAKENED = Any(CHANGED_LABEL["removed"], DOWNGRADED)


def has(fields: Sequence[str]) -> Parts:
    return {field: Has(field) for field in fields}


def fields_of(board: Board, store: Store, base: Condition, fields: Sequence[str], hint: str) -> None:
    """How many events have each field: a dashboard over a store without them has to say so."""
    described = f"How many of the events have each field. 0, in red: no event in this store has it in this time. {hint}"
    none = (
        "The data source has no events of office365-source in this time: event.dataset is “o365.audit” in each. "
        "Choose another data source or time, or see the README beside this dashboard."
    )
    board.add(bars("Fields", described, store.totals(base, has(fields)), none, calc=store.total_calc), 8)


def logon_audit(make: MakeStore) -> Board:
    store = make(["Audit.AzureActiveDirectory", "Audit.Exchange"])
    described = "Logons to Microsoft Entra and to mailboxes: success and failure, by source, user and country."
    board = Board("Microsoft 365: Logon Audit", f"office365-logon-{store.kind}", store.kind, described, store.variables())
    address = "Needs source.ip. Microsoft leaves out the address of some logons."
    country = "Needs source.geo.country_name: set normalize.geoip.city_db in office365-source."
    user = "Needs user.id."

    board.row("Logons")
    described = "A step is a failure that belongs to an ordinary sign-in, such as the question for a second factor."
    totals = store.totals(LOGON, OUTCOMES)
    board.add(number("Logons", described, totals, NO_EVENTS, calc=store.total_calc), 16)
    fields = ["user.id", "source.ip", "event.outcome", "o365.audit.ErrorNumber", "source.geo.country_name"]
    fields_of(board, store, LOGON, fields, country)
    board.add(lines("Logons by outcome", "", store.over_time(LOGON, OUTCOMES), NO_EVENTS, stacked=True), 12)
    where: Parts = {"Microsoft Entra": ENTRA_LOGON, "mailbox": MAILBOX_LOGON}
    board.add(lines("Logons by service", "", store.over_time(LOGON, where), NO_EVENTS, stacked=True), 12)

    failed = All(LOGON, FAILED)
    succeeded = All(LOGON, SUCCEEDED)
    board.row("Failed logons")
    board.add(store.top("Failed, by source", "", failed, ["source.ip"], address), 8)
    board.add(store.top("Failed, by user", "", failed, ["user.id"], user), 8)
    board.add(store.top("Failed, by country", "", failed, ["source.geo.country_name"], country), 8)
    code = "Needs o365.audit.ErrorNumber, which Microsoft Entra writes: look it up at https://login.microsoftonline.com/error."
    board.add(store.top("Failed, by error", code, failed, ["o365.audit.ErrorNumber"], code), 6)
    reason = "Needs event.reason, which Microsoft Entra writes."
    board.add(store.top("Failed, by reason", "", failed, ["event.reason"], reason), 6)
    pair = ["source.ip", "user.id"]
    board.add(store.top("Failed, by source and user", "", failed, pair, f"{address} {user}"), 12)

    board.row("Successful logons")
    board.add(store.top("Succeeded, by source", "", succeeded, ["source.ip"], address), 8)
    board.add(store.top("Succeeded, by user", "", succeeded, ["user.id"], user), 8)
    board.add(store.top("Succeeded, by country", "", succeeded, ["source.geo.country_name"], country), 8)

    board.row("Events")
    columns = ["event.action", "event.outcome", "user.id", "source.ip", "source.geo.country_name", "event.reason"]
    board.add(store.latest("Latest failed logons", "The newest 100.", failed, columns, NO_EVENTS), 24, 10)
    return board


def sharepoint_audit(make: MakeStore) -> Board:
    # Links are in one content type only.
    store = make(["Audit.SharePoint"])
    described = "Sharing links made and used in SharePoint and OneDrive: anonymous, company and secure; top items and users."
    uid = f"office365-sharepoint-{store.kind}"
    board = Board("Microsoft 365: SharePoint Audit", uid, store.kind, described, store.variables())
    item = "Needs url.original."
    user = "Needs user.id."

    board.row("Links")
    kinds = "Anonymous: for anybody who has the link. Company: for everybody in it. Secure: for named people."
    made = store.totals(LINK_MADE, LINKS_MADE)
    board.add(number("Links made", kinds, made, NO_EVENTS, calc=store.total_calc), 8)
    used = store.totals(LINK_USED, LINKS_USED)
    board.add(number("Links used", kinds, used, NO_EVENTS, calc=store.total_calc), 8)
    fields = ["user.id", "source.ip", "url.original", "o365.audit.SharingLinkScope", "source.geo.country_name"]
    hint = "source.geo.country_name needs normalize.geoip.city_db in office365-source."
    fields_of(board, store, SHAREPOINT, fields, hint)
    board.add(lines("Links made, by kind", kinds, store.over_time(LINK_MADE, LINKS_MADE), NO_EVENTS, stacked=True), 12)
    board.add(lines("Links used, by kind", kinds, store.over_time(LINK_USED, LINKS_USED), NO_EVENTS, stacked=True), 12)

    for kind in LINKS_MADE:
        board.row(f"{kind.capitalize()} links")
        title = f"{kind.capitalize()} links"
        board.add(store.top(f"{title} made, by item", "", LINKS_MADE[kind], ["url.original"], item), 12)
        board.add(store.top(f"{title} made, by user", "", LINKS_MADE[kind], ["user.id"], user), 12)
        board.add(store.top(f"{title} used, by item", "", LINKS_USED[kind], ["url.original"], item), 12)
        board.add(store.top(f"{title} used, by source", "", LINKS_USED[kind], ["source.ip"], "Needs source.ip."), 6)
        board.add(store.top(f"{title} used, by user", "", LINKS_USED[kind], ["user.id"], user), 6)

    board.row("SharePoint and OneDrive")
    board.add(lines("Operations", "", store.by_value(SHAREPOINT, "event.action"), NO_EVENTS, stacked=True), 24)
    board.add(store.top("Top items", "", SHAREPOINT, ["url.original"], item), 12)
    board.add(store.top("Top users", "", SHAREPOINT, ["user.id"], user), 12)
    columns = ["event.action", "user.id", "source.ip", "url.original", "o365.audit.Permission"]
    anonymous = Any(LINKS_MADE["anonymous"], LINKS_USED["anonymous"])
    board.add(store.latest("Latest anonymous links", "The newest 100, made or used.", anonymous, columns, NO_EVENTS), 24, 10)
    return board


def sensitivity_label_audit(make: MakeStore) -> Board:
    store = make(["Audit.General", "Audit.SharePoint", "Audit.Exchange", "Audit.AzureActiveDirectory"])
    described = "Sensitivity labels: applied, changed, removed and downgraded, by label, user and item."
    uid = f"office365-label-{store.kind}"
    board = Board("Microsoft 365: Sensitivity Label Audit", uid, store.kind, described, store.variables())
    ids = "The audit log has the identifiers of labels; Get-Label in Security & Compliance PowerShell lists their names."
    user = "Needs user.id."
    item = "Needs file.name."

    board.row("Labels")
    totals = store.totals(LABELLED, CHANGED_LABEL)
    board.add(number("Labels", "", totals, NO_EVENTS, calc=store.total_calc), 10)
    weak = store.totals(LABELLED, {"downgraded": DOWNGRADED})
    described = "Labels replaced by one of a lower priority. Needs o365.label.action."
    board.add(number("Downgraded", described, weak, NO_EVENTS, calc=store.total_calc, steps=SOME_ARE_NOTED), 6)
    fields = ["user.id", "file.name", "o365.label.id", "o365.label.action", "o365.label.justification"]
    fields_of(board, store, LABELLED, fields, "o365.label.* needs office365-source 0.2 or newer with the schema “ecs”.")
    board.add(lines("Operations", "", store.by_value(LABELLED, "event.action"), NO_EVENTS, stacked=True), 12)
    changes = store.by_value(LABELLED, "o365.label.action")
    described = "What became of the label. Needs o365.label.action."
    board.add(lines("Changes of labels", described, changes, described, stacked=True), 12)

    board.row("By label, user and item")
    board.add(store.top("By label", ids, LABELLED, ["o365.label.id"], "Needs o365.label.id."), 12)
    in_sharepoint = Like("event.action", "FileSensitivityLabel*")
    described = f"Files in SharePoint and OneDrive. {ids}"
    target = ["o365.audit.SensitivityLabelId", "event.action"]
    none = "Needs o365.audit.SensitivityLabelId."
    board.add(store.top("By label, in SharePoint", described, in_sharepoint, target, none), 12)
    board.add(store.top("By user", "", LABELLED, ["user.id", "event.action"], user), 12)
    board.add(store.top("By item", "", LABELLED, ["file.name", "event.action"], item), 12)
    board.add(store.top("By application", "", LABELLED, ["application.name"], "Needs application.name."), 12)
    board.add(store.top("Removed or downgraded, by user", "", All(LABELLED, WEAKENED), ["user.id"], user), 12)

    board.row("Events")
    columns = ["event.action", "o365.label.action", "user.id", "file.name", "o365.label.old_id", "o365.label.id"]
    columns.append("o365.label.justification")
    chosen = All(LABELLED, WEAKENED)
    board.add(store.latest("Latest removed and downgraded labels", "The newest 100.", chosen, columns, NO_EVENTS), 24, 10)
    return board
