//! `office365-source check`

use std::process::ExitCode;

use tokio::runtime::Builder;

use super::{
    args::CheckArgs,
    exit,
    output::{complain, print},
};
use crate::{
    check::{self, Finding, Outcome},
    config::TopologyConfig,
    secrets,
    tenancy::ConfiguredSource,
};

pub(super) fn check(args: &CheckArgs) -> ExitCode {
    let mut report = Report { json: args.json.then(Vec::new), failed: false };
    match secrets::load(&args.config.config) {
        Ok(topology) => {
            let sources = match sources(&topology, args.source.as_deref()) {
                Ok(sources) => sources,
                Err(refused) => return refused,
            };
            let runtime = match Builder::new_multi_thread().enable_all().build() {
                Ok(runtime) => runtime,
                Err(error) => {
                    complain(&error);
                    return exit::FAILURE;
                }
            };
            let (tenant, patience) = (args.tenant, args.timeout.get());
            let (findings, unusable) = runtime.block_on(check::check_configuration(&topology, patience));
            for finding in findings {
                report.add(finding);
            }
            for source in sources {
                let found = &mut |finding| report.add(finding);
                runtime.block_on(check::check_source(source, tenant, &unusable, patience, found));
            }
        }
        Err(errors) => {
            for error in errors {
                let outcome = Outcome::Failed(error.to_string());
                report.add(Finding { subject: "configuration".to_owned(), outcome, elapsed_ms: None });
            }
        }
    }
    report.end()
}

fn sources<'a>(topology: &'a TopologyConfig, name: Option<&str>) -> Result<Vec<ConfiguredSource<'a>>, ExitCode> {
    if name.is_none() {
        return Ok(ConfiguredSource::all(topology));
    }
    ConfiguredSource::choose(topology, name).map(|source| vec![source]).map_err(|error| {
        complain(&error);
        exit::usage()
    })
}

/// Lines as they come, or one JSON array at the end.
struct Report {
    json: Option<Vec<Finding>>,
    failed: bool,
}

impl Report {
    fn add(&mut self, finding: Finding) {
        self.failed |= finding.is_failure();
        match &mut self.json {
            Some(findings) => findings.push(finding),
            // Who reads no more still gets the exit code.
            None => self.failed |= print(&line(&finding)) != exit::OK,
        }
    }

    fn end(mut self) -> ExitCode {
        if let Some(findings) = self.json.take() {
            match serde_json::to_string_pretty(&findings) {
                Ok(text) => self.failed |= print(&text) != exit::OK,
                Err(error) => complain(&error),
            }
        }
        if self.failed { exit::FAILURE } else { exit::OK }
    }
}

fn line(Finding { subject, outcome, elapsed_ms }: &Finding) -> String {
    let mark = match outcome {
        Outcome::Ok(_) => "✓",
        Outcome::Note(_) => "–",
        Outcome::Failed(_) => "✗",
    };
    // One line a check, whatever an error says.
    let text = outcome.text().replace(['\r', '\n'], " ");
    let elapsed =
        elapsed_ms.map_or_else(String::new, |elapsed| format!(" ({}.{} s)", elapsed / 1_000, elapsed % 1_000 / 100));
    format!("{mark} {subject}: {text}{elapsed}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_is_one_line() {
        let shown = |outcome, elapsed_ms| line(&Finding { subject: "DNS".to_owned(), outcome, elapsed_ms });
        assert_eq!(shown(Outcome::Ok("fine".to_owned()), Some(49)), "✓ DNS: fine (0.0 s)");
        assert_eq!(shown(Outcome::Note("one\ntwo".to_owned()), None), "– DNS: one two");
        assert_eq!(shown(Outcome::Failed("bad".to_owned()), Some(12_345)), "✗ DNS: bad (12.3 s)");
    }
}
