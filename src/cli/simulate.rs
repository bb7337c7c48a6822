//! `office365-source simulate`

use std::{io::ErrorKind, path::Path, process::ExitCode, time::Duration};

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
    let runtime = Builder::new_multi_thread().enable_all().build().map_err(|error| error.to_string());
    match runtime.and_then(|runtime| runtime.block_on(serve(args))) {
        Ok(()) => exit::OK,
        Err(problem) => {
            complain(&problem);
            exit::FAILURE
        }
    }
}

fn made_webhook(directory: &Path) -> Result<SimulatedWebhook, String> {
    SimulatedWebhook::new(directory, WEBHOOK_PORT).map_err(|error| {
        let advice = match error.kind() {
            ErrorKind::AddrInUse => format!("; port {WEBHOOK_PORT} is in use: stop what listens on it"),
            _ => "; write a directory that can be made and written to".to_owned(),
        };
        format!("--webhook {}: {error}{advice}", directory.display())
    })
}

/// Says in the end what went wrong.
async fn serve(args: &SimulateArgs) -> Result<(), String> {
    let stop = host::stop_signal().map_err(|error| error.to_string())?;
    let config = config(args);
    let webhook = match &args.webhook {
        Some(directory) => Some(made_webhook(directory)?),
        None => None,
    };
    let simulator = Simulator::new(config.clone(), Clock::system());
    let running = simulator
        .serve(args.listen)
        .await
        .map_err(|error| format!("--listen {}: {error}; is the port in use? Write another one", args.listen))?;
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
        simulator.set_webhook_transport(webhook.transport().map_err(|error| error.to_string())?);
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
