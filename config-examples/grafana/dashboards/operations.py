"""The dashboard of operations, over the metrics of office365-source in Prometheus."""

from collections.abc import Sequence

from grafana_foundation_sdk.builders import prometheus as builders
from grafana_foundation_sdk.models import prometheus as models

from .panels import (
    NONE_IS_GOOD,
    Board,
    Steps,
    Target,
    Variable,
    bars,
    everything,
    lines,
    number,
    organize,
    rows,
    source,
    transformation,
)

KIND = "prometheus"
SOURCE = 'component_id=~"$source"'
TENANT = f'{SOURCE}, tenant=~"$tenant"'
FEED = f'{TENANT}, content_type=~"$content_type"'
SINK = 'component_kind="sink"'
# This one is there as soon as anything was listed: where it is missing, 0 would be a guess.
SCRAPED = "and on() (count(office365_last_listing_timestamp_seconds) > 0)"

HOUR = 3600
DAY = 24 * HOUR
# Microsoft deletes content after seven days.
LAG: Steps = ((None, "green"), (HOUR, "orange"), (DAY, "red"))
EXPIRY: Steps = ((None, "red"), (DAY, "orange"), (3 * DAY, "green"))
LISTING: Steps = ((None, "green"), (HOUR / 2, "orange"), (DAY, "red"))
CREDENTIAL: Steps = ((None, "red"), (7 * DAY, "orange"), (30 * DAY, "green"))
HEALTHY: Steps = ((None, "red"), (1, "green"))


def needs(*metrics: str) -> str:
    return (
        f"No series of {', '.join(metrics)} in this time. A series begins with its first event. Look at the panel "
        "“Metrics”: where that is empty, Prometheus does not scrape office365-source."
    )


def instant(expr: str, legend: str = "", name: str = "A") -> Target:
    return builders.Dataquery().ref_id(name).expr(expr).instant().legend_format(legend)


def over_time(expr: str, legend: str, name: str = "A") -> Target:
    return builders.Dataquery().ref_id(name).expr(expr).range().legend_format(legend)


def as_table(expr: str, name: str) -> Target:
    return builders.Dataquery().ref_id(name).expr(expr).instant().format(models.PromQueryFormat.TABLE)


def per_second(metric: str, labels: str, by: str) -> str:
    return f"sum by ({by}) (rate({metric}{{{labels}}}[$__rate_interval]))"


def total(metric: str, labels: str = FEED) -> str:
    return f"(sum({metric}{{{labels}}}) or vector(0)) {SCRAPED}"


def quantile(share: float, metric: str) -> str:
    return f"histogram_quantile({share}, sum by (le, content_type) (rate({metric}_bucket{{{FEED}}}[$__rate_interval])))"


def variables() -> list[Variable]:
    datasource = source(KIND)
    listed = "office365_last_listing_timestamp_seconds"
    found: Sequence[tuple[str, str, str, str, str]] = (
        ("source", "Source", "The name of the source in the configuration", listed, "component_id"),
        ("tenant", "Tenant", "The id of the tenant", f"{listed}{{{SOURCE}}}", "tenant"),
        ("content_type", "Content type", "Such as Audit.Exchange", f"{listed}{{{TENANT}}}", "content_type"),
    )
    made: list[Variable] = []
    for name, text, described, series, label in found:
        # Also what has no such label.
        variable = everything(name, text, described, ".*").datasource(datasource)
        made.append(variable.query(f"label_values({series}, {label})"))
    return made


def operations() -> Board:
    described = "Whether everything is collected, how late, and what is in the way."
    board = Board("office365-source: Operations", "office365-operations", KIND, described, variables())
    losses(board)
    feeds(board)
    records(board)
    lag(board)
    api(board)
    webhook(board)
    sinks(board)
    machine(board)
    return board


