//! `demo --cluster`: three collectors, real processes, that share their tenants through a NATS server on this machine.

mod nats_server;
mod processes;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use futures::future::join_all;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use self::{nats_server::NatsServer, processes::Collector};
use super::{Arrived, lock, report::Report, tell_line, troubled_service, until_arrived};
use crate::{
    Result,
    cli::{args::DemoArgs, simulated::configuration},
    clock::Clock,
    config::ProxyConfig,
    content::TenantId,
    simulator::{SimulatedTenant, Simulator, SimulatorConfig},
    transport::{HttpTransport, Transport, TransportOptions},
};

const COLLECTORS: usize = 3;

/// How long to wait for what a healthy machine does in seconds.
const PATIENCE: Duration = Duration::from_secs(120);
const TICK: Duration = Duration::from_millis(200);

/// Fictitious companies of Microsoft's documentation.
const DOMAINS: [&str; 6] =
    ["contoso.com", "fabrikam.com", "northwindtraders.com", "adatum.com", "tailspintoys.com", "woodgrovebank.com"];

/// Runs three collectors, kills one with its work half done, and starts it again.
pub(super) async fn run(args: &DemoArgs) -> Result<Report> {
    let directory = TempDir::with_prefix("office365-source-demo-")?;
    let nats = NatsServer::start(&directory.path().join("nats")).await?;
    let simulated = service();
    let simulator = Simulator::new(simulated.clone(), Clock::system());
    let service = simulator.serve(([127, 0, 0, 1], 0).into()).await?;
    let arrived = Arrived::default();
    // All of it is on this machine.
    let proxy = ProxyConfig { enabled: false, ..ProxyConfig::default() };
    let options = TransportOptions { proxy, ..TransportOptions::default() };
    let transport: Arc<dyn Transport> = Arc::new(HttpTransport::new(&options)?);
    let start = |number: usize| {
        let home = directory.path().join(format!("collector-{number}"));
        let text = configuration(
            &simulated,
            &simulated.tenants,
            &service.base_url(),
            &home.join("data").display().to_string(),
            None,
        );
        let state = format!(
            "\n[sources.m365.state]\ntype = \"nats\"\nservers = [\"nats://{}\"]\nreplicas = 1\n",
            nats.address()
        );
        Collector::start(&home, &format!("{text}{state}"), &transport, &arrived, args.json)
    };
    let tell = |line: &str| tell_line(args, line);

    tell(&format!("{COLLECTORS} collectors share the tenants through NATS ({}):", nats.version()));
    let mut collectors = (1..=COLLECTORS).map(start).collect::<Result<Vec<_>>>()?;
    let is_shared = |shares: &[BTreeSet<TenantId>]| is_whole(shares) && shares.iter().all(|share| !share.is_empty());
    let shares = until("each collector has tenants, and each tenant a collector", &collectors, is_shared).await?;
    tell_shares(&tell, &simulated, &shares);
    sleep(Duration::from_secs(args.seconds)).await;

    let victim = collectors.remove(0);
    let orphans = victim.tenants().await;
    victim.kill().await?;
    tell(&format!("Collector 1 is killed (kill -9), with {} tenants.", orphans.len()));
    let killed = Instant::now();
    until("the others have taken its tenants", &collectors, is_whole).await?;
    tell(&format!("After {} s the others have taken them.", killed.elapsed().as_secs()));
    collectors.insert(0, start(1)?);
    let shares = until("collector 1 has tenants again", &collectors, is_shared).await?;
    tell("Collector 1 is started again, and has tenants again:");
    tell_shares(&tell, &simulated, &shares);

    // The service goes on; what exists now has to arrive.
    let expected = simulator.oracle().expected_ids();
    let missing = until_arrived(&expected, &arrived, || false).await;
    let mut have_failed = 0;
    for collector in collectors {
        have_failed += usize::from(!collector.stop().await?);
    }
    let stats = simulator.stats();
    service.stop().await;
    nats.stop().await?;
    let report = {
        let arrived = lock(&arrived);
        let twice = arrived.values().filter(|times| **times > 1).count();
        let rows = vec![
            ("tenants", DOMAINS.len().to_string()),
            ("collectors", COLLECTORS.to_string()),
            ("events", arrived.len().to_string()),
            ("tenants taken over", orphans.len().to_string()),
            ("faults of the service", stats.faults.to_string()),
            ("in flight when killed, and so delivered twice", twice.to_string()),
            ("missing", missing.to_string()),
        ];
        Report::of(rows, missing == 0 && have_failed == 0 && stats.violations.is_empty())
    };
    directory.close()?;
    Ok(report)
}

/// Several tenants of one application, as a service provider has them.
fn service() -> SimulatorConfig {
    let application = SimulatedTenant::contoso();
    let tenant = |(number, domain): (usize, &str)| SimulatedTenant {
        id: TenantId(uuid::Uuid::from_u128(application.id.0.as_u128() + number as u128)),
        domain: domain.to_owned(),
        ..application.clone()
    };
    SimulatorConfig { tenants: DOMAINS.into_iter().enumerate().map(tenant).collect(), ..troubled_service() }
}

/// Whether each tenant has one collector.
fn is_whole(shares: &[BTreeSet<TenantId>]) -> bool {
    let all: BTreeSet<_> = shares.iter().flatten().collect();
    all.len() == DOMAINS.len() && shares.iter().map(BTreeSet::len).sum::<usize>() == all.len()
}

fn tell_shares(tell: &impl Fn(&str), simulated: &SimulatorConfig, shares: &[BTreeSet<TenantId>]) {
    let domains: BTreeMap<_, _> = simulated.tenants.iter().map(|tenant| (tenant.id, tenant.domain.as_str())).collect();
    for (number, tenants) in shares.iter().enumerate() {
        let names: Vec<_> = tenants.iter().filter_map(|tenant| domains.get(tenant).copied()).collect();
        tell(&format!("  collector {}: {}", number + 1, names.join(", ")));
    }
}

/// Waits until the tenants of the collectors are as they should be, and returns them.
async fn until(
    what: &str,
    collectors: &[Collector],
    is_so: impl Fn(&[BTreeSet<TenantId>]) -> bool,
) -> Result<Vec<BTreeSet<TenantId>>> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let shares = join_all(collectors.iter().map(Collector::tenants)).await;
        if is_so(&shares) {
            return Ok(shares);
        }
        if Instant::now() >= deadline {
            return Err(format!("not so after {} s: {what}", PATIENCE.as_secs()).into());
        }
        sleep(TICK).await;
    }
}
