//! `office365-source simulate`

use std::{io, process::ExitCode, time::Duration};

use tokio::runtime::Builder;

use super::{
    args::SimulateArgs,
    exit,
    output::{complain, print},
    simulated::{SimulatedWebhook, configuration},
};
use crate::{
    clock::Clock,
    host,
    simulator::{Backlog, Faults, Live, Simulator, SimulatorConfig},
};

/// The port of mode webhook, unless it is configured otherwise.
const WEBHOOK_PORT: u16 = 8443;

pub(super) fn simulate(args: &SimulateArgs) -> ExitCode {
    if !args.listen.ip().is_loopback() {
        complain(
            &"--listen: the simulator hands out tokens to anyone; write a loopback address such as 127.0.0.1:8080",
        );
        return exit::usage();
    }
    let result = Builder::new_multi_thread().enable_all().build().and_then(|runtime| runtime.block_on(serve(args)));
    match result {
        Ok(()) => exit::OK,
        Err(error) => {
            complain(&format_args!("--listen {}: {error}; is the port in use? Write another one", args.listen));
            exit::FAILURE
        }
    }
}

async fn serve(args: &SimulateArgs) -> io::Result<()> {
    let stop = host::stop_signal()?;
    let config = config(args);
    let webhook = match &args.webhook {
        Some(directory) => Some(SimulatedWebhook::new(directory, WEBHOOK_PORT)?),
        None => None,
    };
    let simulator = Simulator::new(config.clone(), Clock::system());
    let running = simulator.serve(args.listen).await?;
    // Each simulation is a new service: a ledger of an earlier one has subscriptions and content that do not exist in
    // it.
    let data_dir = std::env::temp_dir().join(format!("office365-source-simulated-{}", std::process::id()));
    let data_dir = data_dir.to_string_lossy();
    print(&format!(
        "# The simulator listens on {base} until Ctrl-C. This configuration collects from it:\n\n{}",
        configuration(&config, &config.tenants, &running.base_url(), &data_dir, webhook.as_ref()),
        base = running.base_url(),
    ));
    if let Some(webhook) = &webhook {
        simulator.set_webhook_transport(webhook.transport().map_err(io::Error::other)?);
    }
    tokio::select! {
        () = stop => {}
        () = simulator.run_notifications() => {}
    }
    running.stop().await;
    Ok(())
}

fn config(args: &SimulateArgs) -> SimulatorConfig {
    let demo = SimulatorConfig::demo();
    SimulatorConfig {
        seed: args.seed,
        backlog: Backlog {
            reaches_back: Duration::from_hours(args.backlog_hours),
            blobs_per_feed: args.blobs,
            events_per_blob: 1..=args.events_per_blob.max(1),
        },
        live: (args.live_secs > 0).then(|| Live {
            every: Duration::from_secs(args.live_secs),
            events_per_blob: 1..=args.events_per_blob.max(1),
        }),
        faults: if args.stormy { Faults::stormy() } else { Faults::default() },
        page_size: 100,
        ..demo
    }
}