def losses(board: Board) -> None:
    board.row("Must stay 0")
    none = needs("office365_last_listing_timestamp_seconds")
    for title, metric, unit, described in (
        ("Records unaccounted for", "office365_unaccounted_records_total", "short", "Received, and without an outcome."),
        ("Content expired", "office365_content_expired_total", "short", "Microsoft deleted it before it was fetched."),
        ("Content given up", "office365_content_dead", "short", "Dead blobs that are remembered, up to 30 days."),
        ("Gaps", "office365_gap_seconds_total", "s", "Time whose content could no longer be listed."),
    ):
        panel = number(title, described, [instant(total(metric))], none, calc="lastNotNull", unit=unit, steps=NONE_IS_GOOD)
        board.add(panel, 4, 5)
    changed = instant(total("office365_auditing_reduced_total"))
    described = "Operations that turn auditing off, also those that failed."
    board.add(number("Auditing turned off", described, [changed], none, calc="lastNotNull", steps=NONE_IS_GOOD), 4, 5)
    # Prometheus may have metrics of this name from other programs.
    ours = 'intentional="false", component_kind=~"source|sink"'
    refused = instant(total("component_discarded_events_total", ours))
    described = "Elements that were no events, and events that the peer of a sink refused."
    board.add(number("Discarded", described, [refused], none, calc="lastNotNull", steps=NONE_IS_GOOD), 4, 5)

    board.row("Time left, and time since")
    expiry = "office365_content_expiry_seconds"
    described = "Until Microsoft deletes the oldest content that is not delivered. Nothing is shown when nothing is pending."
    pending = f"and on (job, instance, component_id, tenant, content_type) office365_content_pending{{{FEED}}} > 0"
    none = "Nothing is pending."
    time_left(board, "Content expires in", described, f"min({expiry}{{{FEED}}} {pending})", none, EXPIRY)
    listed = "office365_last_listing_timestamp_seconds"
    described = "Since the listing that is the longest ago, of the tenants and content types chosen."
    time_left(board, "Oldest listing", described, f"time() - min({listed}{{{FEED}}})", needs(listed), LISTING)
    credential = "office365_credential_expiry_timestamp_seconds"
    described = "Until the first credential expires. The source's own credential has no tenant."
    chosen = f'{SOURCE}, tenant=~"$tenant|"'
    time_left(board, "Credential expires in", described, f"min({credential}{{{chosen}}}) - time()", needs(credential), CREDENTIAL)
    there = (
        "office365_last_listing_timestamp_seconds",
        "office365_content_pending",
        "office365_requests_total",
        "office365_records_received_total",
        "office365_content_lag_seconds_count",
        "component_sent_events_total",
    )
    targets = [instant(f"count({metric}) or vector(0)", metric, chr(ord("A") + index)) for index, metric in enumerate(there)]
    described = (
        "How many series there are of metrics that every program has once it collects. All 0, in red: Prometheus does not "
        "scrape it, or names of metrics have a prefix. Some 0: nothing was collected yet, or the program is older."
    )
    board.add(bars("Metrics", described, targets, needs(*there), calc="lastNotNull"), 6)


def time_left(board: Board, title: str, described: str, expr: str, none: str, steps: Steps) -> None:
    board.add(number(title, described, [instant(expr)], none, calc="lastNotNull", unit="s", steps=steps), 6)


def feeds(board: Board) -> None:
    board.row("Tenants and content types")
    by = "max by (component_id, tenant, content_type)"
    columns = {
        "Value #A": ("Last listing (s ago)", f"time() - {by} (office365_last_listing_timestamp_seconds{{{FEED}}})"),
        "Value #B": ("Pending blobs", f"{by} (office365_content_pending{{{FEED}}})"),
        "Value #C": ("Oldest pending (s)", f"{by} (office365_oldest_pending_seconds{{{FEED}}})"),
        "Value #D": ("Expires in (s)", f"{by} (office365_content_expiry_seconds{{{FEED}}})"),
        "Value #E": ("Dead blobs", f"{by} (office365_content_dead{{{FEED}}})"),
    }
    targets = [as_table(expr, column[-1]) for column, (_, expr) in columns.items()]
    changes = [transformation("merge"), organize(["Time"], {column: name for column, (name, _) in columns.items()})]
    none = needs("office365_last_listing_timestamp_seconds", "office365_content_pending")
    described = "One row for each. `/status` says what the problem is, if there is one."
    board.add(rows("Now", described, targets, none, transformations=changes), 24)


def records(board: Board) -> None:
    board.row("Records")
    received = "office365_records_received_total"
    expr = per_second(received, FEED, "content_type")
    board.add(lines("Received", "", [over_time(expr, "{{content_type}}")], needs(received), unit="cps", stacked=True), 8)
    outcome = "office365_records_total"
    described = "Repeated: delivered before. Abandoned: of an attempt that ended before them; they are fetched again."
    expr = per_second(outcome, FEED, "outcome")
    board.add(
        lines("What became of them", described, [over_time(expr, "{{outcome}}")], needs(outcome), unit="cps", stacked=True), 8
    )
    expr = f"sum by (content_type) ({received}{{{FEED}}}) - sum by (content_type) ({outcome}{{{FEED}}})"
    described = "Received, and without an outcome yet. It falls to 0 again when nothing is on its way."
    board.add(lines("On their way", described, [over_time(expr, "{{content_type}}")], needs(received, outcome)), 8)
    for title, metric, by, labels in (
        ("Damaged fields", "office365_damaged_fields_total", "reason", SOURCE),
        ("Repaired records", "office365_repaired_records_total", "component_id", SOURCE),
        ("Redacted records", "office365_redacted_records_total", "component_id", SOURCE),
    ):
        expr = per_second(metric, labels, by)
        board.add(lines(title, "", [over_time(expr, f"{{{{{by}}}}}")], needs(metric), unit="cps"), 8, 6)


