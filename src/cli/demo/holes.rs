//! The third act: content that Microsoft never lists, which the audit search finds and heals.

use std::{path::Path, time::Duration};

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde_json::json;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::{
    audit_search::{DayReport, Report, SearchTask, Verdict},
    config::{Office365Config, ProxyConfig},
    content::{ContentType, Feed},
    simulator::{BlobSpec, SimulatedTenant, Simulator},
    tenancy::{Answer, ConfiguredSource, Question, UNEXPECTED, ask_source},
};

/// How old the day of the holes is: a day is compared once it is 72 hours old.
const AGE: TimeDelta = TimeDelta::days(4);

/// Events that are never listed, of each tenant.
const EVENTS: usize = 25;

/// How long a comparison may take, and between looks.
const PATIENCE: Duration = Duration::from_secs(120);
const TICK: Duration = Duration::from_millis(500);

/// What the act came to.
pub(super) struct Proof {
    pub(super) made: u64,
    pub(super) found: u64,
    pub(super) healed: u64,
    /// Of those that the audit search finds, in percent.
    pub(super) proved: u64,
    pub(super) is_complete: bool,
}

/// Makes holes on a day of the past, has them found, and has them healed.
pub(super) async fn act(
    simulator: &Simulator,
    tenants: &[SimulatedTenant],
    name: &str,
    config: &Office365Config,
    data_dir: &Path,
    tell: impl Fn(&str),
) -> crate::Result<Proof> {
    let day = (Utc::now() - AGE).date_naive();
    for tenant in tenants {
        hide(simulator, tenant, day);
    }
    let made = (EVENTS * tenants.len()) as u64;
    tell(&format!(
        "Microsoft never lists content of {day} with {made} events. The audit search of Microsoft Graph has them:"
    ));
    let proxy = ProxyConfig::default();
    let source = ConfiguredSource { name, config, data_dir, proxy: &proxy };
    let ask = SearchTask { from: day, through: day, tenant: None, heals: false, again: false };
    let sum = |report: &Report, count: fn(&DayReport) -> u64| report.days.iter().map(count).sum::<u64>();
    let verified = compare(source, ask).await?;
    let found = sum(&verified, |day| day.missing);
    tell(&format!("verify finds {found} of them missing;"));
    let report = compare(source, SearchTask { heals: true, ..ask }).await?;
    let (records, missing) = (sum(&report, |day| day.found), sum(&report, |day| day.missing));
    let healed = sum(&report, |day| day.healed);
    tell(&format!("backfill delivers {healed}."));
    Ok(Proof {
        made,
        found,
        healed,
        proved: (100 * (records - missing.min(records))).checked_div(records).unwrap_or_default(),
        is_complete: report.verdict == Verdict::Complete && (found, healed) == (made, made),
    })
}

fn hide(simulator: &Simulator, tenant: &SimulatedTenant, day: NaiveDate) {
    let at = |minutes: usize| -> DateTime<Utc> {
        let minutes = TimeDelta::minutes(i64::try_from(minutes).unwrap_or_default());
        day.and_time(chrono::NaiveTime::MIN).and_utc() + TimeDelta::hours(8) + minutes
    };
    let event = |number: usize| {
        json!({
            "Id": Uuid::new_v4(), "CreationTime": at(number).format("%Y-%m-%dT%H:%M:%S").to_string(),
            "RecordType": 6, "Operation": "FileDownloaded", "OrganizationId": tenant.id, "UserType": 0,
            "UserKey": "i:0h.f|membership|1003@live.com", "Workload": "SharePoint", "Version": 1,
            "UserId": format!("adelev@{}", tenant.domain), "ClientIP": "198.51.100.7",
            "ObjectId": format!("https://{}/sites/finance/Shared Documents/payroll-{number}.xlsx", tenant.domain),
            "SourceFileName": format!("payroll-{number}.xlsx"), "SourceFileExtension": "xlsx", "ItemType": "File"
        })
    };
    let body = serde_json::Value::from((0..EVENTS).map(event).collect::<Vec<_>>()).to_string();
    let feed = Feed { tenant: tenant.id, content_type: ContentType::SharePoint };
    simulator.add_blob(feed, BlobSpec::new(body, at(90)).unlisted());
}

/// Asks the running source for a comparison, and waits for it.
async fn compare(source: ConfiguredSource<'_>, task: SearchTask) -> crate::Result<Report> {
    let deadline = Instant::now() + PATIENCE;
    let mut report = ask(source, Question::Compare { task }).await?;
    while report.is_open() && Instant::now() < deadline {
        sleep(TICK).await;
        report = ask(source, Question::Coverage { range: (task.from, task.through), tenant: None }).await?;
    }
    Ok(report)
}

async fn ask(source: ConfiguredSource<'_>, question: Question) -> crate::Result<Report> {
    match ask_source(source, &question).await?.answer {
        Answer::Coverage { report, .. } => Ok(report),
        Answer::Refused { problem } => Err(problem.into()),
        _ => Err(UNEXPECTED.into()),
    }
}