def lag(board: Board) -> None:
    board.row("Lag")
    for title, metric, described in (
        ("Content", "office365_content_lag_seconds", "From when Microsoft made the content to its delivery: our part."),
        ("Events", "office365_event_lag_seconds", "From the act to its delivery: Microsoft's part and ours."),
    ):
        for share, name in ((0.5, "median"), (0.95, "95 of 100")):
            target = over_time(quantile(share, metric), "{{content_type}}")
            board.add(lines(f"{title}, {name}", described, [target], needs(metric), unit="s", steps=LAG), 6)
    for title, metric, unit in (
        ("Pending blobs", "office365_content_pending", "short"),
        ("Oldest pending blob", "office365_oldest_pending_seconds", "s"),
        ("Content expires in", "office365_content_expiry_seconds", "s"),
    ):
        worst = "min" if metric == "office365_content_expiry_seconds" else "max"
        target = over_time(f"{worst} by (content_type) ({metric}{{{FEED}}})", "{{content_type}}")
        board.add(lines(title, "", [target], needs(metric), unit=unit), 8)


def api(board: Board) -> None:
    board.row("Microsoft's API")
    requests = "office365_requests_total"
    for title, by in (("Requests, by operation", "operation"), ("Requests, by status", "status")):
        target = over_time(per_second(requests, TENANT, by), f"{{{{{by}}}}}")
        board.add(lines(title, "", [target], needs(requests), unit="reqps", stacked=True), 6)
    for title, metric, labels, by, unit in (
        ("Throttled", "office365_throttled_total", FEED, "content_type", "cps"),
        ("Tokens", "office365_token_requests_total", TENANT, "result", "cps"),
        ("Blobs found", "office365_content_found_total", FEED, "found_by", "cps"),
        ("Blobs delivered", "office365_content_delivered_total", FEED, "content_type", "cps"),
        ("Subscriptions stopped by others", "office365_subscriptions_lost_total", FEED, "content_type", "cps"),
        ("Blobs tried again", "office365_content_retries_total", FEED, "content_type", "cps"),
        ("Errors", "component_errors_total", "", "error_code", "cps"),
    ):
        target = over_time(per_second(metric, labels, by), f"{{{{{by}}}}}")
        board.add(lines(title, "", [target], needs(metric), unit=unit, stacked=True), 6)


def webhook(board: Board) -> None:
    board.row("Webhook (mode webhook only)")
    healthy = "office365_webhook_healthy"
    target = over_time(f"min by (tenant, content_type) ({healthy}{{{FEED}}})", "{{tenant}} {{content_type}}")
    described = "1: notifications arrive. 0: they do not, and content is polled."
    board.add(lines("Healthy", described, [target], needs(healthy), steps=HEALTHY), 8)
    for title, metric, labels, by in (
        ("Requests", "office365_webhook_requests_total", SOURCE, "kind"),
        ("Refused", "office365_webhook_refused_total", SOURCE, "reason"),
    ):
        target = over_time(per_second(metric, labels, by), f"{{{{{by}}}}}")
        board.add(lines(title, "", [target], needs(metric), unit="reqps", stacked=True), 8)


def sinks(board: Board) -> None:
    board.row("Sinks")
    for title, metric, by, unit in (
        ("Events sent", "component_sent_events_total", "component_id", "cps"),
        ("Bytes sent", "component_sent_bytes_total", "component_id", "Bps"),
        ("Errors of sinks", "component_errors_total", "component_id, error_code", "cps"),
    ):
        legend = " ".join(f"{{{{{label}}}}}" for label in by.split(", "))
        target = over_time(per_second(metric, SINK, by), legend)
        board.add(lines(title, "", [target], needs(metric), unit=unit, stacked=True), 8)


def machine(board: Board) -> None:
    board.row("On this machine")
    for title, metric, described in (
        ("Ledger", "office365_ledger_bytes", "The file grows with the ids of delivered events, and keeps its largest size."),
        ("Spool", "office365_spool_bytes", "Blobs that do not fit into memory. The files have no names."),
    ):
        target = over_time(f"sum by (component_id) ({metric}{{{SOURCE}}})", "{{component_id}}")
        board.add(lines(title, described, [target], needs(metric), unit="bytes"), 8)
    built = "office365_geoip_database_built_timestamp_seconds"
    target = over_time(f"time() - max by (database) ({built})", "{{database}}")
    limits: Steps = ((None, "green"), (30 * DAY, "red"))
    board.add(lines("Age of GeoIP databases", "", [target], needs(built), unit="s", steps=limits), 8)
